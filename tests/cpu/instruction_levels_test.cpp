// The CPU's products and attention have the same bits at every instruction level that this
// processor runs.

#include "hwy/targets.h"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

class InstructionLevels : public OnEveryBackend {
 protected:
  void TearDown() override { choose(0); }
  /// Lets no later op use other levels than those of the mask; 0: all.
  static void choose(int64_t targets) {
    hwy::SetSupportedTargetsForTest(targets);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }

  std::vector<std::vector<float>> results() {
    Random random(1);
    std::vector<std::vector<float>> all;
    for (const int64_t n : {1, 16, 70}) {
      const Tensor<float> a = tensor(random.normals(1300 * 50), 50),
                          b = tensor(random.normals(50 * n), n),
                          c = tensor(random.normals(1300 * n), n);
      Tensor<float> ab(backend(), 1300, n), ac(backend(), 50, n);
      backend().matmul(a, b, ab);
      backend().matmul(transposed(a), c, ac);
      all.push_back(ab.to_host());
      all.push_back(ac.to_host());
    }
    const Tensor<int32_t> offsets = tensor<int32_t>({0, 70, 71, 133});
    const Tensor<StepState> state =
        tensor<StepState>({StepState{1, 1, 1, 0, 0.0f, 0.0f, 0.0f, 0.0f}});
    for (const int heads : {1, 4}) {
      const auto random_tokens = [&] { return tensor(random.normals(133 * 64), 64); };
      const Tensor<float> q = random_tokens(), k = random_tokens(), v = random_tokens(),
                          out_gradient = random_tokens();
      Tensor<float> out(backend(), 133, 64), log_sums(backend(), 133, heads),
          q_gradient(backend(), 133, 64), k_gradient(backend(), 133, 64),
          v_gradient(backend(), 133, 64);
      const AttentionInput input{q, k, v, heads};
      const Sequences sequences{offsets, 70};
      const Dropout dropout{3, 0.2f};
      backend().attention(input, sequences, dropout, state, out, log_sums);
      backend().attention_backward(input, sequences, dropout, state, out, log_sums, out_gradient,
                                   {q_gradient, k_gradient, v_gradient});
      Tensor<float> last(backend(), 3, 64);
      backend().attention_of_last({q.view().slice(0, 3), k, v, heads}, sequences, last);
      for (const auto* result : {&out, &log_sums, &q_gradient, &k_gradient, &v_gradient, &last})
        all.push_back(result->to_host());
    }
    return all;
  }
};

TEST_P(InstructionLevels, DoNotChangeABit) {
  choose(0);
  const auto expected = results();
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    choose(target);
    EXPECT_EQ(results(), expected) << hwy::TargetName(target);
  }
}

INSTANTIATE_TEST_SUITE_P(Device, InstructionLevels, ::testing::Values("cpu"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace mgqe::testing
