// What a back end says where it cannot: no memory left, arrays that overlap where they may not.
#include <limits>

#include "experiments/cli/cli.hpp"
#include "models/optim/unique_buffer.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

class Refusals : public OnEveryBackend {};

TEST_P(Refusals, AnArrayThatFindsNoRoom) {
#if MGQE_WITH_ASAN
  GTEST_SKIP() << "AddressSanitizer ends the process itself";
#endif
  constexpr int64_t kTooMany = int64_t{1} << 52;  // floats, as no machine has them
  try {
    const Tensor<float> x(backend(), kTooMany);
    FAIL() << "16 PiB were found";
  } catch (const DeviceError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find(std::to_string(kTooMany * 4) + " bytes"), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
  const Tensor<float> small(backend(), 10);  // the back end goes on
  EXPECT_EQ(small.to_host(), std::vector<float>(10, 0.0f));
}

TEST_P(Refusals, ACommitmentGradientOverWhatItReads) {
#ifdef NDEBUG
  GTEST_SKIP() << "only debug builds look";
#else
  const Tensor<int32_t> ids = tensor<int32_t>({0, 1, 0});
  UniqueBuffer buffer(backend(), 3);
  const UniqueIds unique = buffer.deduplicate(ids, 2);
  const Tensor<float> queries(backend(), 2, 4), gradient(backend(), 3, 4);
  Tensor<float> decoded(backend(), 3, 4), out(backend(), 3, 4);
  backend().commitment_gradient(queries, unique, decoded, gradient, 1.0f, out);
  backend().commitment_gradient(queries, unique, decoded, gradient, 1.0f, gradient);  // in place
  EXPECT_THROW(backend().commitment_gradient(queries, unique, decoded, gradient, 1.0f, decoded),
               Error);
#endif
}

MGQE_ON_EVERY_BACKEND(Refusals);

/// One line on stderr, and the exit code of what the user can mend.
TEST(ExitCodes, OfADeviceThatCannot) {
  const auto end_of = [](const std::function<void()>& body) {
    ::testing::internal::CaptureStderr();
    const int code = run_main("program", body);
    return std::pair(code, ::testing::internal::GetCapturedStderr());
  };
  EXPECT_EQ(end_of([] { throw DeviceError("the GPU\nhas failed"); }),
            std::pair(2, std::string("program: the GPU has failed\n")));
  EXPECT_EQ(end_of([] { throw InputError("wrong"); }),
            std::pair(2, std::string("program: wrong\n")));
  EXPECT_EQ(end_of([] { throw Error("a broken invariant"); }).first, 1);
  EXPECT_EQ(end_of([] { throw std::bad_alloc(); }),
            std::pair(2, std::string("program: no memory is left on this machine\n")));
  EXPECT_EQ(end_of([] {}), std::pair(0, std::string()));
}

}  // namespace
}  // namespace mgqe::testing
