// A rotation that is learnt: orthogonal, the best of its step, and worth it where columns depend on
// each other.
#include "host/convert/rotation.hpp"

#include <cmath>

#include "host/base/parallel.hpp"
#include "host/packed/packed_scheme.hpp"
#include "tests/support/convert_testing.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

std::vector<double> doubles(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

/// Greatest |Q Q^T - I|.
template <class T>
double skew_of(const std::vector<T>& q, int64_t d) {
  double most = 0.0;
  for (int64_t i = 0; i < d; ++i)
    for (int64_t k = 0; k < d; ++k) {
      double dot = 0.0;
      for (int64_t c = 0; c < d; ++c) dot += static_cast<double>(q[i * d + c]) * q[k * d + c];
      most = std::max(most, std::abs(dot - (i == k ? 1.0 : 0.0)));
    }
  return most;
}

double trace_of(const std::vector<double>& q, const std::vector<double>& m) {
  double trace = 0.0;
  for (size_t i = 0; i < q.size(); ++i) trace += q[i] * m[i];
  return trace;
}

/// The polar factor Q of M is orthogonal, and Q^T M is symmetric with no negative eigenvalue.
TEST(NearestOrthogonal, IsThePolarFactor) {
  for (const int64_t d : {1, 2, 3, 10, 33}) {
    const std::vector<double> m = doubles(some_floats(d * d, 5));
    const std::vector<double> q = nearest_orthogonal(m, d);
    EXPECT_LT(skew_of(q, d), 1e-12) << d;
    std::vector<double> p(m.size());  // Q^T M
    for (int64_t i = 0; i < d; ++i)
      for (int64_t c = 0; c < d; ++c)
        for (int64_t k = 0; k < d; ++k) p[i * d + c] += q[k * d + i] * m[k * d + c];
    for (int64_t i = 0; i < d; ++i)
      for (int64_t c = 0; c < d; ++c) EXPECT_NEAR(p[i * d + c], p[c * d + i], 1e-10 * d);
    for (uint64_t key = 0; key < 50; ++key) {
      const std::vector<float> x = some_floats(d, 100 + key);
      double form = 0.0;
      for (int64_t i = 0; i < d; ++i)
        for (int64_t c = 0; c < d; ++c) form += x[i] * p[i * d + c] * x[c];
      EXPECT_GE(form, -1e-9);
    }
    for (uint64_t key = 0; key < 5; ++key) {  // no other orthogonal matrix is closer
      const std::vector<float> other = [&] {
        const HostArray random = some_rotation(d, 200 + key);
        const auto values = random.as<float>();
        return std::vector<float>(values.begin(), values.end());
      }();
      EXPECT_LE(trace_of(doubles(other), m), trace_of(q, m) + 1e-5);
    }
  }
}

TEST(NearestOrthogonal, KnownOnes) {
  const double c = std::cos(0.3), s = std::sin(0.3);
  const std::vector<double> turn = {c, -s, s, c};
  const std::vector<double> q = nearest_orthogonal({3 * c, -2 * s, 3 * s, 2 * c}, 2);
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(q[i], turn[i], 1e-14);  // turn * diag(3, 2)
  // Of no full rank: what there is decides, the rest is any that is orthogonal.
  for (const std::vector<double>& m :
       {std::vector<double>(9, 0.0), {0, 0, 0, 0, 5, 0, 0, 0, 0}, {1, 2, 3, 2, 4, 6, 3, 6, 9}}) {
    const std::vector<double> any = nearest_orthogonal(m, 3);
    EXPECT_LT(skew_of(any, 3), 1e-12);
    double nuclear = 0.0;  // one singular value at most here: the Frobenius norm
    for (const double value : m) nuclear += value * value;
    EXPECT_NEAR(trace_of(any, m), std::sqrt(nuclear), 1e-12);
  }
}

class RotationTest : public OnEveryBackend {
 protected:
  LearntRotation learn(const std::vector<float>& x, int64_t d, int subspaces, int centroids,
                       int iterations = 15) {
    return learn_rotation(backend(), {x.data(), static_cast<int64_t>(x.size()) / d, d},
                          {subspaces, centroids, iterations, 1});
  }
};
MGQE_ON_EVERY_BACKEND(RotationTest);

/// Columns whose variances fall, mixed: subspaces are alike, and a rotation undoes it.
std::vector<float> mixed(int64_t rows, int64_t d) {
  const HostArray mix = some_rotation(d, 6);
  const std::vector<float> z = some_floats(rows * d, 7);
  std::vector<float> x(z.size());
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < d; ++i)
      for (int64_t c = 0; c < d; ++c)
        x[r * d + c] += z[r * d + i] / static_cast<float>(1 + i * i) * mix.as<float>()[i * d + c];
  return x;
}

TEST_P(RotationTest, HelpsWhereColumnsDependOnEachOther) {
  const std::vector<float> x = mixed(4000, 8);
  const LearntRotation found = learn(x, 8, 4, 16);
  EXPECT_LT(skew_of(found.rotation, 8), 1e-6);
  EXPECT_LT(found.error, 0.5 * found.error_without);
}

TEST_P(RotationTest, CostsNothingWhereTheyDoNot) {
  const std::vector<float> x = some_floats(4000 * 8, 7);
  const LearntRotation found = learn(x, 8, 4, 16);
  EXPECT_LT(skew_of(found.rotation, 8), 1e-6);
  EXPECT_NEAR(found.error / found.error_without, 1.0, 0.05);
}

TEST_P(RotationTest, RowsThatSpanLittle) {
  for (const int64_t rows : {1, 3}) {
    const std::vector<float> x = some_floats(rows * 8, 7);
    const LearntRotation found = learn(x, 8, 4, 16, 3);
    EXPECT_LT(skew_of(found.rotation, 8), 1e-6);
    EXPECT_LT(found.error, 1e-10);
  }
  const LearntRotation none = learn(std::vector<float>(5 * 8), 8, 4, 4, 3);
  EXPECT_LT(skew_of(none.rotation, 8), 1e-6);
  EXPECT_EQ(none.error, 0.0);
}

TEST_P(RotationTest, ThreadsDoNotMatter) {
  const std::vector<float> x = mixed(3000, 8);
  const int threads = thread_count();
  set_thread_count(1);
  const LearntRotation one = learn(x, 8, 4, 16, 4);
  set_thread_count(5);
  const LearntRotation five = learn(x, 8, 4, 16, 4);
  set_thread_count(threads);
  EXPECT_EQ(one.rotation, five.rotation);
  EXPECT_EQ(one.error, five.error);
}

}  // namespace
}  // namespace mgqe::testing
