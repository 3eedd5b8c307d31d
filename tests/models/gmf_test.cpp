// GMF's forward, loss and every gradient against finite differences in double.
#include "tests/support/reference.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

class GmfOps : public OnEveryBackend {};

TEST_P(GmfOps, GradientsMatchFiniteDifferences) {
  Random random(1);
  for (const auto& [lookups, dim] :
       std::vector<std::pair<int, int>>{{1, 1}, {5, 3}, {70, 20}, {130, 64}}) {
    const int users = 11, items = 13;
    const auto p = random.normals(users * dim, 0.5f), q = random.normals(items * dim, 0.5f);
    const auto weights = random.normals(dim + 1, 0.5f);
    const auto user_ids = random.integers<int32_t>(lookups, 0, users - 1);
    const auto item_ids = random.integers<int32_t>(lookups, 0, items - 1);
    const auto labels = random.integers<float>(lookups, 0, 1);

    const Tensor<float> p_device = tensor(p, dim), q_device = tensor(q, dim),
                        w_device = tensor(weights), y_device = tensor(labels);
    const Tensor<int32_t> u_device = tensor(user_ids), i_device = tensor(item_ids);
    const Lookup user_rows{p_device, u_device}, item_rows{q_device, i_device};
    Tensor<float> logits = poisoned<float>(lookups), losses = poisoned<float>(lookups),
                  logit_gradient = poisoned<float>(lookups);
    Tensor<float> user_gradient = poisoned<float>(lookups, dim),
                  item_gradient = poisoned<float>(lookups, dim),
                  weight_gradient = poisoned<float>(dim + 1);
    Tensor<double> loss_sum(backend(), 1);
    backend().gmf_forward(user_rows, item_rows, w_device, logits);
    backend().bce_with_logits(logits, y_device, 1.0f / static_cast<float>(lookups), losses,
                              logit_gradient);
    backend().accumulate(losses, loss_sum);
    backend().gmf_backward(user_rows, item_rows, w_device, logit_gradient, user_gradient,
                           item_gradient, weight_gradient);

    auto wide_p = reference::widen(p), wide_q = reference::widen(q);
    auto wide_w = reference::widen(weights);
    const auto loss = [&] {
      return reference::gmf_loss(wide_p, wide_q, wide_w, dim, user_ids, item_ids, labels);
    };
    // Products of magnitude up to about 4, summed over dimensions, then over look-ups.
    const double tolerance = 4 * sum_tolerance(dim + 8);
    EXPECT_NEAR(loss_sum.to_host()[0] / lookups, loss(), tolerance);

    std::vector<double> user_sum(p.size(), 0.0), item_sum(q.size(), 0.0);
    const auto user_host = user_gradient.to_host(), item_host = item_gradient.to_host();
    for (int b = 0; b < lookups; ++b)
      for (int c = 0; c < dim; ++c) {
        user_sum[user_ids[b] * dim + c] += user_host[b * dim + c];
        item_sum[item_ids[b] * dim + c] += item_host[b * dim + c];
      }
    // Central differences with h = 1e-5 err by about 1e-10.
    for (size_t i = 0; i < p.size(); i += 7)
      EXPECT_NEAR(user_sum[i], reference::finite_difference(wide_p, i, loss), tolerance);
    for (size_t i = 0; i < q.size(); i += 7)
      EXPECT_NEAR(item_sum[i], reference::finite_difference(wide_q, i, loss), tolerance);
    const auto weight_host = weight_gradient.to_host();
    for (size_t i = 0; i < weights.size(); ++i)
      EXPECT_NEAR(weight_host[i], reference::finite_difference(wide_w, i, loss), tolerance) << i;
  }
}

TEST_P(GmfOps, LossStaysFiniteAtExtremeLogits) {
  Tensor<float> losses = poisoned<float>(4), gradient = poisoned<float>(4);
  backend().bce_with_logits(tensor<float>({1e4f, -1e4f, 1e4f, -1e4f}), tensor<float>({1, 1, 0, 0}),
                            1.0f, losses, gradient);
  EXPECT_EQ(losses.to_host(), (std::vector<float>{0.0f, 1e4f, 1e4f, 0.0f}));
  EXPECT_EQ(gradient.to_host(), (std::vector<float>{0.0f, -1.0f, 1.0f, 0.0f}));
}

TEST_P(GmfOps, AccumulateAddsToWhatIsThere) {
  Random random(2);
  for (const int64_t n : {10'007, 40'009}) {  // one block of a GPU, and many
    const auto x = random.normals(n);
    Tensor<double> sum = tensor<double>({5.0});
    backend().accumulate(tensor(x), sum);
    backend().accumulate(tensor(x), sum);
    double expected = 5.0;
    for (const float value : x) expected += 2.0 * value;
    EXPECT_NEAR(sum.to_host()[0], expected, 1e-8) << n;
  }
}

MGQE_ON_EVERY_BACKEND(GmfOps);

}  // namespace
}  // namespace mgqe::testing
