// Up to fifty steps of each backbone and scheme on fixed batches against an independent PyTorch
// implementation in float64 (golden/make_golden.py), on every back end of the build.
#include <cmath>
#include <fstream>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "host/config/config.hpp"
#include "models/backbones/model.hpp"
#include "tests/support/testing.hpp"

namespace mgqe {
namespace {

// Float32 (unit roundoff u = 6e-8) against float64. Values stay below 1 or little above, so 50
// updates round a parameter by at most 50 u = 3e-6. Adam's step is lr = 0.01 times a ratio whose
// relative error is that of the gradient: sums of at most 32 terms that cancel, up to about 100 u =
// 6e-6, over a path of at most 50 lr = 0.5: 3e-6 more.
constexpr double kParameterTolerance = 6e-6;
// A logit sums 8 products w p q, p and q about 0.2 and w below 1: errors of both of independent
// signs make sqrt(16) * 0.2 * 6e-6 = 5e-6; the loss's slope is below 1, and a mean over 20 pairs or
// more takes a factor of 4. (64 products of values of 0.1 over a quarter of the steps: no more.)
constexpr double kLossTolerance = 2e-6;
// On a GPU the result of an op is off from the CPU's by up to about 8 u: expf and log1pf err by 2
// ulp, which is 4 u (CUDA C++ Programming Guide, mathematical functions), and sums run in another
// order, some 4 u for 32 terms of one size. Twenty runs on a CPU with every result of a product,
// sum, norm, attention or loss off by up to 8 u at random (Monte Carlo arithmetic) ended within
// 2.1e-6 and 5e-7 of the golden parameters and losses, which the tolerances cover, but SASRec,
// whose norms and softmaxes hand an error through two blocks: within 1.4e-5.
constexpr double kSasrecOnGpu = 1.4e-5;

nlohmann::json load_golden(const std::string& name) {
  const std::string path = testing::source_path("tests/golden/" + name + ".json");
  std::ifstream file(path);
  MGQE_CHECK(file.good(), "cannot read ", path);
  return nlohmann::json::parse(file);
}

/// The fields a golden file gives; the others keep their defaults.
Config make_config(const nlohmann::json& golden) {
  Config config;
  const auto set = [&](const char* key, auto& value) {
    using Value = std::decay_t<decltype(value)>;
    if (!golden.contains(key)) return;
    if constexpr (Choice<Value>)
      value = choice<Value>(golden.at(key).get<std::string>());
    else
      value = golden.at(key).get<Value>();
  };
  set("model", config.model.name);
  set("task", config.model.task);
  set("heads", config.model.heads);
  set("blocks", config.model.blocks);
  set("max_length", config.model.max_length);
  set("mlp_dim", config.model.mlp_dim);
  set("dropout", config.model.dropout);
  set("cross_layers", config.model.cross_layers);
  set("hidden", config.model.hidden);
  set("bottom", config.model.bottom);
  config.embedding.full_rows = 0;
  set("scheme", config.embedding.scheme);
  set("dim", config.embedding.dim);
  set("rank", config.embedding.rank);
  set("buckets", config.embedding.buckets);
  set("bits", config.embedding.bits);
  set("widths", config.embedding.widths);
  set("variant", config.embedding.variant);
  if (golden.contains("subspaces") && golden.at("subspaces").is_number())
    config.embedding.subspaces = {golden.at("subspaces").get<int>()};
  else
    set("subspaces", config.embedding.subspaces);
  set("centroids", config.embedding.centroids);
  set("tiers", config.embedding.tiers);
  set("codebook_type", config.embedding.codebook_type);
  set("codebook_weight", config.embedding.codebook_weight);
  set("commitment_weight", config.embedding.commitment_weight);
  set("distance_bn", config.embedding.distance_bn);
  set("softmax_temperature", config.embedding.softmax_temperature);
  set("batch", config.train.batch);
  set("optimizer", config.train.optimizer);
  set("lr", config.train.lr);
  set("beta1", config.train.beta1);
  set("beta2", config.train.beta2);
  set("epsilon", config.train.epsilon);
  if (config.model.name == "sasrec") config.train.negatives = 1;
  resolve(config);
  validate(config);
  return config;
}

/// Codes of all rows of a packed table, row by row.
std::vector<int> unpack_codes(const PackedTable& table) {
  std::vector<int> codes;
  for (size_t tier = 0; tier < table.tiers.size(); ++tier) {
    const HostArray& packed = table.arrays.at("codes." + std::to_string(tier));
    const int bits = code_bits(table.tiers[tier].centroids);
    for (int64_t r = 0; r < table.tier_rows(static_cast<int>(tier)); ++r)
      for (int j = 0; j < table.tiers[tier].subspaces; ++j)
        codes.push_back(unpack_code(packed.as<uint8_t>().data() + r * packed.shape[1], j, bits));
  }
  return codes;
}

/// A batch of a golden file in device memory.
class GoldenBatch {
 public:
  GoldenBatch(Backend& backend, const nlohmann::json& json) {
    const auto ints = [&](const char* key) {
      return Tensor<int32_t>(backend, json.at(key).get<std::vector<int32_t>>());
    };
    if (json.contains("offsets")) {
      for (const char* key : {"inputs", "positions", "positives", "negatives", "offsets"})
        ids_.push_back(ints(key));
      const auto offsets = json.at("offsets").get<std::vector<int32_t>>();
      int64_t longest = 0;
      for (size_t b = 1; b < offsets.size(); ++b)
        longest = std::max<int64_t>(longest, offsets[b] - offsets[b - 1]);
      batch.tokens = {{ids_[4].view(), longest}, ids_[0], ids_[1], ids_[2], ids_[3]};
      batch.examples = examples = offsets.back();
      return;
    }
    if (json.contains("rows")) {
      ids_.push_back(ints("rows"));
      targets_ = Tensor<float>(backend, json.at("labels").get<std::vector<float>>());
      std::vector<float> dense;
      for (const auto& row : json.at("dense"))
        for (const float value : row) dense.push_back(value);
      dense_ = Tensor<float>(backend, dense, static_cast<int64_t>(dense.size()) / targets_.rows());
      rows_.rows = ids_[0].view();
      batch.features = {std::span(&rows_, 1), dense_, targets_};
      batch.examples = examples = targets_.rows();
      return;
    }
    const bool relevance = json.contains("left");
    ids_.push_back(ints(relevance ? "left" : "users"));
    ids_.push_back(ints(relevance ? "right" : "items"));
    targets_ =
        Tensor<float>(backend, json.at(relevance ? "targets" : "labels").get<std::vector<float>>());
    batch.pairs = {ids_[0], ids_[1], targets_};
    batch.examples = examples = targets_.rows();
  }

  Batch batch;
  int64_t examples;  // its loss is a mean over

 private:
  std::vector<Tensor<int32_t>> ids_;
  Tensor<float> targets_, dense_;
  GroupLookups rows_;
};

/// Of a golden run over features, each of as many rows of the one table; else none.
std::shared_ptr<const FeatureLayout> layout_of(const nlohmann::json& golden) {
  if (!golden.contains("features")) return nullptr;
  const int64_t features = golden.at("features"), rows = golden.at("rows");
  const FeatureSpec spec{"field", rows / features,
                         std::vector<int64_t>(static_cast<size_t>(rows / features), 1)};
  return std::make_shared<FeatureLayout>(arrange_features(
      make_config(golden).embedding, std::vector<FeatureSpec>(static_cast<size_t>(features), spec),
      golden.at("dense").get<int64_t>()));
}

class GoldenTest : public testing::OnEveryBackend {
 protected:
  void replay(const std::string& file) {
    golden_ = load_golden(file);
    const nlohmann::json& config = golden_.at("config");
    const Catalogue catalogue{config.value("users", int64_t{0}), config.at("items"),
                              config.value("mean", 0.0), layout_of(config)};
    model_ = make_model(backend(), make_config(config), catalogue);
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
      const GoldenBatch golden(backend(), batch);
      loss_sum.zero();
      backend().begin_step(state, adam);
      model_->prepare(backend(), golden.batch);
      model_->train_step(golden.batch, state, loss_sum);
      losses.push_back(loss_sum.to_host()[0] / static_cast<double>(golden.examples));
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
    const bool more = backend().name() != "cpu" && golden_.at("config").at("model") == "sasrec";
    const double tolerance = kParameterTolerance + (more ? kSasrecOnGpu : 0.0);
    size_t compared = 0;
    model_->visit([&](const std::string& name, Tensor<float>& tensor) {
      if (!golden_.at("final").contains(name)) return;
      ++compared;
      const auto expected = golden_.at("final").at(name).get<std::vector<double>>();
      const std::vector<float> values = tensor.to_host();
      ASSERT_EQ(values.size(), expected.size()) << name;
      for (size_t i = 0; i < values.size(); ++i)
        ASSERT_NEAR(values[i], expected[i], tolerance)
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
TEST_P(GoldenTest, MgqeOfPublishedWidth) { replay("gmf_mgqe_wide"); }
TEST_P(GoldenTest, LowRank) { replay("gmf_low_rank"); }
TEST_P(GoldenTest, Hashed) { replay("gmf_hashed"); }
TEST_P(GoldenTest, LearnedSteps) { replay("gmf_lsq"); }
TEST_P(GoldenTest, QuotientRemainder) { replay("gmf_quotient_remainder"); }
TEST_P(GoldenTest, Memcom) { replay("gmf_memcom"); }
TEST_P(GoldenTest, MixedDimensions) { replay("gmf_mixed_dim"); }
TEST_P(GoldenTest, PrivateCodebooks) { replay("gmf_mgqe_private_k"); }
TEST_P(GoldenTest, PrivateSubspaces) { replay("gmf_mgqe_private_d"); }
TEST_P(GoldenTest, SoftmaxVariant) { replay("gmf_dpq_sx"); }
TEST_P(GoldenTest, HalfCentroids) { replay("gmf_mgqe_f16"); }
TEST_P(GoldenTest, NormalizedResponses) { replay("gmf_dpq_sx_normalized"); }

TEST_P(GoldenTest, HalfValuesOfTheSoftmaxVariant) { replay("gmf_dpq_sx_f16"); }
TEST_P(GoldenTest, Commitment) { replay("gmf_commitment"); }
TEST_P(GoldenTest, Neumf) { replay("neumf_full"); }
TEST_P(GoldenTest, NeumfMgqe) { replay("neumf_mgqe"); }
TEST_P(GoldenTest, NeumfWithAWiderPerceptron) { replay("neumf_mlp_dim"); }
TEST_P(GoldenTest, Sasrec) { replay("sasrec_full"); }
TEST_P(GoldenTest, SasrecMgqe) { replay("sasrec_mgqe"); }
TEST_P(GoldenTest, Dcn) { replay("dcn_full"); }
TEST_P(GoldenTest, DcnMgqe) { replay("dcn_mgqe"); }
TEST_P(GoldenTest, DcnMultiplexed) { replay("dcn_multiplexed"); }
TEST_P(GoldenTest, Dlrm) { replay("dlrm_full"); }
TEST_P(GoldenTest, DlrmMgqe) { replay("dlrm_mgqe"); }
TEST_P(GoldenTest, RelevanceGmf) { replay("relevance_gmf"); }
TEST_P(GoldenTest, RelevanceNeumf) { replay("relevance_neumf"); }

MGQE_ON_EVERY_BACKEND(GoldenTest);

}  // namespace
}  // namespace mgqe
