// The elementwise layers and losses on every back end against naive loops in double.
#include <cmath>

#include "tests/support/reference.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

constexpr double kRounding = 4e-7;  // a few operations on values up to about 4

class Layers : public OnEveryBackend {
 protected:
  Tensor<StepState> at_step(uint64_t step) {
    return tensor<StepState>({StepState{step, 1, step, 0, 0.0f, 0.0f, 0.0f}});
  }
  std::vector<float> dropped(const std::vector<float>& x, Dropout dropout, uint64_t step) {
    Tensor<float> out = poisoned<float>(static_cast<int64_t>(x.size()));
    backend().dropout(tensor(x), dropout, at_step(step), out);
    return out.to_host();
  }
};

TEST_P(Layers, BiasAndRelu) {
  Random random(1);
  for (const auto& [rows, cols] :
       std::vector<std::pair<int64_t, int64_t>>{{0, 3}, {1, 1}, {5, 7}, {300, 33}}) {
    const auto x = random.normals(rows * cols), bias = random.normals(cols),
               gradient = random.normals(rows * cols);
    Tensor<float> sums = tensor(x, cols), rectified = tensor(x, cols),
                  passed = tensor(gradient, cols);
    const Tensor<float> b = tensor(bias);
    backend().add_bias(b, sums);
    backend().add_bias_relu(b, rectified);
    backend().relu_backward(rectified, passed);
    const auto s = sums.to_host(), r = rectified.to_host(), p = passed.to_host();
    for (int64_t i = 0; i < rows * cols; ++i) {
      const double sum = static_cast<double>(x[i]) + bias[i % cols];
      EXPECT_NEAR(s[i], sum, kRounding);
      EXPECT_NEAR(r[i], sum > 0.0 ? sum : 0.0, kRounding);
      EXPECT_EQ(p[i], sum > 0.0 ? gradient[i] : 0.0f);
    }
  }
}

TEST_P(Layers, Add) {
  Random random(2);
  const auto x = random.normals(1001), y = random.normals(1001);
  Tensor<float> sum = tensor(y);
  backend().add(tensor(x), sum, sum);
  const auto got = sum.to_host();
  for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(got[i], x[i] + y[i]);
}

TEST_P(Layers, DropoutKeepsItsShareAndScalesIt) {
  const int64_t n = 200'000;
  const std::vector<float> ones(n, 1.0f);
  for (const float rate : {0.1f, 0.3f, 0.75f}) {
    const auto got = dropped(ones, {9, rate}, 1);
    int64_t kept = 0;
    for (const float value : got) {
      if (value == 0.0f) continue;
      EXPECT_NEAR(value, 1.0 / (1.0 - rate), 2e-6);
      ++kept;
    }
    const double deviation = std::sqrt(rate * (1.0 - rate) / static_cast<double>(n));
    EXPECT_NEAR(static_cast<double>(kept) / static_cast<double>(n), 1.0 - rate, 5 * deviation);
  }
}

TEST_P(Layers, DropoutIsAFunctionOfLayerStepAndElement) {
  const int64_t n = 10'000;
  const std::vector<float> ones(n, 1.0f);
  const float rate = 0.3f;
  const auto base = dropped(ones, {9, rate}, 1);
  EXPECT_EQ(dropped(ones, {9, rate}, 1), base);
  for (int64_t i = 0; i < n; ++i)
    ASSERT_EQ(base[i] != 0.0f,
              dropout_keeps(dropout_step_key(9, 1), static_cast<uint64_t>(i), rate));
  // Of two independent masks, elements agree with probability 0.7^2 + 0.3^2 = 0.58.
  for (const auto& other : {dropped(ones, {9, rate}, 2), dropped(ones, {10, rate}, 1)}) {
    int64_t same = 0;
    for (int64_t i = 0; i < n; ++i) same += other[i] == base[i];
    EXPECT_NEAR(static_cast<double>(same) / static_cast<double>(n), 0.58, 0.03);
  }
}

TEST_P(Layers, DropoutInPlaceAndAtRateZero) {
  Random random(3);
  const auto x = random.normals(3000);
  EXPECT_EQ(dropped(x, {9, 0.0f}, 1), x);
  Tensor<float> in_place = tensor(x);
  backend().dropout(in_place, {9, 0.0f}, at_step(1), in_place);
  EXPECT_EQ(in_place.to_host(), x);
  backend().dropout(in_place, {9, 0.4f}, at_step(1), in_place);
  EXPECT_EQ(in_place.to_host(), dropped(x, {9, 0.4f}, 1));
}

TEST_P(Layers, SequenceInput) {
  Random random(4);
  for (const int64_t dim : {1, 10, 64}) {
    const int64_t tokens = 83, items = 13, longest = 9;
    const auto rows = random.normals(items * dim), positions = random.normals(longest * dim);
    const auto index = random.integers<int32_t>(tokens, 0, items - 1);
    const auto position = random.integers<int32_t>(tokens, 0, longest - 1);
    const Tensor<float> r = tensor(rows, dim), p = tensor(positions, dim);
    const Tensor<int32_t> i = tensor(index);
    Tensor<float> out = poisoned<float>(tokens, dim);
    backend().sequence_input({r, i}, 8.0f, p, tensor(position), out);
    const auto got = out.to_host();
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t c = 0; c < dim; ++c)
        EXPECT_NEAR(got[t * dim + c],
                    8.0 * rows[index[t] * dim + c] + positions[position[t] * dim + c],
                    8 * kRounding);
  }
}

TEST_P(Layers, RowDotsAndTheirGradients) {
  Random random(5);
  for (const auto& [tokens, dim] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {7, 15}, {9, 16}, {60, 64}, {5, 77}}) {
    const int64_t items = 6;
    const auto x = random.normals(tokens * dim), rows = random.normals(items * dim),
               weights = random.normals(tokens), before = random.normals(tokens * dim);
    const auto index = random.integers<int32_t>(tokens, 0, items - 1);
    const Tensor<float> x_device = tensor(x, dim), y_rows = tensor(rows, dim), g = tensor(weights);
    const Tensor<int32_t> i_device = tensor(index);
    const Lookup y{y_rows, i_device};
    Tensor<float> out = poisoned<float>(tokens), x_gradient = poisoned<float>(tokens, dim),
                  y_gradient = poisoned<float>(tokens, dim), added = tensor(before, dim);
    backend().row_dots(x_device, y, out);
    backend().row_dots_backward(x_device, y, g, added, true, y_gradient);
    backend().row_dots_backward(x_device, y, g, x_gradient, false, y_gradient);

    std::vector<float> looked_up;
    for (const int32_t item : index)
      looked_up.insert(looked_up.end(), &rows[item * dim], &rows[item * dim] + dim);
    auto wide_x = reference::widen(x), wide_y = reference::widen(looked_up);
    const auto dot = [&](int64_t t) {
      double sum = 0.0;
      for (int64_t c = 0; c < dim; ++c) sum += wide_x[t * dim + c] * wide_y[t * dim + c];
      return sum;
    };
    const auto dots = out.to_host(), x_host = x_gradient.to_host(), y_host = y_gradient.to_host(),
               added_host = added.to_host();
    for (int64_t t = 0; t < tokens; ++t) {
      EXPECT_NEAR(dots[t], dot(t), 4 * sum_tolerance(dim + 2));
      const auto loss = [&] { return weights[t] * dot(t); };
      for (int64_t c = 0; c < dim; ++c) {
        const auto i = static_cast<size_t>(t * dim + c);
        const double of_x = reference::finite_difference(wide_x, i, loss);
        EXPECT_NEAR(x_host[i], of_x, 2 * kRounding);
        EXPECT_NEAR(added_host[i], before[i] + of_x, 2 * kRounding);
        EXPECT_NEAR(y_host[i], reference::finite_difference(wide_y, i, loss), 2 * kRounding);
      }
    }
  }
}

TEST_P(Layers, SquaredLoss) {
  Random random(6);
  const int64_t n = 500;
  const auto predictions = random.normals(n), targets = random.normals(n);
  Tensor<float> losses = poisoned<float>(n), gradient = poisoned<float>(n);
  const float scale = 0.25f;
  backend().squared_loss(tensor(predictions), tensor(targets), scale, losses, gradient);
  const auto l = losses.to_host(), g = gradient.to_host();
  auto p = reference::widen(predictions);
  for (size_t b = 0; b < p.size(); ++b) {
    const auto loss = [&] { return (p[b] - targets[b]) * (p[b] - targets[b]); };
    EXPECT_NEAR(l[b], loss(), 1e-6 * (1.0 + loss()));
    EXPECT_NEAR(g[b], scale * reference::finite_difference(p, b, loss), 4 * kRounding);
  }
}

TEST_P(Layers, ItemBiases) {
  Random random(7);
  const int64_t n = 300, items = 11;
  const auto biases = random.normals(items), dots = random.normals(n);
  const auto left = random.integers<int32_t>(n, 0, items - 1),
             right = random.integers<int32_t>(n, 0, items - 1);
  Tensor<float> predictions = tensor(dots);
  backend().add_item_biases(tensor(biases), 0.5f, tensor(left), tensor(right), predictions);
  const auto got = predictions.to_host();
  for (int64_t b = 0; b < n; ++b)
    EXPECT_NEAR(got[b], 0.5 + biases[left[b]] + biases[right[b]] + dots[b], 2 * kRounding);
}

MGQE_ON_EVERY_BACKEND(Layers);

}  // namespace
}  // namespace mgqe::testing
