// `mgqe similar`: items like one.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "experiments/serving/model_options.hpp"

namespace mgqe {

class SimilarCommand {
 public:
  explicit SimilarCommand(CLI::App& app);

  bool given() const { return command_->parsed(); }
  void run() const;

 private:
  CLI::App* command_;
  ModelOptions model_;
  std::string item_, by_;
  int64_t k_ = 10;
  int threads_ = 0;
  std::string device_ = "cpu";
  bool by_row_ = false, as_json_ = false;
};

}  // namespace mgqe
