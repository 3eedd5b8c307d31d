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
    return tensor<StepState>({StepState{step, 1, step, 0, 0.0f, 0.0f, 0.0f, 0.0f}});
  }
  std::vector<float> dropped(const std::vector<float>& x, Dropout dropout, uint64_t step) {
    Tensor<float> out = poisoned<float>(static_cast<int64_t>(x.size()));
    backend().dropout(tensor(x), dropout, at_step(step), out);
    return out.to_host();
  }
  std::vector<float> dropped_rows(const std::vector<float>& x, int64_t cols, Dropout dropout,
                                  uint64_t step) {
    Tensor<float> rows = tensor(x, cols);
    backend().dropout(rows, dropout, at_step(step), rows);
    return rows.to_host();
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

// Ops in one have the bits of one after the other.
TEST_P(Layers, BiasReluDropoutAndAddInOne) {
  Random random(8);
  constexpr uint64_t kStep = 3;
  for (const auto& [rows, cols] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {5, 7}, {90, 64}})
    for (const float rate : {0.0f, 0.3f}) {
      SCOPED_TRACE(detail::concat(rows, " x ", cols, ", rate ", rate));
      const Dropout dropout{11, rate, 5};
      const Tensor<StepState> state = at_step(kStep);
      const auto x = random.normals(rows * cols), rest = random.normals(rows * cols);
      const Tensor<float> bias = tensor(random.normals(cols)), residual = tensor(rest, cols);

      Tensor<float> hidden = tensor(x, cols), expected_hidden = tensor(x, cols);
      backend().add_bias_relu_dropout(bias, dropout, state, hidden);
      backend().add_bias_relu(bias, expected_hidden);
      backend().dropout(expected_hidden, dropout, state, expected_hidden);
      EXPECT_EQ(hidden.to_host(), expected_hidden.to_host());

      Tensor<float> gradient = tensor(rest, cols), expected_gradient = tensor(rest, cols);
      backend().relu_dropout_backward(hidden, rate, gradient);
      backend().dropout(expected_gradient, dropout, state, expected_gradient);
      backend().relu_backward(hidden, expected_gradient);
      EXPECT_EQ(gradient.to_host(), expected_gradient.to_host());

      Tensor<float> out = tensor(x, cols), expected_out = tensor(x, cols);
      backend().add_bias_dropout_add(bias, dropout, state, residual, out);
      backend().add_bias(bias, expected_out);
      backend().dropout(expected_out, dropout, state, expected_out);
      backend().add(residual, expected_out, expected_out);
      EXPECT_EQ(out.to_host(), expected_out.to_host());
    }
}

TEST_P(Layers, BiasesAndColumnSumsOfLayersBesideEachOther) {
  Random random(9);
  constexpr int64_t kCols = 33;
  for (const int64_t rows : {1, 60, 700}) {  // past 512 in two passes on a GPU
    std::vector<Tensor<float>> x, expected, biases, sums, expected_sums;
    std::vector<BiasedRows> biased;
    std::vector<SummedRows> summed;
    for (int a = 0; a < 3; ++a) {
      const auto values = random.normals(rows * kCols);
      x.push_back(tensor(values, kCols));
      expected.push_back(tensor(values, kCols));
      biases.push_back(tensor(random.normals(kCols)));
      sums.push_back(poisoned<float>(kCols));
      expected_sums.push_back(poisoned<float>(kCols));
    }
    for (int a = 0; a < 3; ++a) {
      biased.push_back({biases[a], x[a]});
      summed.push_back({expected[a], sums[a]});
      backend().add_bias(biases[a], expected[a]);
      backend().sum_rows(expected[a], expected_sums[a]);
    }
    backend().add_bias_each(biased);
    backend().sum_rows_each(summed);
    for (int a = 0; a < 3; ++a) {
      EXPECT_EQ(x[a].to_host(), expected[a].to_host()) << rows;
      EXPECT_EQ(sums[a].to_host(), expected_sums[a].to_host()) << rows;
    }
  }
}

TEST_P(Layers, SumsOfPositions) {
  constexpr int64_t kLongest = 6, kDim = 5;
  Random random(10);
  for (const std::vector<int32_t>& lengths :
       {std::vector<int32_t>{6}, {1, 3, 2}, {6, 1, 1, 4, 6}, {0, 2}}) {
    std::vector<int32_t> offsets = {0};
    for (const int32_t length : lengths) offsets.push_back(offsets.back() + length);
    const auto x = random.integers<float>(offsets.back() * kDim, -50, 50);
    std::vector<float> expected(kLongest * kDim, 0.0f);
    for (size_t b = 0; b < lengths.size(); ++b)
      for (int32_t t = 0; t < lengths[b]; ++t)
        for (int64_t c = 0; c < kDim; ++c)
          expected[(kLongest - lengths[b] + t) * kDim + c] += x[(offsets[b] + t) * kDim + c];
    const Tensor<int32_t> begins = tensor(offsets);
    Tensor<float> sums = poisoned<float>(kLongest, kDim);
    backend().sum_positions(tensor(x, kDim), {begins, kLongest}, sums);
    EXPECT_EQ(sums.to_host(), expected);
  }
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
    backend().sequence_input({r, i}, 8.0f, p, tensor(position), {}, {}, out);
    const auto got = out.to_host();
    const Dropout dropout{7, 0.4f, 3};
    backend().sequence_input({r, i}, 8.0f, p, tensor(position), dropout, at_step(2), out);
    EXPECT_EQ(out.to_host(), dropped_rows(got, dim, dropout, 2));
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

// The loss of a positive and a negative a token has the gradients of the ops it stands for, to the
// bit, and their losses in another order of summation.
TEST_P(Layers, SampledLoss) {
  Random random(7);
  constexpr int64_t kItems = 9;
  constexpr float kScale = 0.125f;
  for (const auto& [tokens, dim] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {7, 33}, {300, 64}, {9000, 4}}) {
    const Tensor<float> x = tensor(random.normals(tokens * dim), dim),
                        rows = tensor(random.normals(kItems * dim), dim),
                        ones = tensor(std::vector<float>(static_cast<size_t>(tokens), 1.0f)),
                        zeros(backend(), tokens);
    const Tensor<int32_t> positives = tensor(random.integers<int32_t>(tokens, 0, kItems - 1)),
                          negatives = tensor(random.integers<int32_t>(tokens, 0, kItems - 1));
    std::vector<std::vector<float>> gradients[2];
    std::vector<double> sums;
    for (const bool op_by_op : {false, true}) {
      Tensor<float> logits(backend(), tokens), losses(backend(), tokens),
          logit_gradient(backend(), tokens), of_x = poisoned<float>(tokens, dim),
                                             of_positives = poisoned<float>(tokens, dim),
                                             of_negatives = poisoned<float>(tokens, dim);
      Tensor<double> sum = tensor(std::vector<double>{0.5});
      const SampledLoss loss{x,
                             {rows, positives},
                             {rows, negatives},
                             kScale,
                             of_x,
                             of_positives,
                             of_negatives,
                             ones,
                             zeros,
                             logits,
                             losses,
                             logit_gradient};
      if (op_by_op)
        backend().LayerOps::sampled_loss(loss, sum);
      else
        backend().sampled_loss(loss, sum);
      gradients[op_by_op] = {of_x.to_host(), of_positives.to_host(), of_negatives.to_host()};
      sums.push_back(sum.to_host()[0]);
    }
    EXPECT_EQ(gradients[0], gradients[1]) << tokens << " tokens, d " << dim;
    // 2 T additions of floats in double.
    EXPECT_NEAR(sums[0], sums[1], 2 * static_cast<double>(tokens) * 0x1p-53 * sums[1]);
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
