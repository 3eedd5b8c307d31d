// Product quantization on every back end against naive loops in double.
#include <gtest/gtest.h>

#include "tests/support/reference.hpp"
#include "tests/support/scale.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

Tiers tiers_of(const std::vector<int64_t>& ends, const std::vector<int>& centroids) {
  Tiers tiers;
  tiers.count = static_cast<int>(ends.size());
  for (int i = 0; i < tiers.count; ++i) {
    tiers.end[i] = ends[i];
    tiers.centroids[i] = centroids[i];
  }
  return tiers;
}

struct Shape {
  int rows, dim, subspaces, centroids;
};

class Quantize : public OnEveryBackend {
 protected:
  struct Assigned {
    std::vector<uint8_t> codes;
    std::vector<float> decoded, errors;
  };

  Assigned assign(const std::vector<float>& queries, const std::vector<float>& codebook, int dim,
                  int subspaces, const Tiers& tiers, RowSet rows, int64_t count) {
    const Tensor<float> e = tensor(queries, dim), c = tensor(codebook, dim);
    Tensor<float> norms = poisoned<float>(c.rows(), subspaces);
    Tensor<uint8_t> codes = poisoned<uint8_t>(count, subspaces);
    Tensor<float> decoded = poisoned<float>(count, dim), errors = poisoned<float>(count);
    backend().half_norms(c, subspaces, norms);
    backend().assign(e, rows, c, norms, tiers, codes, decoded, errors);
    return {codes.to_host(), decoded.to_host(), errors.to_host()};
  }
};

// Small integers make every distance exact in float, so codes must match to the last one, ties
// included.
TEST_P(Quantize, CodesAreExactOnIntegers) {
  Random random(5);
  for (const Shape s : {Shape{100, 64, 32, 256}, Shape{33, 64, 8, 256}, Shape{1, 64, 16, 64},
                        Shape{257, 16, 16, 7}, Shape{70, 12, 4, 5}, Shape{65, 64, 1, 255},
                        Shape{40, 64, 64, 2}, Shape{31, 8, 8, 1}, Shape{50, 48, 3, 100}}) {
    const auto queries = random.integers<float>(s.rows * s.dim, -3, 3);
    const auto codebook = random.integers<float>(s.centroids * s.dim, -3, 3);
    const int head = (s.rows + 2) / 3, small = (s.centroids + 1) / 2;
    const Tiers tiers = tiers_of({head, s.rows}, {s.centroids, small});
    const Assigned got =
        assign(queries, codebook, s.dim, s.subspaces, tiers, RowSet::range(0, s.rows), s.rows);
    const auto e = reference::widen(queries), c = reference::widen(codebook);
    const int w = s.dim / s.subspaces;
    for (int r = 0; r < s.rows; ++r) {
      double error = 0.0;
      for (int j = 0; j < s.subspaces; ++j) {
        const int limit = r < head ? s.centroids : small;
        const int expected = reference::nearest(&e[r * s.dim], c, limit, s.dim, j, w);
        ASSERT_EQ(got.codes[r * s.subspaces + j], expected)
            << "row " << r << " subspace " << j << " of d=" << s.dim << " D=" << s.subspaces;
        for (int q = j * w; q < (j + 1) * w; ++q)
          ASSERT_EQ(got.decoded[r * s.dim + q], codebook[expected * s.dim + q]);
        error += reference::squared_distance(&e[r * s.dim], &c[expected * s.dim], j, w);
      }
      ASSERT_EQ(got.errors[r], static_cast<float>(error));
    }
  }
}

// On real numbers a near-tie may fall either way; what counts is that the chosen centroid is as
// near as the nearest, within the rounding of the canonical score.
TEST_P(Quantize, RegretIsWithinRounding) {
  Random random(6);
  const int rows = 500, dim = 64, subspaces = 16, centroids = 256, w = 4;
  const auto queries = random.normals(rows * dim), codebook = random.normals(centroids * dim);
  const Tiers tiers = tiers_of({50, rows}, {256, 64});
  const Assigned got =
      assign(queries, codebook, dim, subspaces, tiers, RowSet::range(0, rows), rows);
  const auto e = reference::widen(queries), c = reference::widen(codebook);
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < subspaces; ++j) {
      const int limit = r < 50 ? 256 : 64, code = got.codes[r * subspaces + j];
      ASSERT_LT(code, limit);
      const int best = reference::nearest(&e[r * dim], c, limit, dim, j, w);
      const double regret = reference::squared_distance(&e[r * dim], &c[code * dim], j, w) -
                            reference::squared_distance(&e[r * dim], &c[best * dim], j, w);
      // The score sums w + 1 terms of magnitude up to about 16.
      ASSERT_LE(regret, 16 * 2 * sum_tolerance(w + 1));
    }
}

TEST_P(Quantize, CodesAreTheCanonicalArgminToTheBit) {
  Random random(7);
  const int rows = 200, dim = 24, subspaces = 8, centroids = 200, w = 3;
  const auto queries = random.normals(rows * dim), codebook = random.normals(centroids * dim);
  const Assigned got = assign(queries, codebook, dim, subspaces, tiers_of({rows}, {centroids}),
                              RowSet::range(0, rows), rows);
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < subspaces; ++j) {
      int best = 0;
      float best_score = INFINITY;
      for (int k = 0; k < centroids; ++k) {
        const float* c = &codebook[k * dim + j * w];
        float half = 0.0f;
        for (int q = 0; q < w; ++q) half = std::fma(c[q], c[q], half);
        float score = 0.5f * half;
        for (int q = 0; q < w; ++q) score = std::fma(-queries[r * dim + j * w + q], c[q], score);
        if (score < best_score) {
          best_score = score;
          best = k;
        }
      }
      ASSERT_EQ(got.codes[r * subspaces + j], best);
    }
}

// Enough rows for the widest tiles of a GPU, tiers that end inside tiles and chunks, rows of a tier
// that this codebook does not serve. Few distinct components make ties.
TEST_P(Quantize, ManyRowsHaveTheCanonicalCodes) {
  Random random(17);
  const int third = static_cast<int>(scaled(90'001, 9'001));
  const int rows = 3 * third + 10'000, centroids = 40;
  const Tiers tiers = tiers_of({1000, third, third + 1, 3 * third, rows}, {40, 17, 0, 5, 1});
  for (const auto& [dim, subspaces] : {std::pair(8, 8), {8, 4}, {8, 2}, {8, 1}, {16, 1}, {3, 1}}) {
    const int w = dim / subspaces;
    const auto queries = random.integers<float>(rows * dim, -2, 2);
    auto codebook = random.normals(centroids * dim);
    std::copy_n(codebook.begin(), 10 * dim, codebook.begin() + 21 * dim);
    std::vector<float> halves(centroids * subspaces);
    for (int i = 0; i < centroids * subspaces; ++i)
      halves[i] = half_squared_norm(&codebook[i / subspaces * dim + i % subspaces * w], w);
    const Assigned got =
        assign(queries, codebook, dim, subspaces, tiers, RowSet::range(0, rows), rows);
    for (int64_t r = 0; r < rows; ++r)
      for (int j = 0; j < subspaces; ++j) {
        int best = tiers.limit(r) == 0 ? 0xFF : 0;  // poison where the row is left alone
        float best_score = INFINITY;
        for (int k = 0; k < tiers.limit(r); ++k) {
          const float score = centroid_score(&queries[r * dim + j * w], &codebook[k * dim + j * w],
                                             halves[k * subspaces + j], w);
          if (score < best_score) best = k, best_score = score;
        }
        ASSERT_EQ(got.codes[r * subspaces + j], best)
            << "row " << r << ", subspace " << j << " of d=" << dim << " D=" << subspaces;
      }
  }
}

TEST_P(Quantize, NoRowsAndAMillionOfThem) {
  const int dim = 2, centroids = 3, million = static_cast<int>(scaled((1 << 20) + 7, 1 << 16));
  Random random(18);
  const auto codebook = random.integers<float>(centroids * dim, -3, 3);
  for (const int rows : {0, 1, 2, million}) {
    const auto queries = random.integers<float>(std::max(rows, 1) * dim, -3, 3);
    const Assigned got =
        assign(queries, codebook, dim, 1, tiers_of({std::max(rows, 1)}, {centroids}),
               RowSet::range(0, rows), std::max(rows, 1));
    const auto e = reference::widen(queries), c = reference::widen(codebook);
    int wrong = 0;
    for (int r = 0; r < rows; ++r)
      wrong += got.codes[r] != reference::nearest(&e[r * dim], c, centroids, dim, 0, dim);
    EXPECT_EQ(wrong, 0) << rows << " rows";
  }
}

TEST_P(Quantize, FollowsIdsAndLeavesOtherOutputsAlone) {
  Random random(8);
  const int dim = 8, subspaces = 4;
  const auto queries = random.integers<float>(30 * dim, -3, 3);
  const auto codebook = random.integers<float>(16 * dim, -3, 3);
  const Tiers tiers = tiers_of({3, 30}, {16, 4});
  const Tensor<int32_t> ids = tensor<int32_t>({1, 2, 5, 29, 7, 7}), count = tensor<int32_t>({4});
  const Assigned got =
      assign(queries, codebook, dim, subspaces, tiers, RowSet{ids.data(), count.data(), 0, 6}, 6);
  const auto e = reference::widen(queries), c = reference::widen(codebook);
  const std::vector<int> expected_rows = {1, 2, 5, 29};
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < subspaces; ++j)
      EXPECT_EQ(got.codes[i * subspaces + j],
                reference::nearest(&e[expected_rows[i] * dim], c, expected_rows[i] < 3 ? 16 : 4,
                                   dim, j, 2));
  for (int i = 4; i < 6; ++i) EXPECT_EQ(got.codes[i * subspaces], 0xFF) << "beyond count";
}

// A private codebook is a Tiers in which the other tiers have no centroids.
TEST_P(Quantize, RowsOfTiersWithoutCentroidsAreLeftAlone) {
  Random random(11);
  const int rows = 90, dim = 12, centroids = 20;
  const Tiers tiers = tiers_of({10, 50, 80, rows}, {0, centroids, 0, 7});
  for (const int subspaces : {12, 6, 4, 3}) {
    const auto queries = random.integers<float>(rows * dim, -3, 3);
    const auto codebook = random.integers<float>(centroids * dim, -3, 3);
    const Tensor<float> device_queries = tensor(queries, dim),
                        centroid_rows = tensor(codebook, dim);
    Tensor<float> norms(backend(), centroids, subspaces), errors = poisoned<float>(rows);
    // Of another codebook: an error computed from it would be a number.
    const std::vector<float> untouched(rows * dim, 77.0f);
    Tensor<float> decoded = tensor(untouched, dim);
    Tensor<uint8_t> codes = poisoned<uint8_t>(rows, subspaces);
    backend().half_norms(centroid_rows, subspaces, norms);
    backend().assign(device_queries, RowSet::range(0, rows), centroid_rows, norms, tiers, codes,
                     decoded, errors);
    const auto got_codes = codes.to_host();
    const auto got_decoded = decoded.to_host(), got_errors = errors.to_host();
    const auto e = reference::widen(queries), c = reference::widen(codebook);
    for (int r = 0; r < rows; ++r) {
      const bool skipped = r < 10 || (r >= 50 && r < 80);
      ASSERT_EQ(std::isnan(got_errors[r]), skipped) << "row " << r;
      for (int j = 0; j < subspaces; ++j) {
        const int width = dim / subspaces, limit = r < 50 ? centroids : 7;
        const int best = reference::nearest(&e[r * dim], c, limit, dim, j, width);
        ASSERT_EQ(got_codes[r * subspaces + j], skipped ? 0xFF : best) << "row " << r;
        ASSERT_EQ(got_decoded[r * dim + j * width],
                  skipped ? 77.0f : codebook[best * dim + j * width])
            << "row " << r;
      }
    }
  }
}

TEST_P(Quantize, CodebookGradientSkipsRowsOfTiersWithoutCentroids) {
  Random random(12);
  const int rows = 40, dim = 8, subspaces = 4, centroids = 6, head = 15;
  const std::vector<int32_t> lookups = {3, 39, 14, 15, 3, 20, 20, 0};
  const auto queries = random.integers<float>(rows * dim, -3, 3);
  const auto codebook = random.integers<float>(centroids * dim, -3, 3);
  const Tensor<float> e = tensor(queries, dim), c = tensor(codebook, dim);
  const Tensor<int32_t> ids = tensor(lookups);
  const int64_t n = ids.rows();
  Tensor<int32_t> unique_ids(backend(), n), offsets(backend(), n + 1), order(backend(), n),
      inverse(backend(), n), count(backend(), 1);
  const UniqueIds unique{unique_ids, offsets, order, inverse, count};
  backend().deduplicate(ids, rows, unique);
  Tensor<uint8_t> codes(backend(), n, subspaces);  // skipped rows keep code 0
  Tensor<float> gradient = poisoned<float>(centroids, dim), norms(backend(), centroids, subspaces),
                decoded(backend(), n, dim);
  const Tiers tiers = tiers_of({head, rows}, {0, centroids});
  backend().half_norms(c, subspaces, norms);
  backend().assign(e, RowSet::of(unique), c, norms, tiers, codes, decoded, {});
  backend().codebook_gradient(e, unique, tiers, codes, c, 1.0f, gradient);
  const auto by_unique = codes.to_host();
  const auto numbers = inverse.to_host();
  std::vector<double> expected(centroids * dim, 0.0);
  for (size_t b = 0; b < lookups.size(); ++b)
    for (int q = 0; q < dim && lookups[b] >= head; ++q) {
      const int k = by_unique[numbers[b] * subspaces + q / 2];
      expected[k * dim + q] += codebook[k * dim + q] - queries[lookups[b] * dim + q];
    }
  const auto got = gradient.to_host();
  for (size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i], expected[i]) << i;
}

TEST_P(Quantize, CodebookGradientMatchesFiniteDifferences) {
  Random random(9);
  const int rows = 12, dim = 6, subspaces = 3, centroids = 5;
  const std::vector<int32_t> lookups = {3, 1, 3, 3, 11, 0, 1, 7};
  const auto queries = random.normals(rows * dim), codebook = random.normals(centroids * dim);
  const Tensor<float> e = tensor(queries, dim), c = tensor(codebook, dim);
  const Tensor<int32_t> ids = tensor(lookups);
  const int64_t n = ids.rows();
  Tensor<int32_t> unique_ids(backend(), n), offsets(backend(), n + 1), order(backend(), n),
      inverse(backend(), n), count(backend(), 1);
  const UniqueIds unique{unique_ids, offsets, order, inverse, count};
  backend().deduplicate(ids, rows, unique);
  Tensor<float> norms(backend(), centroids, subspaces), decoded(backend(), n, dim);
  Tensor<uint8_t> codes(backend(), n, subspaces);
  Tensor<float> gradient = poisoned<float>(centroids, dim);
  backend().half_norms(c, subspaces, norms);
  backend().assign(e, RowSet::of(unique), c, norms, tiers_of({rows}, {centroids}), codes, decoded,
                   {});
  backend().codebook_gradient(e, unique, tiers_of({rows}, {centroids}), codes, c,
                              2.0f / static_cast<float>(n * dim), gradient);

  const auto by_unique = codes.to_host();
  std::vector<uint8_t> by_lookup;
  for (const int32_t u : inverse.to_host())
    by_lookup.insert(by_lookup.end(), &by_unique[u * subspaces], &by_unique[(u + 1) * subspaces]);
  const auto wide_queries = reference::widen(queries);
  auto wide_codebook = reference::widen(codebook);
  const auto got = gradient.to_host();
  for (size_t i = 0; i < got.size(); ++i) {
    const double expected = reference::finite_difference(wide_codebook, i, [&] {
      return reference::codebook_loss(wide_queries, wide_codebook, dim, subspaces, lookups,
                                      by_lookup);
    });
    EXPECT_NEAR(got[i], expected, 4 * sum_tolerance(n)) << i;
  }
}

TEST_P(Quantize, PackedCodesDecodeToTheirCentroids) {
  Random random(10);
  for (const int bits : {0, 1, 3, 4, 5, 6, 7, 8})
    for (const int subspaces : {1, 3, 4, 8, 5}) {
      const int rows = 37, dim = subspaces * 2, centroids = 1 << bits;
      const auto codes = random.integers<uint8_t>(rows * subspaces, 0, centroids - 1);
      const auto codebook = random.normals(centroids * dim);
      const int64_t row_bytes = packed_row_bytes(subspaces, bits);
      Tensor<uint8_t> packed = poisoned<uint8_t>(rows, std::max<int64_t>(row_bytes, 1));
      if (bits > 0) backend().pack_codes(tensor(codes, subspaces), bits, packed);
      // The bit string itself, little-endian.
      const auto bytes = packed.to_host();
      for (int r = 0; r < rows && bits > 0; ++r)
        for (int64_t bit = 0; bit < row_bytes * 8; ++bit) {
          const int64_t j = bit / bits;
          const int expected = j < subspaces ? codes[r * subspaces + j] >> (bit % bits) & 1 : 0;
          ASSERT_EQ(bytes[r * row_bytes + bit / 8] >> (bit % 8) & 1, expected);
        }
      Tensor<float> decoded = poisoned<float>(rows, dim);
      backend().decode(packed, bits, subspaces, tensor(codebook, dim), decoded);
      const auto got = decoded.to_host();
      for (int r = 0; r < rows; ++r)
        for (int c = 0; c < dim; ++c)
          ASSERT_EQ(got[r * dim + c], codebook[codes[r * subspaces + c / 2] * dim + c])
              << "bits " << bits << " D " << subspaces;
    }
}

TEST_P(Quantize, CodesAreCountedBySubspace) {
  Random random(12);
  constexpr int kRows = 5000, kSubspaces = 6, kCentroids = 9;
  const auto codes = random.integers<uint8_t>(kRows * kSubspaces, 0, kCentroids);  // one too many
  std::vector<int32_t> expected(kSubspaces * kCentroids, 2);
  Tensor<int32_t> counts = tensor(expected, kCentroids);  // chunks add to those before
  for (int i = 0; i < kRows * kSubspaces; ++i)
    if (codes[i] < kCentroids) ++expected[i % kSubspaces * kCentroids + codes[i]];
  backend().count_codes(tensor(codes, kSubspaces), counts);
  EXPECT_EQ(counts.to_host(), expected);
}

MGQE_ON_EVERY_BACKEND(Quantize);

TEST(CodeBits, IsTheCeilingOfLog2) {
  EXPECT_EQ(code_bits(1), 0);
  EXPECT_EQ(code_bits(2), 1);
  EXPECT_EQ(code_bits(3), 2);
  EXPECT_EQ(code_bits(64), 6);
  EXPECT_EQ(code_bits(65), 7);
  EXPECT_EQ(code_bits(255), 8);
  EXPECT_EQ(code_bits(256), 8);
}

}  // namespace
}  // namespace mgqe::testing
