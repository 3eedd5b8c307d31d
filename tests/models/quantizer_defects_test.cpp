// Defects seen in other implementations of quantized embeddings, each with a test that fails if it
// comes back.
#include <cfenv>
#include <fstream>

#include "host/base/parallel.hpp"
#include "tests/support/quantized_testing.hpp"

namespace mgqe::testing {
namespace {

std::vector<EmbeddingConfig> every_quantizer() {
  std::vector<EmbeddingConfig> all = vector_quantized_configs();
  all.push_back(quantized_config("dpq_sx"));
  return all;
}

class QuantizerDefects : public QuantizedFixture {
 protected:
  std::vector<float> served() { return decode_table(backend(), embedding().pack()).to_host(); }
};

// Codes of the last training batch served although queries and codebook moved on: pack() must give
// what a fresh search of the current parameters gives.
TEST_P(QuantizerDefects, DefectStaleCodes) {
  for (const EmbeddingConfig& config : every_quantizer()) {
    SCOPED_TRACE(label(config));
    make(config);
    train(3, 1);
    const auto before = served();
    train(30, 2);
    const auto after = served();
    EXPECT_NE(before, after);
    if (config.scheme == "dpq_sx") continue;  // dpq_sx_test compares with a fresh forward
    const auto all = arrays();
    for (int64_t id = 0; id < kTableRows; ++id) expect_nearest(&after[id * kTableDim], id, all);
  }
}

// Ids that no batch held served with whatever the code array was made of.
TEST_P(QuantizerDefects, DefectUnseenIdsWithUninitializedCodes) {
  for (const EmbeddingConfig& config : vector_quantized_configs()) {
    SCOPED_TRACE(label(config));
    make(config);
    train(10, 3, 10, 20);
    const auto rows = served();
    const auto all = arrays();
    for (int64_t id = 0; id < kTableRows; ++id) expect_nearest(&rows[id * kTableDim], id, all);
  }
}

// A tail id given a centroid that only the head may use: its packed bits would name another one.
TEST_P(QuantizerDefects, DefectTailAssignedCentroidsOfTheHead) {
  EmbeddingConfig config = quantized_config("mgqe");
  config.centroids = {20, 9, 3};
  make(config);
  // Every query lies on a centroid of the head, so that only the limit keeps a tail id from it.
  auto queries = arrays().at("t.queries");
  const auto codebook = arrays().at("t.codebook");
  for (int64_t id = 0; id < kTableRows; ++id)
    std::copy_n(&codebook[(10 + id % 10) * kTableDim], kTableDim, &queries[id * kTableDim]);
  set("t.queries", queries);
  const std::vector<int32_t> ids = {0, 5, 6, 29, 30, 59};
  const auto rows = forward(ids), packed = served();
  for (size_t b = 0; b < ids.size(); ++b) {
    expect_nearest(&rows[b * kTableDim], ids[b], arrays());  // checks codes against K_i
    expect_nearest(&packed[ids[b] * kTableDim], ids[b], arrays());
  }
  EXPECT_EQ(codes_of(rows.data(), 0, codebook), std::vector<int>(4, 10)) << "the head may";
}

// The codebook's loss written but never collected: centroids in use must get a gradient and move.
TEST_P(QuantizerDefects, DefectCodebookWithoutGradient) {
  for (const EmbeddingConfig& config : every_quantizer()) {
    SCOPED_TRACE(label(config));
    make(config);
    const auto before = arrays();
    const auto ids = Random(4).integers<int32_t>(kMaxLookups, 0, kTableRows - 1);
    const auto rows = forward(ids);
    const float task = config.scheme == "dpq_sx" ? 0.1f : 0.0f;  // VQ's has a loss of its own
    backward(std::vector<float>(rows.size(), task));
    const auto after = arrays();
    for (size_t b = 0; b < ids.size(); ++b) {
      const std::string name = config.scheme == "dpq_sx" ? "t.values" : codebook_name(ids[b]);
      const auto codes = codes_of(&rows[b * kTableDim], ids[b], before.at(name));
      for (int64_t q = 0; q < kTableDim; ++q) {
        const int64_t c = codes[q * static_cast<int64_t>(codes.size()) / kTableDim] * kTableDim + q;
        EXPECT_NE(after.at(name + ".adam_first")[c], 0.0f) << name << " " << c;
        EXPECT_NE(after.at(name)[c], before.at(name)[c]) << name << " " << c;
      }
    }
    if (config.scheme == "dpq_sx") {
      EXPECT_NE(after.at("t.keys"), before.at("t.keys"));
    }
  }
}

MGQE_ON_EVERY_BACKEND(QuantizerDefects);

// All K distances computed for ids of the tail as well. Here a distance to a centroid that only the
// head may use overflows, and the processor remembers whether that ever happened.
TEST(QuantizerDefectsCpu, DefectTailComputesAllDistances) {
  const auto backend = make_backend("cpu");
  const int rows = 64, centroids = 256, small = 8;
  for (const int width : {1, 2, 3, 4, 8, 16}) {
    const int dim = 2 * width;
    std::vector<float> values(centroids * dim, 1.0f);
    std::fill(values.begin() + small * dim, values.end(), 1e38f);
    const Tensor<float> queries(*backend,
                                std::span<const float>(std::vector<float>(rows * dim, 1e37f)), dim);
    const Tensor<float> codebook(*backend, std::span<const float>(values), dim);
    const Tensor<float> half_norms(*backend, centroids, 2);  // zeros
    Tensor<uint8_t> codes(*backend, rows, 2);
    Tensor<float> decoded(*backend, rows, dim);
    Tiers tiers;
    tiers.count = 2;
    tiers.end[0] = rows / 2;
    tiers.end[1] = rows;
    tiers.centroids[0] = centroids;
    tiers.centroids[1] = small;
    const int threads = thread_count();
    set_thread_count(1);  // flags belong to a thread
    const auto overflows = [&](RowSet set) {
      std::feclearexcept(FE_ALL_EXCEPT);
      backend->assign(queries, set, codebook, half_norms, tiers, codes, decoded, {});
      return std::fetestexcept(FE_OVERFLOW) != 0;
    };
    EXPECT_TRUE(overflows(RowSet::range(0, rows / 2))) << "the head computes them, w " << width;
    EXPECT_FALSE(overflows(RowSet::range(rows / 2, rows / 2))) << "w " << width;
    set_thread_count(threads);
    std::feclearexcept(FE_ALL_EXCEPT);
  }
}

/// Highest resident memory of the process since the last reset, in bytes.
int64_t peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return 1024 * std::stoll(line.substr(6));
  return -1;
}

// A [B, D, K] tensor of distances or probabilities materialized: at this size it would take 256
// MiB.
TEST(QuantizerDefectsCpu, DefectDistanceTensorMaterialized) {
  const auto backend = make_backend("cpu");
  const int64_t lookups = 8192, dim = 64;
  for (const char* scheme : {"dpq_vq", "dpq_sx"}) {
    EmbeddingSpec spec{"t", 20000, lookups, quantized_config(scheme), {}, 1, 2};
    spec.config.dim = dim;
    spec.config.subspaces = {32};
    spec.config.centroids = {256};
    const auto embedding = make_embedding(*backend, spec);
    UniqueBuffer unique(*backend, lookups);
    std::vector<int32_t> ids(lookups);
    for (int64_t b = 0; b < lookups; ++b) ids[b] = static_cast<int32_t>(2 * b);
    const Tensor<int32_t> device_ids(*backend, std::span<const int32_t>(ids));
    const Tensor<float> gradient(*backend, lookups, dim);
    Tensor<StepState> state(*backend, 1);

    std::ofstream("/proc/self/clear_refs") << 5;  // forgets the peak
    const int64_t before = peak_memory_bytes();
    ASSERT_GT(before, 0);
    embedding->forward({device_ids, unique.deduplicate(device_ids, spec.rows), device_ids.rows()});
    backend->begin_step(state, spec.optimizer.adam);
    embedding->backward(gradient);
    embedding->step(state);
    constexpr int64_t kTensor = lookups * 32 * 256;  // even at a byte an element
    EXPECT_LT(peak_memory_bytes() - before, kTensor) << scheme;
  }
}

}  // namespace
}  // namespace mgqe::testing
