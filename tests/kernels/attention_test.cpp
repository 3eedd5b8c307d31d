// Attention and its gradients against double loops, on ragged sequences.
#include "tests/kernels/kernel_testing.hpp"
// Kernel bodies come after the harness.
#include "cuda/attention_any_kernel.cuh"

namespace mgqe {
namespace {

constexpr uint64_t kStep = 7;

/// What the op promises, in double.
struct Expected {
  std::vector<double> out, log_sums, q_gradient, k_gradient, v_gradient;
  double score_magnitude = 1.0;  // the largest sum of |q_c k_c| / sqrt(width), at least 1
};

struct Problem {
  int64_t d;
  int heads;
  Dropout dropout;
  std::vector<int32_t> starts;
  Buffer<int32_t> offsets;
  int64_t tokens, longest;
  Buffer<float> q, k, v, out_gradient;
  Buffer<StepState> state;

  Problem(const std::vector<int32_t>& lengths, int heads, int64_t width, float rate,
          float spread = 1.0f)
      : d(heads * width),
        heads(heads),
        dropout{0x1234567890ABCDEFull, rate},
        starts(starts_of(lengths)),
        offsets(starts),
        tokens(starts.back()),
        // Longer than any: what a caller promises is a bound.
        longest(*std::max_element(lengths.begin(), lengths.end()) + 3),
        q(testing::Random(1).normals(tokens * d, spread), d),
        k(testing::Random(2).normals(tokens * d, spread), d),
        v(testing::Random(3).normals(tokens * d), d),
        out_gradient(testing::Random(4).normals(tokens * d), d),
        state(1) {
    state[0].step = kStep;
  }
  static std::vector<int32_t> starts_of(const std::vector<int32_t>& lengths) {
    std::vector<int32_t> starts{0};
    for (const int32_t length : lengths) starts.push_back(starts.back() + length);
    return starts;
  }
  int64_t width() const { return d / heads; }
  AttentionInput input() const { return {q, k, v, heads}; }
  Sequences sequences() const { return {offsets, longest}; }
  dim3 grid(int tokens_per_block) const {
    return dim3(static_cast<unsigned>(starts.size() - 1), blocks_of(longest, tokens_per_block),
                static_cast<unsigned>(heads));
  }
  /// What dropout multiplies a weight with: read off the op's own words.
  double factor(int64_t t, int64_t head, int64_t key) const {
    if (dropout.rate == 0.0f) return 1.0;
    const uint64_t element = static_cast<uint64_t>((t * heads + head) * longest + key);
    return dropout_keeps(dropout_step_key(dropout.key, kStep), element, dropout.rate)
               ? 1.0 / (1.0 - static_cast<double>(dropout.rate))
               : 0.0;
  }
};

/// x[s] . y[t] over `width` columns.
double dot_of(const Buffer<float>& x, int64_t s, const Buffer<float>& y, int64_t t, int64_t first,
              int64_t width) {
  double sum = 0;
  for (int64_t c = first; c < first + width; ++c)
    sum += static_cast<double>(x.row(s)[c]) * y.row(t)[c];
  return sum;
}

/// Adds one query's share to everything expected: token t of a sequence that begins at `first`.
void add_query(const Problem& p, int64_t first, int64_t t, int64_t head, Expected& e) {
  const int64_t w = p.width(), column = head * w, keys = t - first + 1;
  const double scale = 1 / std::sqrt(static_cast<double>(w));
  std::vector<double> weights(keys), gradients(keys);
  double denominator = 0, row_dot = 0;
  for (int64_t s = 0; s < keys; ++s) {
    double magnitude = 0;
    for (int64_t c = column; c < column + w; ++c)
      magnitude += scale * std::abs(double{p.q.row(t)[c]} * p.k.row(first + s)[c]);
    e.score_magnitude = std::max(e.score_magnitude, magnitude);
    denominator += weights[s] = std::exp(scale * dot_of(p.q, t, p.k, first + s, column, w));
  }
  e.log_sums[t * p.heads + head] = std::log(denominator);
  for (int64_t s = 0; s < keys; ++s) {
    weights[s] /= denominator;
    gradients[s] = p.factor(t, head, s) * dot_of(p.out_gradient, t, p.v, first + s, column, w);
    row_dot += weights[s] * gradients[s];
  }
  for (int64_t s = 0; s < keys; ++s) {
    const double dropped = weights[s] * p.factor(t, head, s);
    const double score_gradient = scale * weights[s] * (gradients[s] - row_dot);
    for (int64_t c = column; c < column + w; ++c) {
      const int64_t query = t * p.d + c, key = (first + s) * p.d + c;
      e.out[query] += dropped * p.v[key];
      e.q_gradient[query] += score_gradient * p.k[key];
      e.k_gradient[key] += score_gradient * p.q[query];
      e.v_gradient[key] += dropped * p.out_gradient[query];
    }
  }
}

Expected expected_of(const Problem& p) {
  const size_t n = static_cast<size_t>(p.tokens * p.d);
  Expected e{std::vector<double>(n), std::vector<double>(static_cast<size_t>(p.tokens * p.heads)),
             std::vector<double>(n), std::vector<double>(n), std::vector<double>(n)};
  for (size_t b = 0; b + 1 < p.starts.size(); ++b)
    for (int64_t t = p.starts[b]; t < p.starts[b + 1]; ++t)
      for (int head = 0; head < p.heads; ++head) add_query(p, p.starts[b], t, head, e);
  return e;
}

/// A score's error is a relative error of its weight, and results are sums over keys or queries:
/// the bound of a sum of all their terms, at the largest score and the largest value expected.
void expect_close(const Problem& p, const Expected& e, const Buffer<float>& actual,
                  const std::vector<double>& expected, const char* what) {
  double largest = 1.0;
  for (const double value : expected) largest = std::max(largest, std::abs(value));
  const double bound = rounding_bound(p.width() + p.longest, largest * e.score_magnitude);
  ASSERT_EQ(actual.size(), static_cast<int64_t>(expected.size()));
  for (int64_t i = 0; i < actual.size(); ++i)
    ASSERT_NEAR(actual[i], expected[i], bound) << what << " " << i;
}

/// Forward and backward as the launchers run them; kWidth 0: the kernels for any width.
template <int kWidth>
std::vector<Buffer<float>> run(const Problem& p, uint64_t seed) {
  std::vector<Buffer<float>> r;  // out, log sums, gradients of q, k, v, row dots
  r.emplace_back(p.tokens, p.d);
  r.emplace_back(p.tokens, p.heads);
  for (int i = 0; i < 3; ++i) r.emplace_back(p.tokens, p.d);
  r.emplace_back(p.tokens, p.heads);
  const View<const StepState> state =
      p.dropout.rate == 0.0f ? View<const StepState>() : p.state.view();
  const AttentionBackwardArguments backward{
      p.input(), p.sequences(), p.dropout,      state,
      r[0],      r[1],          p.out_gradient, AttentionGradients{r[2], r[3], r[4]},
      r[5]};
  const auto launch = [&](int tokens, int threads, auto kernel, const auto&... arguments) {
    simt::launch(p.grid(tokens), static_cast<unsigned>(threads), 0, seed, kernel, arguments...);
  };
  if constexpr (kWidth == 0) {
    launch(kAnyWidthTokens, kAnyWidthThreads, attention_any_kernel, p.input(), p.sequences(),
           p.dropout, state, r[0].view(), r[1].view());
    launch(kAnyWidthTokens, kAnyWidthThreads, attention_any_query_gradient_kernel, backward);
    launch(kAnyWidthTokens, kAnyWidthThreads, attention_any_key_gradient_kernel, backward);
  } else {
    launch(kAttentionTile, kAttentionThreads, attention_kernel<kWidth>, p.input(), p.sequences(),
           p.dropout, state, r[0].view(), r[1].view());
    launch(kAttentionTile, kAttentionThreads, attention_query_gradient_kernel<kWidth>, backward);
    launch(kAttentionTile, kAttentionThreads, attention_key_gradient_kernel<kWidth>, backward);
  }
  return r;
}

template <int kWidth>
void expect_matches(const Problem& p) {
  const Expected expected = expected_of(p);
  std::vector<std::vector<float>> first_run;
  for (const uint64_t seed : kScheduleSeeds) {
    const std::vector<Buffer<float>> actual = run<kWidth>(p, seed);
    expect_close(p, expected, actual[0], expected.out, "out");
    expect_close(p, expected, actual[1], expected.log_sums, "log sum");
    expect_close(p, expected, actual[2], expected.q_gradient, "gradient of q");
    expect_close(p, expected, actual[3], expected.k_gradient, "gradient of k");
    expect_close(p, expected, actual[4], expected.v_gradient, "gradient of v");
    if (::testing::Test::HasFatalFailure()) return;
    if (first_run.empty())
      for (const Buffer<float>& result : actual) first_run.push_back(result.values());
    for (size_t i = 0; i < actual.size(); ++i) expect_same_bits(actual[i].values(), first_run[i]);
  }
}

const std::vector<int32_t> kRaggedLengths = {
    0, 1, kAttentionTile, 0, kAttentionTile - 1, 3 * kAttentionTile, kAttentionTile + 1, 5};

template <int kWidth>
void expect_ragged(const std::vector<int>& head_counts) {
  for (const int heads : head_counts)
    for (const float rate : {0.0f, 0.25f}) {
      SCOPED_TRACE(::testing::Message() << heads << " heads, dropout " << rate);
      expect_matches<kWidth>(Problem(kRaggedLengths, heads, kWidth, rate));
    }
}

TEST(AttentionKernels, Width16) { expect_ragged<16>({1, 2, 4}); }
TEST(AttentionKernels, Width32) { expect_ragged<32>({1, 2}); }
TEST(AttentionKernels, Width64) { expect_ragged<64>({1, 2}); }

TEST(AttentionKernels, AnyWidth) {
  struct Case {
    int64_t width;
    int heads;
    float rate;
  };
  for (const auto& [width, heads, rate] :
       {Case{1, 4, 0.0f}, Case{7, 2, 0.25f}, Case{33, 1, 0.25f}, Case{64, 1, 0.0f}}) {
    SCOPED_TRACE(::testing::Message() << "width " << width << ", " << heads << " heads");
    expect_matches<0>(Problem(kRaggedLengths, heads, width, rate));
  }
}

TEST(AttentionKernels, OfLastTokens) {
  for (const auto& [width, heads] : {std::pair{1, 4}, {7, 2}, {33, 1}, {64, 2}}) {
    SCOPED_TRACE(::testing::Message() << "width " << width << ", " << heads << " heads");
    const Problem p(kRaggedLengths, heads, width, 0.0f);
    const Expected all = expected_of(p);
    const auto sequences = static_cast<int64_t>(kRaggedLengths.size());
    Buffer<float> queries(sequences, p.d);
    std::vector<double> expected(static_cast<size_t>(sequences * p.d));
    for (int64_t b = 0; b < sequences; ++b) {
      const int64_t last = p.starts[b + 1] - 1;
      if (kRaggedLengths[b] == 0) continue;
      std::copy_n(p.q.row(last), p.d, queries.row(b));
      std::copy_n(&all.out[last * p.d], p.d, &expected[b * p.d]);
    }
    std::vector<float> first_run;
    for (const uint64_t seed : kScheduleSeeds) {
      Buffer<float> out(sequences, p.d);
      simt::launch(dim3(2), kAnyWidthThreads, 0, seed, attention_of_last_kernel,
                   AttentionInput{queries, p.k, p.v, heads}, p.sequences(), out.view());
      expect_close(p, all, out, expected, "out");
      if (first_run.empty()) first_run = out.values();
      expect_same_bits(out.values(), first_run);
    }
  }
}

/// Scores of several hundreds: exp overflows unless the running maximum is taken off, and the
/// maximum moves from tile to tile.
TEST(AttentionKernels, LargeScores) {
  const Problem problem({70, 3}, 1, 16, 0.0f, 10.0f);
  expect_matches<16>(problem);
  expect_matches<0>(problem);
}

}  // namespace
}  // namespace mgqe
