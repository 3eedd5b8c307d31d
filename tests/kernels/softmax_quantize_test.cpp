// Backward of the softmax quantizer against its formula in double.
#include "tests/kernels/kernel_testing.hpp"
// Kernel bodies come after the harness.
#include "cuda/reduce_kernel.cuh"
#include "cuda/softmax_quantize_kernel.cuh"

namespace mgqe {
namespace {

struct Shape {
  int64_t lookups, subspaces, width, centroids, per_chunk;
  int64_t max_chunks = INT32_MAX;
};

struct Gradients {
  std::vector<double> queries, keys, offsets, values;  // by formula
  // Of the terms summed:
  std::vector<double> query_magnitude, key_magnitude, offset_magnitude, value_magnitude;
};

struct Problem {
  static constexpr int64_t kRows = 70;
  Shape shape;
  int64_t d;
  DistinctIds unique;
  Buffer<float> queries, keys, offsets, values, gradient;
  Buffer<uint8_t> codes;

  Problem(const Shape& shape, uint64_t seed)
      : shape(shape),
        d(shape.subspaces * shape.width),
        unique(testing::Random(seed).integers<int32_t>(shape.lookups, 0, kRows - 1)),
        queries(testing::Random(seed + 1).normals(kRows * d), d),
        keys(testing::Random(seed + 2).normals(shape.centroids * d), d),
        offsets(testing::Random(seed + 6).normals(shape.centroids * shape.subspaces),
                shape.subspaces),
        values(testing::Random(seed + 3).normals(shape.centroids * d), d),
        gradient(testing::Random(seed + 4).normals(shape.lookups * d), d),
        codes(testing::Random(seed + 5).integers<uint8_t>(shape.lookups * shape.subspaces, 0,
                                                          static_cast<int>(shape.centroids) - 1),
              shape.subspaces) {
    const auto count = static_cast<int64_t>(unique.lookups().size());
    std::fill(codes.row(count), codes.data() + codes.size(), uint8_t{255});
    std::fill(gradient.row(count), gradient.data() + gradient.size(), NAN);
  }
  SoftmaxRows rows() const {
    return {queries.view(), RowSet::of(unique.view()), codes.view(), gradient.view()};
  }

  Gradients expected() const {
    const int64_t w = shape.width, K = shape.centroids;
    Gradients out;
    out.queries.resize(shape.lookups * d);
    out.keys.resize(K * d);
    out.offsets.resize(K * shape.subspaces);
    out.values.resize(K * d);
    out.query_magnitude = out.queries, out.key_magnitude = out.keys;
    out.offset_magnitude = out.offsets, out.value_magnitude = out.values;
    int64_t i = 0;
    for (const auto& [id, lookups] : unique.lookups()) {
      for (int64_t j = 0; j < shape.subspaces; ++j) add(out, i, id, j, w, K);
      ++i;
    }
    return out;
  }
  void add(Gradients& out, int64_t i, int64_t id, int64_t j, int64_t w, int64_t K) const {
    std::vector<double> p(K), slope(K);
    double total = 0, mean = 0, size = 0;
    for (int64_t k = 0; k < K; ++k) {
      double score = -offsets.row(k)[j];
      for (int64_t c = j * w; c < (j + 1) * w; ++c) {
        score += double{queries.row(id)[c]} * keys.row(k)[c];
        slope[k] += double{gradient.row(i)[c]} * values.row(k)[c];
      }
      p[k] = std::exp(score);
      total += p[k];
      size = std::max(size, std::abs(slope[k]));
    }
    for (int64_t k = 0; k < K; ++k) mean += (p[k] /= total) * slope[k];
    for (int64_t k = 0; k < K; ++k) {
      const double s = p[k] * (slope[k] - mean);
      // The difference is of terms as large as the largest slope.
      const double magnitude = 2 * p[k] * size;
      out.offsets[k * shape.subspaces + j] -= s;
      out.offset_magnitude[k * shape.subspaces + j] += magnitude;
      for (int64_t c = j * w; c < (j + 1) * w; ++c) {
        const double e = queries.row(id)[c];
        out.queries[i * d + c] += s * keys.row(k)[c];
        out.query_magnitude[i * d + c] += magnitude * std::abs(keys.row(k)[c]);
        out.keys[k * d + c] += s * e;
        out.key_magnitude[k * d + c] += magnitude * std::abs(e);
        if (codes.row(i)[j] != k) continue;
        out.values[k * d + c] += gradient.row(i)[c];
        out.value_magnitude[k * d + c] += std::abs(gradient.row(i)[c]);
      }
    }
  }
};

struct Result {
  std::vector<float> queries, keys, offsets, values;
};

template <int kColumns>
Result run(const Problem& problem, uint64_t seed) {
  const Shape& s = problem.shape;
  const int64_t chunks = std::min(s.max_chunks, (s.lookups + s.per_chunk - 1) / s.per_chunk);
  const int64_t d = problem.d;
  const ChunkCount live{chunks, problem.unique.view().count.data, s.per_chunk, s.max_chunks};
  const Buffer<float> queries(s.lookups, d), keys(s.centroids, d),
      offsets(s.centroids, s.subspaces), values(s.centroids, d);
  const Buffer<float> by_keys(chunks * s.centroids, d),
      by_offsets(chunks * s.centroids, s.subspaces), by_values(chunks * s.centroids, d);
  const Buffer<SoftmaxStatistics> statistics(s.lookups * s.subspaces);
  const SoftmaxKeys scored{problem.keys.view(), problem.offsets.view()};
  simt::launch(2, kSoftmaxThreads, 0, seed, softmax_query_gradient_kernel, problem.rows(), scored,
               View<const float>(problem.values), queries.view(), statistics.data());
  simt::launch(dim3(static_cast<unsigned>(chunks),
                    static_cast<unsigned>(s.subspaces) * blocks_of(s.width, kColumns)),
               kSoftmaxCodebookThreads, 0, seed, softmax_codebook_gradient_kernel<kColumns>,
               problem.rows(), scored, View<const float>(problem.values), statistics.data(), live,
               SoftmaxPartials{by_keys.data(), by_offsets.data(), by_values.data()});
  const auto sum = [&](const Buffer<float>& partials, const Buffer<float>& out) {
    simt::launch(2, kSumColumns * kSumSlices, 0, seed, sum_chunks_kernel, partials.data(), live,
                 SumTargets{{out.data()}, out.size()});
  };
  sum(by_keys, keys);
  sum(by_offsets, offsets);
  sum(by_values, values);
  return {queries.values(), keys.values(), offsets.values(), values.values()};
}

void expect_near(const std::vector<float>& actual, const std::vector<double>& expected,
                 const std::vector<double>& magnitude, int64_t terms, size_t size) {
  for (size_t i = 0; i < size; ++i)
    ASSERT_NEAR(actual[i], expected[i], rounding_bound(terms, magnitude[i]) + 1e-30)
        << "element " << i;
}

constexpr Shape kShapes[] = {
    {1, 1, 1, 1, 32},     {40, 8, 2, 256, 32}, {90, 3, 5, 33, 7},
    {60, 2, 16, 64, 300}, {30, 1, 37, 255, 9}, {200, 2, 4, 16, 7, 5},
};

template <int kColumns>
void expect_gradients() {
  for (const Shape& shape : kShapes) {
    SCOPED_TRACE(::testing::Message() << "w " << shape.width << ", K " << shape.centroids);
    const Problem problem(shape, 20 + shape.width);
    const Gradients expected = problem.expected();
    const size_t live = problem.unique.lookups().size() * problem.d;
    Result first;
    for (const uint64_t seed : kScheduleSeeds) {
      const Result got = run<kColumns>(problem, seed);
      // A weight p carries the rounding of a score of w products, of its exponential, and of the
      // sum over K; scores here are below 20 or so in magnitude.
      const int64_t weight_terms = 20 * (shape.width + 4) + shape.centroids;
      expect_near(got.queries, expected.queries, expected.query_magnitude,
                  weight_terms + shape.centroids, live);
      expect_near(got.keys, expected.keys, expected.key_magnitude, weight_terms + shape.lookups,
                  expected.keys.size());
      expect_near(got.offsets, expected.offsets, expected.offset_magnitude,
                  weight_terms + shape.lookups, expected.offsets.size());
      expect_near(got.values, expected.values, expected.value_magnitude, shape.lookups,
                  expected.values.size());
      for (size_t i = live; i < got.queries.size(); ++i)
        ASSERT_TRUE(std::isnan(got.queries[i])) << "past the count";
      if (first.keys.empty()) first = got;
      expect_same_bits(got.keys, first.keys);
      expect_same_bits(got.offsets, first.offsets);
      expect_same_bits(got.queries, first.queries);
      expect_same_bits(got.values, first.values);
    }
  }
}

TEST(SoftmaxKernels, GradientsFollowTheFormula) { expect_gradients<4>(); }
TEST(SoftmaxKernels, GradientsFollowTheFormulaInWideSlabs) { expect_gradients<16>(); }

TEST(ExpNotPositive, IsWithinTwoUlp) {
  for (double x = 0.0; x > -87.0; x -= 0.00137) {
    const float y = exp_not_positive(static_cast<float>(x));
    const double expected = std::exp(double{static_cast<float>(x)});
    ASSERT_NEAR(y, expected, 2 * 0x1p-23 * expected) << x;
  }
  EXPECT_EQ(exp_not_positive(0.0f), 1.0f);
  EXPECT_LT(exp_not_positive(-INFINITY), 2e-38f);
}

}  // namespace
}  // namespace mgqe
