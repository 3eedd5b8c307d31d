// `mgqe describe`: how a data file is understood and what is in it, before any training.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "host/data/dataset.hpp"

namespace mgqe {

/// Users, items, popularity and the split of it, a line each, ended.
std::string describe_dataset(const Dataset& dataset);

class DescribeCommand {
 public:
  explicit DescribeCommand(CLI::App& app);

  bool given() const { return command_->parsed(); }
  void run() const;

 private:
  void describe_interactions() const;
  void describe_relevance() const;

  CLI::App* command_;
  std::string file_;
  std::string task_ = "ranking";
};

}  // namespace mgqe
