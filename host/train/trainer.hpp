// Trainer: epochs of TrainingLoop, evaluation of the compressed model after each, and the files a
// run leaves behind.
#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "host/io/artifact.hpp"
#include "host/train/evaluator.hpp"
#include "host/train/training_loop.hpp"

namespace mgqe {

class Trainer {
 public:
  /// command: the line that started the run, kept in result.json.
  Trainer(Backend& backend, const Dataset& dataset, const Config& config, std::string command);

  /// Trains config.train.epochs epochs and writes to config.run.out:
  ///   metrics.jsonl            a line an epoch
  ///   model.safetensors        the packed artifact of the best epoch
  ///   checkpoint.safetensors   every array and optimizer state of the last epoch
  ///   result.json              what is returned
  /// The best epoch has the highest full-ranking NDCG@10 on validation, the earliest on ties,
  /// measured after compression; without validation items, the highest sampled HR@10 on test.
  /// InputError when the loss is not finite.
  nlohmann::ordered_json run();

 private:
  struct Best {
    int epoch = 0;
    double score = 0.0;
    PackedModel model;
    std::map<std::string, std::vector<TierReport>> tiers;
    Evaluation evaluation;
  };

  void train_epoch(int epoch, class Progress& progress);
  void evaluate_epoch(int epoch);
  Artifact make_artifact() const;
  nlohmann::ordered_json make_result(const SizeReport& size, const Evaluation& test) const;
  nlohmann::ordered_json epoch_record(int epoch, const Evaluation& evaluation);

  Backend& backend_;
  const Dataset& dataset_;
  Config config_;
  std::string command_;
  std::filesystem::path out_;
  TrainingLoop loop_;
  Evaluator evaluator_;
  Split selection_;
  Best best_;
  Evaluation last_evaluation_;
  std::vector<double> train_loss_;  // by epoch
  double train_seconds_ = 0.0, evaluate_seconds_ = 0.0;
};

EvaluatorOptions evaluator_options(const RunConfig& config);

}  // namespace mgqe
