// Ops of rows with many features on every back end, against naive loops in double.
#include "tests/support/reference.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

class FeatureOps : public OnEveryBackend {};

TEST_P(FeatureOps, FeaturesOfAGroupAreGatheredIntoTheirColumnsAndParted) {
  Random random(1);
  struct Case {
    int64_t batch, all, dim, table;
    std::vector<int32_t> places;
  };
  for (const auto& [batch, all, dim, table, places] : {Case{1, 1, 1, 1, {0}},
                                                       {7, 5, 4, 11, {3, 1, 4}},
                                                       {130, 5, 33, 50, {2, 0}},
                                                       {64, 5, 8, 9, {0, 1, 2, 3, 4}},
                                                       {5, 3, 2, 4, {}}}) {
    const auto features = static_cast<int64_t>(places.size());
    const auto rows = random.normals(table * dim), before = random.normals(batch * all * dim);
    const auto index =
        random.integers<int32_t>(batch * features, 0, static_cast<int32_t>(table - 1));
    auto expected = before;
    std::vector<float> by_lookup;
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t f = 0; f < features; ++f)
        for (int64_t c = 0; c < dim; ++c) {
          by_lookup.push_back(rows[index[b * features + f] * dim + c]);
          expected[(b * all + places[f]) * dim + c] = by_lookup.back();
        }
    const Tensor<float> out = tensor(before, all * dim), values = tensor(rows, dim),
                        direct = tensor(before, all * dim);
    const Tensor<int32_t> ids = tensor(index), device_places = tensor(places);
    backend().gather_features({values, ids}, device_places, out);
    EXPECT_EQ(out.to_host(), expected) << batch << " rows of " << features;
    if (features == 0) continue;
    const Tensor<float> fetched = tensor(by_lookup, dim),
                        parted = poisoned<float>(batch, features * dim);
    backend().gather_features({fetched, {}}, device_places, direct);
    EXPECT_EQ(direct.to_host(), expected) << batch << " rows of " << features;
    backend().part_features(out, device_places, parted);
    EXPECT_EQ(parted.to_host(), by_lookup) << batch << " rows of " << features;
  }
}

TEST_P(FeatureOps, ColumnsAreTakenAndPut) {
  Random random(2);
  for (const auto& [rows, first, count, all] : std::vector<std::array<int64_t, 4>>{
           {1, 0, 1, 1}, {9, 2, 3, 8}, {70, 30, 40, 70}, {33, 0, 5, 6}}) {
    const auto wide = random.normals(rows * all), narrow = random.normals(rows * count);
    const Tensor<float> taken = poisoned<float>(rows, count), put = tensor(wide, all);
    backend().take_columns(tensor(wide, all), first, taken);
    backend().put_columns(tensor(narrow, count), first, put);
    std::vector<float> expected_taken, expected_put = wide;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < count; ++c) {
        expected_taken.push_back(wide[r * all + first + c]);
        expected_put[r * all + first + c] = narrow[r * count + c];
      }
    EXPECT_EQ(taken.to_host(), expected_taken);
    EXPECT_EQ(put.to_host(), expected_put);
  }
}

TEST_P(FeatureOps, BagsArePooledAndTheirGradientsSpread) {
  Random random(7);
  constexpr int64_t kTable = 9;
  for (const auto& [rows, dim, before, first, all] :
       std::vector<std::array<int64_t, 5>>{{1, 1, 0, 0, 1}, {6, 4, 5, 2, 7}, {70, 16, 140, 16, 48}})
    for (const bool mean : {true, false}) {
      // Some bags are empty; look-ups of others lie before them.
      std::vector<int32_t> ends = {static_cast<int32_t>(before)};
      for (const int32_t length : random.integers<int32_t>(rows, 0, 4))
        ends.push_back(ends.back() + length);
      const int64_t lookups = ends.back();
      const auto table = random.normals(kTable * dim), gradient = random.normals(rows * all),
                 wide = random.normals(rows * all), old = random.normals(lookups * dim);
      const auto index = random.integers<int32_t>(lookups, 0, kTable - 1);
      std::vector<float> expected = wide, spread = old;
      for (int64_t b = 0; b < rows; ++b)
        for (int64_t c = 0; c < dim; ++c) {
          double sum = 0.0;
          const double share = mean ? 1.0 / std::max(1, ends[b + 1] - ends[b]) : 1.0;
          for (int32_t l = ends[b]; l < ends[b + 1]; ++l) {
            sum += table[index[l] * dim + c];
            spread[l * dim + c] = static_cast<float>(gradient[b * all + first + c] * share);
          }
          expected[b * all + first + c] = static_cast<float>(sum * share);
        }
      std::vector<float> looked_up;
      for (const int32_t row : index)
        looked_up.insert(looked_up.end(), &table[row * dim], &table[row * dim] + dim);
      const Tensor<int32_t> device_index(backend(), index), device_ends(backend(), ends);
      const Tensor<float> pooled = tensor(wide, all), direct = tensor(wide, all),
                          passed = tensor(old, dim);
      const Tensor<float> device_table = tensor(table, dim);
      backend().pool_bags({device_table, device_index}, device_ends, mean, first, pooled);
      const Tensor<float> by_lookup = tensor(looked_up, dim);
      backend().pool_bags({by_lookup, {}}, device_ends, mean, first, direct);
      backend().spread_bags(tensor(gradient, all), first, device_ends, mean, passed);
      const auto pooled_values = pooled.to_host(), passed_values = passed.to_host();
      EXPECT_EQ(pooled_values, direct.to_host());
      for (size_t i = 0; i < expected.size(); ++i)
        ASSERT_NEAR(pooled_values[i], expected[i], 4 * sum_tolerance(4)) << i;
      for (size_t i = 0; i < spread.size(); ++i)
        ASSERT_NEAR(passed_values[i], spread[i], 4 * sum_tolerance(1)) << i;
    }
}

TEST_P(FeatureOps, CrossAndItsGradients) {
  Random random(3);
  for (const auto& [rows, cols] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {5, 7}, {66, 40}}) {
    const int64_t n = rows * cols;
    const auto x0 = random.normals(n), y = random.normals(n), x = random.normals(n),
               gradient = random.normals(n), before = random.normals(n);
    const auto bias = random.normals(cols);
    const Tensor<float> out = poisoned<float>(rows, cols), y_gradient = poisoned<float>(rows, cols),
                        x0_gradient = tensor(before, cols);
    backend().cross(tensor(x0, cols), tensor(y, cols), tensor(bias), tensor(x, cols), out);
    backend().cross_backward(tensor(x0, cols), tensor(y, cols), tensor(bias),
                             tensor(gradient, cols), y_gradient, x0_gradient);
    const auto outs = out.to_host(), y_gradients = y_gradient.to_host(),
               x0_gradients = x0_gradient.to_host();
    for (int64_t i = 0; i < n; ++i) {
      const double sum = static_cast<double>(y[i]) + bias[i % cols];
      // Products of normals, two roundings each.
      EXPECT_NEAR(outs[i], x0[i] * sum + x[i], 2e-6) << i;
      EXPECT_NEAR(y_gradients[i], static_cast<double>(gradient[i]) * x0[i], 2e-6) << i;
      EXPECT_NEAR(x0_gradients[i], before[i] + gradient[i] * sum, 4e-6) << i;
    }
  }
}

TEST_P(FeatureOps, DotPairsAndTheirGradients) {
  Random random(4);
  struct Case {
    int64_t rows, vectors, dim, beside;
  };
  for (const auto& [rows, vectors, dim, beside] :
       {Case{1, 2, 1, 0}, {5, 3, 4, 2}, {40, 7, 16, 0}, {3, 27, 33, 5}, {2, 101, 128, 0}}) {
    const int64_t pairs = vectors * (vectors - 1) / 2, columns = pairs + beside;
    const auto x = random.normals(rows * vectors * dim), before = random.normals(rows * columns),
               gradient = random.normals(rows * columns);
    const Tensor<float> out = tensor(before, columns),
                        x_gradient = poisoned<float>(rows, vectors * dim);
    backend().dot_pairs(tensor(x, vectors * dim), dim, out);
    backend().dot_pairs_backward(tensor(x, vectors * dim), dim, tensor(gradient, columns),
                                 x_gradient);
    const auto products = out.to_host(), gradients = x_gradient.to_host();
    std::vector<double> expected_gradient(x.size(), 0.0);
    for (int64_t r = 0; r < rows; ++r) {
      int64_t p = 0;
      for (int64_t i = 0; i < vectors; ++i)
        for (int64_t j = 0; j < i; ++j, ++p) {
          const int64_t a = (r * vectors + i) * dim, b = (r * vectors + j) * dim;
          double product = 0.0;
          for (int64_t c = 0; c < dim; ++c) {
            product += static_cast<double>(x[a + c]) * x[b + c];
            expected_gradient[a + c] += static_cast<double>(gradient[r * columns + p]) * x[b + c];
            expected_gradient[b + c] += static_cast<double>(gradient[r * columns + p]) * x[a + c];
          }
          EXPECT_NEAR(products[r * columns + p], product, 4 * sum_tolerance(dim + 4));
        }
      for (; p < columns; ++p)
        EXPECT_EQ(products[r * columns + p], before[r * columns + p]) << "a column beside";
    }
    for (size_t i = 0; i < x.size(); ++i)
      EXPECT_NEAR(gradients[i], expected_gradient[i], 4 * sum_tolerance(vectors + 4)) << i;
  }
}

MGQE_ON_EVERY_BACKEND(FeatureOps);

}  // namespace
}  // namespace mgqe::testing
