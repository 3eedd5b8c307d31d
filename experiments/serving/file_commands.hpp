// `mgqe verify` and `mgqe histories`: what goes round with an artifact that is served.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "experiments/serving/model_options.hpp"

namespace mgqe {

class VerifyCommand {
 public:
  explicit VerifyCommand(CLI::App& app);

  bool given() const { return command_->parsed(); }
  void run() const;

 private:
  CLI::App* command_;
  std::string path_;
};

class HistoriesCommand {
 public:
  explicit HistoriesCommand(CLI::App& app);

  bool given() const { return command_->parsed(); }
  void run() const;

 private:
  CLI::App* command_;
  std::string path_, out_;
  CLI::Option* artifact_option_;  // before the others in the help
  std::string until_ = "test";
  ConfigOptions data_;
};

}  // namespace mgqe
