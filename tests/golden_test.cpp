// Fifty steps of GMF on fixed batches against an independent PyTorch implementation in float64
// (golden/make_golden.py), on every back end of the build.
#include <cmath>
#include <fstream>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "host/core/config.hpp"
#include "models/model.hpp"
#include "tests/testing.hpp"

namespace mgqe {
namespace {

// Float32 (unit roundoff u = 6e-8) against float64. Values stay below 1, so 50 updates round a
// parameter by at most 50 u = 3e-6. Adam's step is lr = 0.01 times a ratio whose relative error is
// that of the gradient: sums of at most 32 terms that cancel, up to about 100 u = 6e-6, over a path
// of at most 50 lr = 0.5: 3e-6 more.
constexpr double kParameterTolerance = 6e-6;
// A logit sums 8 products w p q, p and q about 0.2 and w below 1: errors of both of independent
// signs make sqrt(16) * 0.2 * 6e-6 = 5e-6; the loss's slope is below 1, and a mean over 20 pairs or
// more takes a factor of 4.
constexpr double kLossTolerance = 2e-6;

nlohmann::json load_golden(const std::string& name) {
  const std::string path = std::string(MGQE_SOURCE_DIR) + "/tests/golden/" + name + ".json";
  std::ifstream file(path);
  MGQE_CHECK(file.good(), "cannot read ", path);
  return nlohmann::json::parse(file);
}

Config make_config(const nlohmann::json& golden) {
  Config config;
  config.model.name = golden.at("model");
  config.embedding.scheme = golden.at("scheme");
  config.embedding.dim = golden.at("dim");
  config.embedding.subspaces = golden.at("subspaces");
  config.embedding.centroids = golden.at("centroids").get<std::vector<int>>();
  config.embedding.tiers = golden.at("tiers").get<std::vector<double>>();
  config.embedding.codebook_weight = golden.at("codebook_weight");
  config.train.batch = golden.at("batch");
  config.train.optimizer = golden.at("optimizer");
  config.train.lr = golden.at("lr");
  config.train.beta1 = golden.at("beta1");
  config.train.beta2 = golden.at("beta2");
  config.train.epsilon = golden.at("epsilon");
  validate(config);
  return config;
}

/// Codes of all rows of a packed table, row-major (n, D).
std::vector<int> unpack_codes(const PackedTable& table) {
  std::vector<int> codes;
  for (int tier = 0; tier < table.tiers.count; ++tier) {
    const HostArray& packed = table.arrays.at("codes." + std::to_string(tier));
    const int bits = code_bits(table.tiers.centroids[tier]);
    for (int64_t r = 0; r < table.tiers.rows(tier); ++r)
      for (int j = 0; j < table.subspaces; ++j)
        codes.push_back(unpack_code(packed.as<uint8_t>().data() + r * packed.shape[1], j, bits));
  }
  return codes;
}

class GoldenTest : public testing::OnEveryBackend {
 protected:
  void replay(const std::string& file) {
    golden_ = load_golden(file);
    const nlohmann::json& config = golden_.at("config");
    model_ = make_model(backend(), make_config(config), config.at("users"), config.at("items"));
    set_initial_values();
    if (HasFatalFailure()) return;
    compare_losses(train());
    compare_parameters();
    compare_codes();
  }

 private:
  void set_initial_values() {
    size_t set = 0;
    model_->visit([&](const std::string& name, Tensor<float>& tensor) {
      if (!golden_.at("initial").contains(name)) return;
      tensor.assign(golden_.at("initial").at(name).get<std::vector<float>>());
      ++set;
    });
    ASSERT_EQ(set, golden_.at("initial").size()) << "the model lacks an array of the golden run";
  }

  /// Mean losses by step.
  std::vector<double> train() {
    const AdamOptions adam = optimizer_options(make_config(golden_.at("config")).train).adam;
    Tensor<StepState> state(backend(), 1);
    Tensor<double> loss_sum(backend(), 1);
    std::vector<double> losses;
    for (const nlohmann::json& batch : golden_.at("batches")) {
      const auto users = tensor(batch.at("users").get<std::vector<int32_t>>());
      const auto items = tensor(batch.at("items").get<std::vector<int32_t>>());
      const auto labels = tensor(batch.at("labels").get<std::vector<float>>());
      loss_sum.zero();
      backend().begin_step(state, adam);
      model_->train_step({users, items, labels}, state, loss_sum);
      losses.push_back(loss_sum.to_host()[0] / static_cast<double>(labels.rows()));
    }
    return losses;
  }

  void compare_losses(const std::vector<double>& losses) const {
    const auto expected = golden_.at("losses").get<std::vector<double>>();
    ASSERT_EQ(losses.size(), expected.size());
    for (size_t step = 0; step < losses.size(); ++step)
      EXPECT_NEAR(losses[step], expected[step], kLossTolerance) << "step " << step + 1;
  }

  void compare_parameters() {
    size_t compared = 0;
    model_->visit([&](const std::string& name, Tensor<float>& tensor) {
      if (!golden_.at("final").contains(name)) return;
      ++compared;
      const auto expected = golden_.at("final").at(name).get<std::vector<double>>();
      const std::vector<float> values = tensor.to_host();
      ASSERT_EQ(values.size(), expected.size()) << name;
      for (size_t i = 0; i < values.size(); ++i)
        ASSERT_NEAR(values[i], expected[i], kParameterTolerance)
            << name << ", row " << i / tensor.cols() << ", column " << i % tensor.cols();
    });
    ASSERT_EQ(compared, golden_.at("final").size());
  }

  /// Codes of every row, seen in training or not, as the packed model holds them.
  void compare_codes() {
    const PackedModel packed = model_->pack();
    for (const auto& [table, codes] : golden_.at("codes").items())
      EXPECT_EQ(unpack_codes(packed.tables.at(table)), codes.get<std::vector<int>>()) << table;
  }

  nlohmann::json golden_;
  std::unique_ptr<Model> model_;
};

TEST_P(GoldenTest, FullTableUnderSparseAdam) { replay("gmf_full"); }
TEST_P(GoldenTest, FullTableUnderAdam) { replay("gmf_full_adam"); }
TEST_P(GoldenTest, MgqeUnderSparseAdam) { replay("gmf_mgqe"); }

MGQE_ON_EVERY_BACKEND(GoldenTest);

}  // namespace
}  // namespace mgqe
