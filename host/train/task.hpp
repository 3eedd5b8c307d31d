// Task: what a run learns from and how it is judged. RankingTask holds actions out and ranks them;
// RelevanceTask predicts scores of item pairs, CtrTask labels of rows with many fields.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "host/io/artifact.hpp"
#include "host/train/batch_source.hpp"
#include "host/train/evaluator.hpp"

namespace mgqe {

struct EvaluationResult {
  nlohmann::ordered_json json;  // as result.json holds it
  double score = 0.0;           // by which the best epoch is chosen; higher is better
  std::vector<double> columns;  // for the console, as Task::columns() names them; NaN: none
  std::vector<double> hits{};   // full-ranking hits within 10 of each user judged; none of pairs
};

class Task {
 public:
  Task(Backend& backend, const Config& config) : backend_(backend), config_(config) {}
  virtual ~Task() = default;

  virtual Catalogue catalogue() const = 0;
  virtual std::unique_ptr<BatchSource> make_batch_source() const = 0;
  /// The split that the best epoch is chosen on.
  virtual Split selection() const = 0;
  /// Among ranks all of them call it, each with the rows that it has of sharded tables, and get the
  /// same.
  virtual EvaluationResult evaluate(const DevicePackedModel& model, Split split) = 0;
  /// Of a whole model in host memory; each rank uploads the rows that config gives it.
  EvaluationResult evaluate(const PackedModel& model, Split split);

  /// Headings of EvaluationResult::columns.
  virtual std::vector<std::string> columns() const = 0;
  /// Of one evaluation, for people: a line or more, each ended.
  virtual std::string summary(const nlohmann::ordered_json& test) const = 0;
  /// The data, for people and for result.json.
  virtual std::string description() const = 0;
  /// How its file was understood, in one line; empty where there was none.
  virtual std::string reading() const = 0;
  virtual nlohmann::ordered_json data() const = 0;
  virtual std::map<std::string, OriginalIds> ids() const = 0;
  /// Artifact::fields: where the rows of many features lie; null where a table is of one.
  virtual nlohmann::json fields() const { return nullptr; }
  virtual uint64_t fingerprint() const = 0;
  /// Of the data that the ids are of: rows that were read by the vocabulary of others have theirs.
  virtual uint64_t ids_fingerprint() const { return fingerprint(); }
  /// Whether what was trained on the data of that fingerprint knows these ids.
  bool has_ids_of(uint64_t trained_on) const {
    return trained_on == fingerprint() || trained_on == ids_fingerprint();
  }

  /// Whether what was trained with those fields() reads these features, by name, at their places.
  bool has_features_of(const nlohmann::json& trained_on) const;

  /// Takes logits and labels of some rows, in their order.
  using TakePredictions =
      std::function<void(std::span<const float> logits, std::span<const float> labels)>;
  /// Of every row of a split, by one process. InputError where a task has none.
  virtual void predict(const PackedModel& model, Split split, const TakePredictions& take);

 protected:
  Backend& backend_;
  Config config_;
};

std::unique_ptr<Task> make_ranking_task(Backend& backend, Dataset dataset, const Config& config);
std::unique_ptr<Task> make_relevance_task(Backend& backend, RelevanceDataset dataset,
                                          const Config& config);

std::unique_ptr<Task> make_ctr_task(Backend& backend, std::unique_ptr<const CtrRows> rows,
                                    const Config& config);

/// Loads the data that config names. Where that is "auto", config.data.name becomes what was found.
std::unique_ptr<Task> make_task(Backend& backend, Config& config);

EvaluatorOptions evaluator_options(const Config& config);

}  // namespace mgqe
