// GMF forward and backward against double loops.
#include "tests/kernels/kernel_testing.hpp"
// Kernel bodies come after the harness.
#include "cuda/gmf_kernel.cuh"
#include "cuda/reduce_kernel.cuh"

namespace mgqe {
namespace {

constexpr int64_t kUsers = 13, kItems = 17;

struct Problem {
  int64_t lookups, d;
  Buffer<float> user_rows, item_rows, weights, logit_gradient;
  Buffer<int32_t> user_index, item_index;

  Problem(int64_t lookups, int64_t d, bool whole)
      : lookups(lookups),
        d(d),
        user_rows(numbers(whole, kUsers * d, 1), d),
        item_rows(numbers(whole, kItems * d, 2), d),
        weights(numbers(whole, d + 1, 3)),
        logit_gradient(numbers(whole, lookups, 4)),
        user_index(testing::Random(5).integers<int32_t>(lookups, 0, kUsers - 1)),
        item_index(testing::Random(6).integers<int32_t>(lookups, 0, kItems - 1)) {}
  static std::vector<float> numbers(bool whole, int64_t n, uint64_t seed) {
    testing::Random random(seed);
    return whole ? random.integers<float>(n, -5, 5) : random.normals(n);
  }
  Lookup users() const { return {user_rows, user_index}; }
  Lookup items() const { return {item_rows, item_index}; }
  double p(int64_t b, int64_t c) const { return user_rows.row(user_index[b])[c]; }
  double q(int64_t b, int64_t c) const { return item_rows.row(item_index[b])[c]; }
};

void expect_forward(const Problem& problem, bool exact) {
  for (const uint64_t seed : kScheduleSeeds) {
    const Buffer<float> logits(problem.lookups);
    simt::launch(2, kGmfThreads, 0, seed, gmf_forward_kernel, problem.users(), problem.items(),
                 problem.weights.view(), logits.view());
    for (int64_t b = 0; b < problem.lookups; ++b) {
      double logit = problem.weights[problem.d], magnitude = std::abs(logit);
      for (int64_t c = 0; c < problem.d; ++c) {
        const double term = problem.weights[c] * problem.p(b, c) * problem.q(b, c);
        logit += term;
        magnitude += std::abs(term);
      }
      ASSERT_NEAR(logits[b], logit, exact ? 0.0 : rounding_bound(problem.d + 1, magnitude))
          << "look-up " << b;
    }
  }
}

void expect_backward(const Problem& problem, int64_t per_chunk, bool exact) {
  const int64_t d = problem.d, B = problem.lookups;
  const int64_t chunks = (B + per_chunk - 1) / per_chunk;
  std::vector<float> first_run;
  for (const uint64_t seed : kScheduleSeeds) {
    const Buffer<float> users(B, d), items(B, d), partials(chunks, d + 1), weights(d + 1);
    simt::launch(dim3(static_cast<unsigned>(chunks), blocks_of(d + 1, kWarpSize)), kGmfThreads, 0,
                 seed, gmf_backward_kernel, problem.users(), problem.items(),
                 problem.weights.view(), problem.logit_gradient.view(), per_chunk,
                 GmfGradients{users.view(), items.view(), partials.data()});
    simt::launch(1, kSumColumns * kSumSlices, 0, seed, sum_chunks_kernel, partials.data(),
                 ChunkCount{chunks}, SumTargets{{weights.data()}, weights.size()});
    for (int64_t c = 0; c <= d; ++c) {
      double sum = 0, magnitude = 0;
      for (int64_t b = 0; b < B; ++b) {
        const double g = problem.logit_gradient[b];
        const double term = c == d ? g : g * problem.p(b, c) * problem.q(b, c);
        sum += term;
        magnitude += std::abs(term);
        if (c == d) continue;
        const double user = g * problem.weights[c] * problem.q(b, c);
        const double item = g * problem.weights[c] * problem.p(b, c);
        ASSERT_NEAR(users.row(b)[c], user, exact ? 0.0 : rounding_bound(1, std::abs(user)));
        ASSERT_NEAR(items.row(b)[c], item, exact ? 0.0 : rounding_bound(1, std::abs(item)));
      }
      ASSERT_NEAR(weights[c], sum, exact ? 0.0 : rounding_bound(B, magnitude)) << "weight " << c;
    }
    if (first_run.empty()) first_run = weights.values();
    expect_same_bits(weights.values(), first_run);
  }
}

TEST(GmfKernels, MatchDoubles) {
  for (const int64_t lookups : {1, 15, 16, 17, 100})
    for (const int64_t d : {1, 8, 31, 32, 33, 64, 100})
      for (const bool whole : {true, false}) {
        SCOPED_TRACE(::testing::Message() << lookups << " look-ups, d " << d);
        const Problem problem(lookups, d, whole);
        expect_forward(problem, whole);
        expect_backward(problem, 16, whole);
      }
}

TEST(GmfKernels, ChunksMayBeShorterThanABlockHasWarps) {
  for (const int64_t per_chunk : {1, 3, 5, 40})
    expect_backward(Problem(42, 33, true), per_chunk, true);
}

}  // namespace
}  // namespace mgqe
