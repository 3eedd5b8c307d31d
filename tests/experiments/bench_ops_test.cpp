// The bytes and flops behind the limits of bench_ops, against numbers worked out by hand; what its
// records say of them; its plain loop.
#include <cmath>

#include "experiments/bench/batch.hpp"
#include "experiments/bench/ceilings.hpp"
#include "experiments/bench/naive_assign.hpp"
#include "experiments/bench/op_report.hpp"
#include "experiments/bench/sampler.hpp"
#include "experiments/bench/search_mix.hpp"
#include "host/cpu/cpu_backend.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::bench {
namespace {

TEST(BenchCost, Assign) {
  // Two rows of four floats in two subspaces, three centroids each, of which the second row may use
  // one: 2 x (16 read + 16 decoded + 2 codes), codebook 3 x 16 + half norms 3 x 2 x 4; 4 fma a
  // searched centroid.
  const Cost cost = assign_cost(2, 3 + 1, 4, 2, 3, false);
  EXPECT_EQ(cost.bytes, 68 + 72);
  EXPECT_EQ(cost.flops, 2 * 4 * 4);
  EXPECT_EQ(cost.searched_width, 2);
  EXPECT_EQ(assign_cost(2, 4, 4, 2, 3, true).bytes, 68 + 8 + 72);
}

TEST(BenchCost, SparseAdam) {
  // Three look-ups of two ids, two dimensions: gradients 3 x 8 and their places 3 x 4; ids and
  // offsets 2 x 8; parameter and moments of two rows, read and written: 2 x 6 x 8.
  EXPECT_EQ(sparse_adam_cost(3, 2, 2).bytes, 24 + 12 + 16 + 96);
  EXPECT_EQ(sparse_adam_cost(3, 2, 2).flops, 6 + 48);
}

TEST(BenchCost, Attention) {
  // One sequence of three tokens: six weights. q, k, v, out 3 x 2 floats each, three log sums.
  EXPECT_EQ(attention_cost(3, 6, 2, 1).bytes, 4 * 24 + 12);
  EXPECT_EQ(attention_cost(3, 6, 2, 1).flops, 6 * (4 * 2 + 4));
  EXPECT_EQ(attention_backward_cost(3, 6, 2, 1).bytes, 8 * 24 + 12);
  EXPECT_EQ(attention_backward_cost(3, 6, 2, 1).flops, 6 * (10 * 2 + 5));
}

TEST(BenchCost, GatherDecodeAndProduct) {
  EXPECT_EQ(gather_cost(10, 4).bytes, 10 * (4 + 16 + 16));
  EXPECT_EQ(decode_cost(10, 6, 4, 64).bytes, 10 * (6 + 16) + 64 * 16);
  EXPECT_EQ(matmul_cost(2, 3, 5).bytes, 4 * (10 + 15 + 6));
  EXPECT_EQ(matmul_cost(2, 3, 5).flops, 2 * 30);
}

TEST(BenchLimit, IsTheSlowerOfBytesAndFlops) {
  Ceilings ceilings;
  ceilings.fma_flops = 100;
  ceilings.copy_bytes = 10;
  EXPECT_EQ(ceilings.limit_seconds({50, 200}), 5.0);
  EXPECT_TRUE(ceilings.memory_bound({50, 200}));
  EXPECT_EQ(ceilings.limit_seconds({10, 200}), 2.0);
  EXPECT_FALSE(ceilings.memory_bound({10, 200}));
}

TEST(BenchLimit, OfASearchIsBySlotsWhereTheyWereMeasured) {
  Ceilings ceilings;
  ceilings.fma_flops = 100;
  ceilings.copy_bytes = 10;
  const Cost search{10, 200, 8};
  EXPECT_EQ(ceilings.limit_seconds(search), 2.0);
  EXPECT_STREQ(ceilings.bound(search), "fma");
  ceilings.search_flops = {{4, 10}, {8, 50}};
  EXPECT_EQ(ceilings.limit_seconds(search), 4.0);
  EXPECT_STREQ(ceilings.bound(search), "slots");
  EXPECT_EQ(ceilings.limit_seconds({10, 200}), 2.0) << "no search";
  EXPECT_STREQ(ceilings.bound({10, 200}), "fma");
  EXPECT_EQ(ceilings.limit_seconds({500, 200, 8}), 50.0);
  EXPECT_STREQ(ceilings.bound({500, 200, 8}), "copy");
}

/// Twice the centroids are twice the flops; each worker does its own.
TEST(BenchLimit, TheSearchsInstructionsAreCounted) {
  for (const SearchRows rows : {SearchRows::kInRegisters, SearchRows::kInFirstCache}) {
    std::vector<float> sums(3, NAN);
    const View<float> all(sums.data(), 3);
    const double flops = run_search_mix(rows, 2, 64, all);
    for (const float sum : sums) EXPECT_TRUE(std::isfinite(sum));
    EXPECT_EQ(run_search_mix(rows, 2, 128, all), 2 * flops);
    EXPECT_EQ(run_search_mix(rows, 8, 64, all), 4 * flops);
    EXPECT_EQ(run_search_mix(rows, 5, 64, all.slice(0, 1)), 2.5 * flops / 3);
    const double vectors = rows == SearchRows::kInRegisters ? 3 : 4;
    EXPECT_EQ(std::fmod(flops, 2.0 * 2 * 64 * 3 * vectors), 0.0) << "whole vectors of rows";
  }
}

TEST(BenchRecord, ComparesWithTheLimitAndTheFastestAlternative) {
  Ceilings ceilings;
  ceilings.fma_flops = 100;
  ceilings.copy_bytes = 10;
  OpResult result{"op", {{"B", 3}}, {50, 200}, summarize({20, 10, 40}), {}};
  auto record = op_record(result, ceilings, {{"device", "cpu"}});
  EXPECT_EQ(record["measured"], 20.0);
  EXPECT_EQ(record["measured_min"], 10.0);
  EXPECT_EQ(record["measured_max"], 40.0);
  EXPECT_EQ(record["share"], 0.25);
  EXPECT_EQ(record["bound"], "copy");
  EXPECT_EQ(record["device"], "cpu");
  EXPECT_TRUE(record["ratio"].is_null());
  result.alternatives = {{"slow", summarize({100})}, {"fast", summarize({50, 70})}};
  record = op_record(result, ceilings, nlohmann::ordered_json::object());
  EXPECT_EQ(record["baseline_name"], "fast");
  EXPECT_EQ(record["baseline"], 60.0);
  EXPECT_EQ(record["ratio"], 3.0);
  EXPECT_EQ(record["baselines"][0]["ratio"], 5.0);
}

/// A device whose clock shows a microsecond a call.
class SteadyDevice final : public CpuBackend {
 public:
  int64_t calls = 0;
  std::vector<int64_t> samples;  // calls in each

  double seconds_of(const std::function<void()>& work) override {
    const int64_t before = calls;
    work();
    samples.push_back(calls - before);
    return 1e-6 * static_cast<double>(samples.back());
  }
};

TEST(BenchSampler, TakesSamplesOfFiveMillisecondsByTheDevicesClock) {
  SteadyDevice device;
  Sampler sampler(device, 4);
  const auto timings = sampler.time({[&] { ++device.calls; }}, false);
  EXPECT_NEAR(timings[0].median, 1e-6, 1e-12);
  ASSERT_EQ(device.samples.size(), 2u + 4u) << "two calls to find out how many make a sample";
  for (size_t i = 2; i < device.samples.size(); ++i) EXPECT_GE(device.samples[i], 5000);
}

TEST(BenchSampler, RotatesOverMoreThanTheCacheHolds) {
  constexpr int64_t kCache = 50 << 20;
  EXPECT_EQ(copies_in_rotation(0, 1e6), 1) << "a cache of unknown size is flushed";
  for (const double bytes : {1e7, 1e8, 1e9}) {
    const int64_t copies = copies_in_rotation(kCache, bytes);
    EXPECT_GE(copies, 2);
    EXPECT_GE(static_cast<double>(copies) * bytes, 4.0 * kCache);
  }
  std::string order;
  const auto next =
      in_rotation({[&] { order += "a"; }, [&] { order += "b"; }, [&] { order += "c"; }});
  for (int call = 0; call < 7; ++call) next();
  EXPECT_EQ(order, "abcabca");
}

TEST(BenchBatch, DrawsIdsByTheirLaw) {
  constexpr int64_t kRows = 100, kDraws = 200'000;
  double harmonic = 0;
  for (int i = 1; i <= kRows; ++i) harmonic += 1.0 / i;
  for (const std::string law : {"uniform", "zipf"}) {
    std::vector<int> counts(kRows, 0);
    for (const int32_t id : draw_ids(law, kRows, kDraws, 1)) ++counts.at(id);
    for (const int i : {0, 1, 9, 99}) {
      const double p = law == "zipf" ? 1 / ((i + 1) * harmonic) : 1.0 / kRows;
      const double deviation = std::sqrt(kDraws * p * (1 - p));
      EXPECT_NEAR(counts[i], kDraws * p, 5 * deviation) << law << ", id " << i;
    }
  }
}

TEST(BenchBatch, CountsSearchedCentroids) {
  const Tiers tiers = head_and_tail(20);
  EXPECT_EQ(searched_centroids(tiers, {0, 1, 2, 19}), 2 * 256 + 2 * 64);
}

TEST(BenchNaive, AgreesWithTheBackEnd) {
  const auto backend = make_backend("cpu");
  mgqe::testing::Random random(1);
  constexpr int64_t kRows = 200, kDims = 12, kSubspaces = 4, kCentroids = 50;
  const auto queries = random.integers<float>(kRows * kDims, -9, 9);  // exact, with ties
  const auto codebook = random.integers<float>(kCentroids * kDims, -9, 9);
  NaiveAssign naive(queries, codebook, kDims, kSubspaces);
  naive.run();
  const Tensor<float> device_queries(*backend, std::span<const float>(queries), kDims);
  const Tensor<float> device_codebook(*backend, std::span<const float>(codebook), kDims);
  Tensor<float> half_norms(*backend, kCentroids, kSubspaces), decoded(*backend, kRows, kDims);
  Tensor<uint8_t> codes(*backend, kRows, kSubspaces);
  Tiers tiers;
  tiers.end[0] = kRows;
  tiers.centroids[0] = kCentroids;
  backend->half_norms(device_codebook, kSubspaces, half_norms);
  backend->assign(device_queries, RowSet::range(0, kRows), device_codebook, half_norms, tiers,
                  codes, decoded, {});
  EXPECT_EQ(naive.codes(), codes.to_host());
  EXPECT_EQ(naive.decoded(), decoded.to_host());
}

}  // namespace
}  // namespace mgqe::bench
