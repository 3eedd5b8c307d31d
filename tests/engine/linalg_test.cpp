// Matrix products and column sums on every back end against naive loops in double, and the promise
// that ranking's ties rest on: equal rows and columns of a product give equal bits wherever they
// stand.
#include <cstring>
#include <tuple>

#include "host/base/parallel.hpp"
#include "tests/support/reference.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

struct Shape {
  int64_t m, n, k;
};

/// (rows, cols), or its transpose, of a matrix given row by row.
std::vector<float> stored(const std::vector<float>& matrix, int64_t rows, int64_t cols,
                          bool transposed) {
  if (!transposed) return matrix;
  std::vector<float> flipped(matrix.size());
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < cols; ++c) flipped[c * rows + r] = matrix[r * cols + c];
  return flipped;
}

class Linalg : public OnEveryBackend {
 protected:
  /// a (m, k) b (k, n), stored transposed where asked for, into `out` (added to unless empty).
  std::vector<float> product(const Shape& s, const std::vector<float>& a,
                             const std::vector<float>& b, bool flip_a, bool flip_b,
                             const std::vector<float>& out = {}) {
    const Tensor<float> x = tensor(stored(a, s.m, s.k, flip_a), flip_a ? s.m : s.k);
    const Tensor<float> y = tensor(stored(b, s.k, s.n, flip_b), flip_b ? s.k : s.n);
    Tensor<float> c = out.empty() ? poisoned<float>(s.m, s.n) : tensor(out, s.n);
    backend().matmul(flip_a ? transposed(x) : Operand(x), flip_b ? transposed(y) : Operand(y), c,
                     !out.empty());
    return c.to_host();
  }
};

TEST_P(Linalg, ProductsMatchNaiveLoops) {
  Random random(1);
  // The last four: k cut in chunks, rows cut over threads, columns cut over threads, k in blocks.
  for (const Shape s : {Shape{1, 1, 1},
                        {1, 5, 3},
                        {7, 1, 9},
                        {6, 16, 4},
                        {13, 33, 17},
                        {48, 64, 64},
                        {50, 65, 63},
                        {97, 20, 128},
                        {37, 64, 2111},
                        {1003, 64, 64},
                        {3, 1500, 70},
                        {300, 129, 1100}}) {
    const auto a = random.normals(s.m * s.k), b = random.normals(s.k * s.n),
               before = random.normals(s.m * s.n);
    std::vector<double> expected(before.size(), 0.0);
    for (int64_t i = 0; i < s.m; ++i)
      for (int64_t c = 0; c < s.n; ++c)
        for (int64_t q = 0; q < s.k; ++q)
          expected[i * s.n + c] += static_cast<double>(a[i * s.k + q]) * b[q * s.n + c];
    // Products of normals: their rounding errors grow as the partial sums, up to about sqrt(k).
    const double tolerance = 4 * sum_tolerance(s.k + 4);
    for (const bool flip_a : {false, true})
      for (const bool flip_b : {false, true}) {
        const auto fresh = product(s, a, b, flip_a, flip_b);
        const auto added = product(s, a, b, flip_a, flip_b, before);
        for (size_t i = 0; i < expected.size(); ++i) {
          ASSERT_NEAR(fresh[i], expected[i], tolerance)
              << s.m << " x " << s.n << " x " << s.k << " flips " << flip_a << flip_b << " at "
              << i;
          ASSERT_NEAR(added[i], expected[i] + before[i], tolerance)
              << s.m << " x " << s.n << " x " << s.k << " flips " << flip_a << flip_b << " at "
              << i;
        }
      }
  }
}

TEST_P(Linalg, EmptyShapes) {
  const View<const float> none(nullptr, 3, 0), no_rows(nullptr, 0, 4);
  Tensor<float> out = poisoned<float>(3, 4);
  backend().matmul(none, no_rows, out);  // k = 0
  EXPECT_EQ(out.to_host(), std::vector<float>(12, 0.0f));
  out.assign(std::vector<float>(12, 2.0f));
  backend().matmul(none, no_rows, out, true);
  EXPECT_EQ(out.to_host(), std::vector<float>(12, 2.0f));
  const Tensor<float> a = tensor(std::vector<float>(8, 1.0f), 4);
  backend().matmul(no_rows, transposed(a), View<float>(nullptr, 0, 2));           // m = 0
  backend().matmul(a, transposed(Operand(no_rows)), View<float>(nullptr, 2, 0));  // n = 0
}

TEST_P(Linalg, EqualRowsGiveEqualBitsWhereverTheyStand) {
  Random random(2);
  for (const int64_t n : {1, 2, 3, 5, 16, 17, 64})
    for (const int64_t k : {7, 64, 130})
      for (const bool flip_a : {false, true})
        for (const bool flip_b : {false, true}) {
          const Shape s{1003, n, k};
          const auto row = random.normals(k), b = random.normals(k * n);
          std::vector<float> a;
          for (int64_t i = 0; i < s.m; ++i) a.insert(a.end(), row.begin(), row.end());
          const auto got = product(s, a, b, flip_a, flip_b);
          for (int64_t i = 1; i < s.m; ++i)
            ASSERT_EQ(std::memcmp(&got[i * n], &got[0], static_cast<size_t>(n) * sizeof(float)), 0)
                << "row " << i << " n " << n << " k " << k << " flips " << flip_a << flip_b;
          // A library takes another algorithm, and another order of sums, for a single row.
          if (backend().name() != "cpu") continue;
          const auto alone = product({1, n, k}, row, b, flip_a, flip_b);
          EXPECT_EQ(alone, std::vector<float>(got.begin(), got.begin() + n))
              << "n " << n << " k " << k;
        }
}

TEST_P(Linalg, EqualColumnsGiveEqualBitsWhereverTheyStand) {
  Random random(3);
  for (const int64_t m : {1, 5, 70})
    for (const bool flip_b : {false, true}) {
      const Shape s{m, 1003, 64};
      const auto a = random.normals(s.m * s.k), column = random.normals(s.k);
      std::vector<float> b;
      for (const float value : column) b.insert(b.end(), static_cast<size_t>(s.n), value);
      const auto got = product(s, a, b, false, flip_b);
      for (int64_t i = 0; i < s.m; ++i)
        for (int64_t c = 1; c < s.n; ++c) ASSERT_EQ(got[i * s.n + c], got[i * s.n]) << c;
    }
}

TEST_P(Linalg, SumsRows) {
  Random random(4);
  for (const auto& [rows, cols] : std::vector<std::pair<int64_t, int64_t>>{
           {0, 3}, {1, 1}, {5, 7}, {255, 16}, {257, 64}, {3001, 33}}) {
    const auto x = random.normals(rows * cols);
    Tensor<float> sums = poisoned<float>(cols);
    backend().sum_rows(tensor(x, cols), sums);
    const auto got = sums.to_host();
    for (int64_t c = 0; c < cols; ++c) {
      double expected = 0.0;
      for (int64_t r = 0; r < rows; ++r) expected += x[r * cols + c];
      EXPECT_NEAR(got[c], expected, 4 * sum_tolerance(rows)) << rows << " x " << cols;
    }
  }
}

TEST_P(Linalg, ThreadsDoNotChangeABit) {
  Random random(5);
  const auto x = random.normals(5000 * 64), y = random.normals(5000 * 64);
  const auto all = [&] {
    std::vector<std::vector<float>> results;
    // k cut in chunks, rows cut, columns cut.
    for (const Shape s : {Shape{64, 48, 5000}, Shape{5000, 64, 48}, Shape{9, 5000, 64}}) {
      const std::vector<float> a(x.begin(), x.begin() + s.m * s.k),
          b(y.begin(), y.begin() + s.k * s.n);
      results.push_back(product(s, a, b, true, false));
      results.push_back(product(s, a, b, false, true));
    }
    Tensor<float> sums = poisoned<float>(64);
    backend().sum_rows(tensor(x, 64), sums);
    results.push_back(sums.to_host());
    return results;
  };
  const int threads = thread_count();
  set_thread_count(1);
  const auto one = all();
  set_thread_count(5);
  const auto five = all();
  set_thread_count(threads);
  EXPECT_EQ(one, five);
}

MGQE_ON_EVERY_BACKEND(Linalg);

}  // namespace
}  // namespace mgqe::testing
