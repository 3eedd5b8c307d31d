// Deduplication and the optimizers on every back end against naive loops.
#include <algorithm>
#include <numeric>
#include <set>

#include "tests/support/reference.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

class EmbeddingOps : public OnEveryBackend {
 protected:
  struct Unique {
    Tensor<int32_t> ids, offsets, order, inverse, count;
    UniqueIds view() const { return {ids, offsets, order, inverse, count}; }
  };

  Unique deduplicate(const std::vector<int32_t>& ids, int64_t limit) {
    const auto n = static_cast<int64_t>(ids.size());
    Unique unique{poisoned<int32_t>(n), poisoned<int32_t>(n + 1), poisoned<int32_t>(n),
                  poisoned<int32_t>(n), poisoned<int32_t>(1)};
    backend().deduplicate(tensor(ids), limit, unique.view());
    return unique;
  }

  /// State after `step` calls of begin_step.
  Tensor<StepState> state_at(int step, const AdamOptions& options) {
    Tensor<StepState> state(backend(), 1);
    for (int i = 0; i < step; ++i) backend().begin_step(state, options);
    return state;
  }
};

TEST_P(EmbeddingOps, DeduplicateListsIdsAndWhoAsked) {
  Random random(1);
  for (const auto& [size, limit] : std::vector<std::pair<int, int>>{
           {1, 1}, {7, 1}, {256, 6040}, {1000, 17}, {5000, 1 << 20}, {4097, 257}}) {
    const auto ids = random.integers<int32_t>(size, 0, limit - 1);
    const Unique unique = deduplicate(ids, limit);
    const std::set<int32_t> distinct(ids.begin(), ids.end());
    const int32_t count = unique.count.to_host()[0];
    ASSERT_EQ(count, static_cast<int32_t>(distinct.size()));
    auto listed = unique.ids.to_host();
    listed.resize(static_cast<size_t>(count));
    EXPECT_EQ(listed, std::vector<int32_t>(distinct.begin(), distinct.end()));
    const auto offsets = unique.offsets.to_host(), order = unique.order.to_host(),
               inverse = unique.inverse.to_host();
    ASSERT_EQ(offsets[0], 0);
    ASSERT_EQ(offsets[count], size);
    for (int32_t u = 0; u < count; ++u)
      for (int32_t p = offsets[u]; p < offsets[u + 1]; ++p) {
        ASSERT_EQ(ids[order[p]], listed[u]);
        ASSERT_EQ(inverse[order[p]], u);
        if (p > offsets[u]) {
          ASSERT_LT(order[p - 1], order[p]) << "look-ups stand in order";
        }
      }
  }
}

TEST_P(EmbeddingOps, SumGradientsAddsLookupsInOrderAndLeavesOtherRowsAlone) {
  Random random(2);
  const int rows = 50, dim = 20;
  std::vector<int32_t> ids = random.integers<int32_t>(64, 0, rows - 1);
  ids.insert(ids.end(), 200, 3);  // one hot row
  const auto gradient = random.normals(static_cast<int64_t>(ids.size()) * dim);
  const Unique unique = deduplicate(ids, rows);
  Tensor<float> sums = tensor(std::vector<float>(rows * dim, -7.0f), dim);
  backend().sum_gradients(unique.view(), tensor(gradient, dim), sums);
  std::vector<double> expected(rows * dim, 0.0);
  std::vector<bool> touched(rows, false);
  for (size_t b = 0; b < ids.size(); ++b) {
    touched[ids[b]] = true;
    for (int c = 0; c < dim; ++c) expected[ids[b] * dim + c] += gradient[b * dim + c];
  }
  const auto got = sums.to_host();
  for (int i = 0; i < rows * dim; ++i) {
    if (touched[i / dim])
      EXPECT_NEAR(got[i], expected[i], 16 * sum_tolerance(264));
    else
      EXPECT_EQ(got[i], -7.0f);
  }
}

// torch.optim.SparseAdam and torch.optim.Adam written out in double.
TEST_P(EmbeddingOps, AdamFollowsTorchOverManySteps) {
  Random random(3);
  const int rows = 9, dim = 5, steps = 12;
  AdamOptions options;
  options.learning_rate = 0.05;
  const auto start = random.normals(rows * dim);
  for (const bool sparse : {true, false}) {
    Tensor<float> table = tensor(start, dim), first(backend(), rows, dim),
                  second(backend(), rows, dim);
    auto x = reference::widen(start);
    std::vector<double> m(x.size(), 0.0), v(x.size(), 0.0);
    Tensor<StepState> state(backend(), 1);
    for (int t = 1; t <= steps; ++t) {
      const auto ids = random.integers<int32_t>(6, 0, rows - 1);
      const auto gradient = random.normals(6 * dim, 0.1f);
      const Unique unique = deduplicate(ids, rows);
      backend().begin_step(state, options);
      if (sparse) {
        const RowUpdate update{RowRule::kSparseAdam, options, {first, second}, {}};
        backend().update_rows(table, unique.view(), tensor(gradient, dim), update, state);
      } else {
        Tensor<float> sums(backend(), rows, dim);
        backend().sum_gradients(unique.view(), tensor(gradient, dim), sums);
        backend().adam(table, sums, {first, second}, options, state);
      }
      std::vector<double> g(x.size(), 0.0);
      for (int b = 0; b < 6; ++b)
        for (int c = 0; c < dim; ++c) g[ids[b] * dim + c] += gradient[b * dim + c];
      const double bias1 = 1.0 - std::pow(0.9, t), bias2 = 1.0 - std::pow(0.999, t);
      for (int i = 0; i < rows * dim; ++i) {
        if (sparse && std::find(ids.begin(), ids.end(), i / dim) == ids.end()) continue;
        m[i] = 0.9 * m[i] + 0.1 * g[i];
        v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
        x[i] -= sparse ? 0.05 * std::sqrt(bias2) / bias1 * m[i] / (std::sqrt(v[i]) + 1e-8)
                       : 0.05 / bias1 * m[i] / (std::sqrt(v[i] / bias2) + 1e-8);
      }
    }
    const auto got = table.to_host();
    // Each step moves by about the learning rate with a relative error of a few ulps.
    for (int i = 0; i < rows * dim; ++i)
      EXPECT_NEAR(got[i], x[i], steps * 0.05 * 2e-6) << (sparse ? "sparse " : "dense ") << i;
  }
}

TEST_P(EmbeddingOps, BeginStepCountsSteps) {
  AdamOptions options;
  const auto state = state_at(7, options).to_host()[0];
  EXPECT_EQ(state.step, 7u);
  EXPECT_EQ(state.step_in_epoch, 7u);
  EXPECT_NEAR(state.adam_scale, 1.0 / (1.0 - std::pow(0.9, 7)), 1e-6);
  EXPECT_NEAR(state.adam_root_bias2, std::sqrt(1.0 - std::pow(0.999, 7)), 1e-7);
  EXPECT_NEAR(state.sparse_scale, std::sqrt(1.0 - std::pow(0.999, 7)) / (1.0 - std::pow(0.9, 7)),
              1e-7);
}

TEST_P(EmbeddingOps, FrequencyOrderIsDescendingWithTiesById) {
  Tensor<int32_t> order = poisoned<int32_t>(6);
  backend().frequency_order(tensor<int64_t>({3, 9, 3, 0, 9, 1}), order);
  EXPECT_EQ(order.to_host(), (std::vector<int32_t>{1, 4, 0, 2, 5, 3}));
}

TEST_P(EmbeddingOps, FrequencyOrderOfManyIds) {
  const std::vector<int64_t> counts = Random(9).integers<int64_t>(1000, 0, 50);
  std::vector<int32_t> expected(counts.size());
  std::iota(expected.begin(), expected.end(), 0);
  std::stable_sort(expected.begin(), expected.end(),
                   [&](int32_t a, int32_t b) { return counts[a] > counts[b]; });
  Tensor<int32_t> order = poisoned<int32_t>(1000);
  backend().frequency_order(tensor<int64_t>(counts), order);
  EXPECT_EQ(order.to_host(), expected);
}

TEST_P(EmbeddingOps, GatherAndScaleColumns) {
  Random random(4);
  const auto table = random.normals(10 * 3), weights = random.normals(3);
  const std::vector<int32_t> ids = {9, 0, 4, 4};
  Tensor<float> gathered = poisoned<float>(4, 3), scaled = poisoned<float>(4, 3);
  backend().gather(tensor(table, 3), tensor(ids), gathered);
  backend().scale_columns(gathered, tensor(weights), scaled);
  const auto rows = gathered.to_host(), products = scaled.to_host();
  for (int i = 0; i < 12; ++i) {
    EXPECT_EQ(rows[i], table[ids[i / 3] * 3 + i % 3]);
    EXPECT_EQ(products[i], rows[i] * weights[i % 3]);
  }
}

MGQE_ON_EVERY_BACKEND(EmbeddingOps);

}  // namespace
}  // namespace mgqe::testing
