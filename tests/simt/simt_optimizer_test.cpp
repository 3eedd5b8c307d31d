// Row optimizers against double loops written from torch.optim.SparseAdam's formula.
#include "tests/simt/kernel_testing.hpp"
// Kernel bodies come after the harness.
#include "cuda/optimizer_kernel.cuh"

namespace mgqe {
namespace {

constexpr int64_t kRows = 60;

/// Look-ups with duplicates; row 5 is heavy: about a third of them.
std::vector<int32_t> skewed_ids(int64_t lookups, testing::Random& random) {
  std::vector<int32_t> ids = random.integers<int32_t>(lookups, 0, kRows - 1);
  for (int64_t b = 0; b < lookups; b += 3) ids[b] = 5;
  return ids;
}

TEST(OptimizerKernels, SumGradientsIsExactOnWholeNumbers) {
  testing::Random random(2);
  for (const int64_t lookups : {1, 2, 33, 400})
    for (const int64_t d : {1, 3, 32, 33, 64, 100}) {
      const DistinctIds unique(skewed_ids(lookups, random));
      const Buffer<float> gradient(random.integers<float>(lookups * d, -1000, 1000), d);
      for (const uint64_t seed : kScheduleSeeds) {
        const Buffer<float> out(kRows, d);
        simt::launch(3, kRowThreads, 0, seed, sum_gradients_kernel, unique.view(), gradient.view(),
                     out.view());
        for (int32_t r = 0; r < kRows; ++r) {
          const auto found = unique.lookups().find(r);
          for (int64_t c = 0; c < d; ++c) {
            if (found == unique.lookups().end()) {
              ASSERT_TRUE(std::isnan(out.row(r)[c])) << "untouched row " << r << " was written";
              continue;
            }
            double sum = 0.0;
            for (const int32_t b : found->second) sum += gradient.row(b)[c];
            ASSERT_EQ(out.row(r)[c], sum) << lookups << " look-ups, row " << r << ", column " << c;
          }
        }
      }
    }
}

struct Table {
  Buffer<float> parameter, first, second;
  Table(int64_t d, uint64_t seed)
      : parameter(testing::Random(seed).normals(kRows * d), d),
        first(testing::Random(seed + 1).normals(kRows * d, 0.1f), d),
        second(testing::Random(seed + 2).normals(kRows * d, 0.1f), d) {
    for (int64_t i = 0; i < second.size(); ++i) second[i] *= second[i];
  }
};

TEST(OptimizerKernels, SparseAdamFollowsItsFormulaOnTouchedRowsAlone) {
  const AdamOptions options{0.01f, 0.9f, 0.99f, 1e-8f};
  const double step = 4;
  const double bias1 = 1 - std::pow(0.9, step), bias2 = 1 - std::pow(0.99, step);
  const double step_size = 0.01 * std::sqrt(bias2) / bias1;
  const Buffer<StepState> state(1);
  state[0].sparse_step_size = static_cast<float>(step_size);  // the rest stays poisoned
  testing::Random random(3);
  for (const int64_t lookups : {1, 40, 300})
    for (const int64_t d : {1, 33, 64}) {
      const DistinctIds unique(skewed_ids(lookups, random));
      const Buffer<float> gradient(random.normals(lookups * d), d);
      const Table before(d, 9);
      std::vector<float> first_run;
      for (const uint64_t seed : kScheduleSeeds) {
        const Table table(d, 9);
        simt::launch(2, kRowThreads, 0, seed, sparse_adam_kernel, table.parameter.view(),
                     unique.view(), gradient.view(),
                     Moments{table.first.view(), table.second.view()}, options, state.view());
        for (int32_t r = 0; r < kRows; ++r)
          for (int64_t c = 0; c < d; ++c) {
            const int64_t i = r * d + c;
            const auto found = unique.lookups().find(r);
            if (found == unique.lookups().end()) {
              ASSERT_EQ(table.parameter[i], before.parameter[i]);
              ASSERT_EQ(table.first[i], before.first[i]);
              ASSERT_EQ(table.second[i], before.second[i]);
              continue;
            }
            double g = 0, magnitude = 0;
            for (const int32_t b : found->second) {
              g += gradient.row(b)[c];
              magnitude += std::abs(gradient.row(b)[c]);
            }
            const double error = rounding_bound(found->second.size(), magnitude);
            const double m = 0.9 * before.first[i] + 0.1 * g;
            const double v = 0.99 * before.second[i] + 0.01 * g * g;
            const double ulp = 0x1p-22;  // of values of magnitude at most a few
            ASSERT_NEAR(table.first[i], m, 0.1 * error + ulp * std::abs(m) + ulp);
            ASSERT_NEAR(table.second[i], v, 0.02 * std::abs(g) * error + ulp * v + ulp);
            const double update = step_size * m / (std::sqrt(v) + 1e-8);
            ASSERT_NEAR(table.parameter[i], before.parameter[i] - update,
                        4e-5 * std::abs(update) + 2 * ulp * (1 + std::abs(before.parameter[i])));
          }
        if (first_run.empty()) first_run = table.parameter.values();
        expect_same_bits(table.parameter.values(), first_run);
      }
    }
}

}  // namespace
}  // namespace mgqe
