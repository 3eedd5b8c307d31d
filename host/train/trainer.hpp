// Trainer: epochs of TrainingLoop, evaluation of the compressed model after each, and the files a
// run leaves behind.
#pragma once

#include <filesystem>
#include <set>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "host/train/training_loop.hpp"

namespace mgqe {

class Trainer {
 public:
  /// command: the line that started the run, kept in result.json.
  Trainer(Backend& backend, Task& task, const Config& config, std::string command);

  /// Trains up to config.train.epochs epochs and writes to config.run.out:
  ///   metrics.jsonl            a line an evaluated epoch
  ///   model.safetensors        the packed artifact of the best epoch
  ///   checkpoint.safetensors   every array and optimizer state of the last epoch
  ///   result.json              what is returned
  /// The best epoch has the highest score of the task (task.hpp), the earliest on ties, measured
  /// after compression. InputError when the loss is not finite.
  nlohmann::ordered_json run();

 private:
  struct Best {
    int epoch = 0;
    PackedModel model;
    std::map<std::string, std::vector<TierReport>> tiers;
    Judgement judgement;
  };

  void train_epoch(int epoch, class Progress& progress);
  [[noreturn]] void refuse_loss(int epoch);
  void evaluate_epoch(int epoch);
  void warn_of_collapse();
  void print_header() const;
  void print_epoch(int epoch, double examples_per_second) const;
  Artifact make_artifact() const;
  nlohmann::ordered_json make_result(const SizeReport& size, const Judgement& test) const;
  nlohmann::ordered_json epoch_record(int epoch);
  double examples_per_second() const;
  std::string selection_name() const {
    return task_.selection() == Split::kValid ? "valid" : "test";
  }

  Backend& backend_;
  Task& task_;
  Config config_;
  std::string command_;
  std::filesystem::path out_;
  TrainingLoop loop_;
  Best best_;
  Judgement last_judgement_;
  std::vector<double> train_loss_;  // by epoch
  std::set<std::string> warned_;    // tiers whose collapse was reported
  double train_seconds_ = 0.0, evaluate_seconds_ = 0.0;
};

}  // namespace mgqe
