// Made-up runs for the tests of grids, stores and reports.
#pragma once

#include <filesystem>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "experiments/grid/run_store.hpp"
#include "host/base/numerics.hpp"
#include "models/backbones/model.hpp"

namespace mgqe::testing {

/// A test with a folder of its own.
class ScratchFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              fmt::format("mgqe_{}_{}_{}", test->test_suite_name(), test->name(), getpid());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

/// HR@10 by both protocols, on test and on validation; for relevance `sampled` is the RMSE.
struct MadeUpFigures {
  double sampled = 0.65, full = 0.08;
};

/// What `mgqe train` could have left.
inline RunRecord made_up_result(const Config& config, MadeUpFigures figures) {
  const auto protocol = [](double hit_rate) -> RunRecord {
    return {{"hr@10", hit_rate},
            {"ndcg@10", hit_rate / 2},
            {"users", 100},
            {"head", {{"hr@10", hit_rate * 1.5}, {"ndcg@10", hit_rate * 0.75}, {"users", 40}}},
            {"tail", {{"hr@10", hit_rate * 0.5}, {"ndcg@10", hit_rate * 0.25}, {"users", 60}}}};
  };
  RunRecord judged = {{"sampled", protocol(figures.sampled)}, {"full", protocol(figures.full)}};
  if (config.model.task == TaskKind::kRelevance)
    judged = {{"rmse", figures.sampled}, {"pairs", 100}};
  RunRecord losses = RunRecord::array();
  for (int epoch = 1; epoch <= 4; ++epoch) losses.push_back(0.5 / epoch);
  // As large as 3,416 items and 6,040 users.
  const int64_t full_bits = 32 * 9456 * config.embedding.dim;
  return {{"command", "mgqe train"},
          {"commit", "0123456789ab"},
          {"numerics_version", kNumericsVersion},
          {"device", "cpu"},
          {"device_description", "made up, 1 thread"},
          {"seed", config.run.seed},
          {"config", to_json(config)},
          {"data", {{"name", config.data.name}, {"fingerprint", "00"}}},
          {"selection", "valid"},
          {"best_epoch", 3},
          {"epochs", 4},
          {"valid", judged},
          {"test", judged},
          {"size",
           {{"formula_bits", full_bits / 4},
            {"payload_bits", full_bits / 4},
            {"file_bytes", full_bits / 32},
            {"full_bits", full_bits},
            {"percent_of_full", 25.0}}},
          {"train_loss", losses},
          {"seconds", {{"train", 10.0}, {"evaluate", 1.0}}}};
}

}  // namespace mgqe::testing
