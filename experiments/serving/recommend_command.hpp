// `mgqe recommend`: items for users or for histories.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "experiments/serving/model_options.hpp"

namespace mgqe {

class RecommendCommand {
 public:
  explicit RecommendCommand(CLI::App& app);

  bool given() const { return command_->parsed(); }
  void run() const;

 private:
  /// Those asked about, in the order they were named, and what to call them.
  struct Asked {
    std::vector<Asker> askers;
    std::vector<int32_t> users;  // rows, of askers that are users
  };

  void check_choices() const;
  bool leave_out_seen() const;
  Asked asked(const ServedModel& model, Rows& rows) const;
  Wishes wishes(Rows& rows) const;
  void print_json(const ServedModel& model, const Asked& who, const Wishes& wishes) const;
  void print_table(const ServedModel& model, const Asked& who, const Wishes& wishes) const;

  CLI::App* command_;
  ModelOptions model_;
  std::vector<std::string> user_, history_, exclude_;
  std::string users_file_, allow_file_;
  std::string missing_ = "error";
  int64_t k_ = 10, shortlist_ = 0;
  int threads_ = 0;
  std::string device_ = "cpu";
  bool by_row_ = false, as_json_ = false, measure_recall_ = false;
};

}  // namespace mgqe
