// The ceilings do the work they report: chains end where arithmetic says, copies and fills are
// whole.
#include <algorithm>
#include <cmath>

#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

class Ceiling : public OnEveryBackend {};

TEST_P(Ceiling, EveryChainRunsAllItsSteps) {
  ASSERT_GE(backend().fma_workers(), 1);
  for (const int64_t workers : {int64_t{1}, static_cast<int64_t>(backend().fma_workers())})
    for (const int64_t steps : {1, 2, 10}) {
      Tensor<float> sums = poisoned<float>(workers);
      const int64_t fma = backend().run_fma_chains(steps, 0.5f, 1.0f, sums);
      const int64_t chains = fma / (steps * workers);
      EXPECT_GE(chains, 1);
      EXPECT_EQ(fma, chains * steps * workers);
      // x_n = 1 + 1/2 + ... + 2^(1 - n) = 2 - 2^(1 - n): so few bits that the sums are exact.
      const float end = 2.0f - std::ldexp(1.0f, static_cast<int>(1 - steps));
      EXPECT_EQ(sums.to_host(), std::vector<float>(workers, static_cast<float>(chains) * end))
          << steps << " steps on " << workers << " workers";
    }
}

TEST_P(Ceiling, CopiesAndFillsEveryElementAndNoOther) {
  Random random(1);
  for (const int64_t n : {0, 1, 15, 16, 17, 1000, 3 * (1 << 18) + 5}) {
    const std::vector<float> values = random.normals(n);
    const Tensor<float> x = tensor(values);
    Tensor<float> out = poisoned<float>(n + 3);
    backend().copy(x, out.view().slice(0, n));
    std::vector<float> host = out.to_host();
    EXPECT_TRUE(std::equal(values.begin(), values.end(), host.begin())) << n;
    backend().fill(out.view().slice(0, n), 2.5f);
    host = out.to_host();
    EXPECT_EQ(std::count(host.begin(), host.end(), 2.5f), n);
    for (int64_t i = n; i < n + 3; ++i) EXPECT_TRUE(std::isnan(host[i])) << n;
  }
}

MGQE_ON_EVERY_BACKEND(Ceiling);

}  // namespace
}  // namespace mgqe::testing
