// `mgqe append` and `mgqe compact`: new rows, and rows in a new order, without training.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "experiments/serving/table_work.hpp"

namespace mgqe {

class AppendCommand {
 public:
  explicit AppendCommand(CLI::App& app);

  bool given() const { return command_->parsed(); }
  void run() const;

 private:
  CLI::App* command_;
  std::string artifact_, in_, ids_, out_, name_;
  DeviceOptions device_;
  bool as_json_ = false;
};

class CompactCommand {
 public:
  explicit CompactCommand(CLI::App& app);

  bool given() const { return command_->parsed(); }
  void run() const;

 private:
  CLI::App* command_;
  std::string artifact_, counts_, out_, name_;
  std::vector<double> cuts_;
  DeviceOptions device_;
  bool as_json_ = false;
};

}  // namespace mgqe
