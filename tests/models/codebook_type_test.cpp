// --codebook-type f16: training looks up centroids rounded to binary16 and moves f32 ones, and what
// is packed is what it looked up. That gradients are those of the rounded centroids is in
// golden_test.cpp.
#include <cmath>

#include <gtest/gtest.h>

#include "host/packed/quant_math.hpp"
#include "tests/support/quantized_testing.hpp"

namespace mgqe::testing {
namespace {

/// By the compiler's own conversion.
float rounded(float x) { return static_cast<float>(static_cast<_Float16>(x)); }

std::vector<EmbeddingConfig> configs() {
  std::vector<EmbeddingConfig> all = vector_quantized_configs();
  all.push_back(quantized_config("dpq_sx"));
  EmbeddingConfig normalized = quantized_config("mgqe");
  normalized.distance_bn = DistanceBn::kTf;
  all.push_back(normalized);
  for (EmbeddingConfig& config : all) config.codebook_type = CodebookType::kF16;
  return all;
}

class CodebookTypeTest : public QuantizedFixture {
 protected:
  /// What checkpoints hold, with the codebooks that are served rounded.
  std::map<std::string, std::vector<float>> rounded_arrays() {
    auto all = arrays();
    for (auto& [name, values] : all)
      if (serves(name))
        for (float& value : values) value = rounded(value);
    return all;
  }
  bool serves(const std::string& name) const {
    return name == "t.values" || name == "t.codebook" || name == "t.codebook.0" ||
           name == "t.codebook.1" || name == "t.codebook.2";
  }
  std::string name_of_codebook(int64_t id) const {
    return config_.scheme == "dpq_sx" ? "t.values" : codebook_name(id);
  }
};

TEST_P(CodebookTypeTest, RowsAreRoundedCentroidsAndTheTrainedOnesAreNot) {
  for (const EmbeddingConfig& config : configs()) {
    SCOPED_TRACE(label(config));
    make(config);
    train(5, 7);
    const auto before = rounded_arrays();
    std::vector<int32_t> ids;
    for (int32_t id = 0; id < kMaxLookups; ++id) ids.push_back(id);
    const std::vector<float> rows = forward(ids);
    for (size_t b = 0; b < ids.size(); ++b)
      codes_of(&rows[b * kTableDim], ids[b], before.at(name_of_codebook(ids[b])));
    // Nearest by the rounded centroids, not by those they were rounded from.
    if (config.scheme != "dpq_sx" && config.distance_bn == DistanceBn::kNone)
      for (size_t b = 0; b < ids.size(); ++b) expect_nearest(&rows[b * kTableDim], ids[b], before);
    int64_t between = 0;
    for (const auto& [name, values] : arrays())
      for (size_t i = 0; i < values.size() && serves(name); ++i)
        between += values[i] != rounded(values[i]) ? 1 : 0;
    EXPECT_GT(between, 100) << "the values that move are rounded themselves";
  }
}

TEST_P(CodebookTypeTest, IsPackedAsItWasTrained) {
  for (const EmbeddingConfig& config : configs()) {
    SCOPED_TRACE(label(config));
    make(config);
    train(4, 8);
    const PackedTable packed = embedding().pack();
    EXPECT_EQ(packed.codebook_type, DType::kF16);
    const auto all = rounded_arrays();
    int64_t codebook_bits = 0;
    const auto codebooks = config.variant == Variant::kSharedK ? 1 : packed.tiers.size();
    for (size_t t = 0; t < codebooks; ++t) {
      const std::string stored = packed.codebook_name(static_cast<int>(t));
      const HostArray& array = packed.arrays.at(stored);
      EXPECT_EQ(array.dtype, DType::kF16);
      EXPECT_EQ(packed.codebook(static_cast<int>(t)),
                all.at(config.scheme == "dpq_sx" ? "t.values" : "t." + stored));
      codebook_bits += 8 * static_cast<int64_t>(array.bytes.size());
      EXPECT_EQ(static_cast<int64_t>(array.bytes.size()),
                2 * packed.tiers[t].centroids * kTableDim);
    }
    EXPECT_EQ(packed.payload_bits(), packed.formula_bits() + packed.padding_bits());
    EmbeddingConfig floats = config;
    floats.codebook_type = CodebookType::kF32;
    make(floats);
    EXPECT_EQ(PackedTable(embedding().pack()).formula_bits() - packed.formula_bits(),
              codebook_bits);
  }
}

TEST_P(CodebookTypeTest, EvaluationLooksUpTheRowsThatTrainingSees) {
  for (const EmbeddingConfig& config : configs()) {
    if (config.distance_bn != DistanceBn::kNone) continue;  // which has moments of its own there
    SCOPED_TRACE(label(config));
    make(config);
    train(7, 7);
    // By way of host memory, as of a file.
    const PackedTable packed = embedding().pack();
    const auto served = decode_table(backend(), packed).to_host();
    for (int32_t first = 0; first < kTableRows; first += 30) {
      std::vector<int32_t> ids;
      for (int32_t id = first; id < first + 30; ++id) ids.push_back(id);
      const auto rows = forward(ids);
      for (size_t i = 0; i < rows.size(); ++i)
        ASSERT_EQ(rows[i], served[static_cast<size_t>(first) * kTableDim + i]);
    }
  }
}

MGQE_ON_EVERY_BACKEND(CodebookTypeTest);

}  // namespace
}  // namespace mgqe::testing
