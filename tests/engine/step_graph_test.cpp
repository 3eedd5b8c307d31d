// Steps as the device itself records them (CUDA graphs on a GPU), and what changes between them.
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

class RecordedOnDevice : public OnEveryBackend {};

/// A recorded launch holds the address of scratch; when scratch has grown, and moved, the step has
/// to be recorded anew.
TEST_P(RecordedOnDevice, StepsOutliveTheirScratch) {
  constexpr int64_t kRows = 600;  // more than one pass takes: the sum needs scratch
  const auto runner = backend().make_step_runner();
  const Tensor<float> x = tensor(std::vector<float>(kRows * 64, 1.0f), 64);
  const Tensor<float> more = tensor(std::vector<float>(10 * kRows * 256, 1.0f), 256);
  const Tensor<float> sums = poisoned<float>(64), other(backend(), 256);
  const StepBody step = [&] { backend().sum_rows(x, sums); };
  const auto run = [&] {
    backend().zero(sums.data(), sums.bytes());
    runner->run({1, 0}, 1, step);
    return sums.to_host();
  };
  const std::vector<float> expected(64, kRows);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(run(), expected) << i;
  backend().sum_rows(more, other);  // scratch grows
  EXPECT_EQ(run(), expected);
}
MGQE_ON_EVERY_BACKEND(RecordedOnDevice);

}  // namespace
}  // namespace mgqe::testing
