#include "host/base/philox.hpp"

#include <cmath>

#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

struct Answer {
  uint64_t key, low, high;
  uint32_t expected[4];
};

// Known answers of the authors' Random123 (philox4x32, 10 rounds).
TEST(Philox, MatchesKnownAnswers) {
  const Answer answers[] = {
      {0, 0, 0, {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}},
      {~0ull, ~0ull, ~0ull, {0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}},
      {0x299f31d0a4093822ull,
       0x85a308d3243f6a88ull,
       0x0370734413198a2eull,
       {0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}},
  };
  for (const Answer& answer : answers) {
    const Philox4 bits = philox(answer.key, answer.low, answer.high);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(bits.x[i], answer.expected[i]);
  }
}

TEST(Philox, StreamsOfOneSeedDiffer) {
  EXPECT_NE(stream_key(1, RandomStream::kUserTable), stream_key(1, RandomStream::kItemTable));
  EXPECT_NE(stream_key(1, RandomStream::kUserTable), stream_key(2, RandomStream::kUserTable));
}

TEST(Philox, LogAndCosineAreAccurate) {
  for (int i = 1; i < 4096; ++i) {
    const float u = (static_cast<float>(i) + 0.5f) / 4096.0f;
    EXPECT_NEAR(detail::log_unit(u), std::log(static_cast<double>(u)), 2e-5) << u;
    EXPECT_NEAR(detail::cos_turn(u), std::cos(2.0 * M_PI * u), 2e-6) << u;
  }
  const float smallest = to_unit_float(0);
  EXPECT_NEAR(detail::log_unit(smallest), std::log(static_cast<double>(smallest)), 2e-5);
  EXPECT_LT(to_unit_float(~0u), 1.0f);
}

class Filling : public OnEveryBackend {};

TEST_P(Filling, NormalHasTheRightMomentsAndBits) {
  constexpr int64_t kCount = 1 << 20;
  Tensor<float> x(backend(), kCount);
  backend().fill_normal(x, 42, 0.01f);
  double sum = 0.0, squares = 0.0, fourth = 0.0;
  const std::vector<float> values = x.to_host();
  for (const float value : values) {
    const double z = value / 0.01;
    sum += z;
    squares += z * z;
    fourth += z * z * z * z;
  }
  // Standard errors: 1e-3, 1.4e-3, 1e-2; five of them.
  EXPECT_NEAR(sum / kCount, 0.0, 5e-3);
  EXPECT_NEAR(squares / kCount, 1.0, 7e-3);
  EXPECT_NEAR(fourth / kCount, 3.0, 5e-2);
  // The same bits on every device: pure IEEE operations of the counter.
  for (int64_t i = 0; i < kCount; i += 1001)
    EXPECT_EQ(values[i], 0.01f * random_normal(42, static_cast<uint64_t>(i)));
}

TEST_P(Filling, UniformStaysInside) {
  Tensor<float> x(backend(), 100'003);
  backend().fill_uniform(x, 7, -0.25f, 0.75f);
  double sum = 0.0;
  for (const float value : x.to_host()) {
    ASSERT_GT(value, -0.25f);
    ASSERT_LT(value, 0.75f);
    sum += value;
  }
  EXPECT_NEAR(sum / 100'003, 0.25, 5 * 0.2887 / std::sqrt(100'003.0));
}

MGQE_ON_EVERY_BACKEND(Filling);

}  // namespace
}  // namespace mgqe::testing
