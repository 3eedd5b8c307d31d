#include "host/convert/rotation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "host/base/parallel.hpp"
#include "host/convert/codebook.hpp"
#include "host/packed/code_space.hpp"

namespace mgqe {

namespace {

constexpr int64_t kGrain = 256;        // rows a thread takes at least
constexpr int kMostSweeps = 60;        // Jacobi converges quadratically: about ten do
constexpr double kParallel = 1e-14;    // cosine of rows that are taken for orthogonal
constexpr double kNegligible = 1e-13;  // of the longest row: a singular value that is none

double dot(const double* a, const double* b, int64_t d) {
  constexpr int64_t kLanes = 8;
  double sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= d; i += kLanes)
    for (int64_t l = 0; l < kLanes; ++l) sums[l] += a[i + l] * b[i + l];
  for (; i < d; ++i) sums[0] += a[i] * b[i];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

/// (a, b) = (c a - s b, s a + c b)
void turn(double* a, double* b, double c, double s, int64_t d) {
  for (int64_t i = 0; i < d; ++i) {
    const double x = a[i], y = b[i];
    a[i] = c * x - s * y;
    b[i] = s * x + c * y;
  }
}

/// J A = S W of a matrix A (d, d): J orthogonal, S the singular values, rows of W orthonormal.
struct Decomposition {
  std::vector<double> left;      // (d, d): J
  std::vector<double> singular;  // (d)
  std::vector<double> right;     // (d, d): W; zeros where the singular value is none
};

Decomposition decompose(std::vector<double> matrix, int64_t d) {
  Decomposition found;
  found.left.resize(matrix.size());
  for (int64_t i = 0; i < d; ++i) found.left[static_cast<size_t>(i * d + i)] = 1.0;
  const auto row = [&](int64_t i) { return matrix.data() + i * d; };
  bool turned = true;
  for (int sweep = 0; sweep < kMostSweeps && turned; ++sweep) {
    turned = false;
    for (int64_t i = 0; i + 1 < d; ++i)
      for (int64_t k = i + 1; k < d; ++k) {
        const double a = dot(row(i), row(i), d), b = dot(row(k), row(k), d);
        const double c = dot(row(i), row(k), d);
        if (!(std::abs(c) > kParallel * std::sqrt(a) * std::sqrt(b))) continue;
        turned = true;
        const double zeta = (b - a) / (2.0 * c);
        const double tangent =
            std::copysign(1.0, zeta) / (std::abs(zeta) + std::sqrt(1.0 + zeta * zeta));
        const double cosine = 1.0 / std::sqrt(1.0 + tangent * tangent);
        turn(row(i), row(k), cosine, cosine * tangent, d);
        turn(found.left.data() + i * d, found.left.data() + k * d, cosine, cosine * tangent, d);
      }
  }
  double longest = 0.0;
  for (int64_t i = 0; i < d; ++i) {
    found.singular.push_back(std::sqrt(dot(row(i), row(i), d)));
    longest = std::max(longest, found.singular.back());
  }
  for (int64_t i = 0; i < d; ++i) {
    double& singular = found.singular[static_cast<size_t>(i)];
    if (!(singular > kNegligible * longest)) singular = 0.0;
    for (int64_t c = 0; c < d; ++c) row(i)[c] = singular > 0.0 ? row(i)[c] / singular : 0.0;
  }
  found.right = std::move(matrix);
  return found;
}

/// Rows of zeros become unit vectors orthogonal to all others.
void complete(std::vector<double>& rows, const std::vector<double>& singular, int64_t d) {
  std::vector<double> trial(static_cast<size_t>(d)), best(static_cast<size_t>(d));
  std::vector<bool> done(singular.size());
  for (size_t i = 0; i < singular.size(); ++i) done[i] = singular[i] > 0.0;
  for (size_t i = 0; i < singular.size(); ++i) {
    if (done[i]) continue;
    double longest = 0.0;
    for (int64_t axis = 0; axis < d && longest < 0.5; ++axis) {
      std::fill(trial.begin(), trial.end(), 0.0);
      trial[static_cast<size_t>(axis)] = 1.0;
      for (int again = 0; again < 2; ++again)  // twice is enough (Kahan)
        for (size_t k = 0; k < singular.size(); ++k) {
          if (!done[k]) continue;
          const double* const other = rows.data() + static_cast<int64_t>(k) * d;
          const double along = dot(trial.data(), other, d);
          for (int64_t c = 0; c < d; ++c) trial[static_cast<size_t>(c)] -= along * other[c];
        }
      const double length = std::sqrt(dot(trial.data(), trial.data(), d));
      if (length <= longest) continue;
      longest = length;
      best = trial;
      for (double& value : best) value /= length;
    }
    std::copy(best.begin(), best.end(), rows.begin() + static_cast<int64_t>(i) * d);
    done[i] = true;
  }
}

/// sum over rows of a_r b_r^T, (d, d); rows of the result are split over threads, so that each is
/// summed in one order.
std::vector<double> sum_of_products(View<const float> a, View<const float> b) {
  const int64_t d = a.cols;
  std::vector<double> sums(static_cast<size_t>(d * d));
  parallel_pieces(d, 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = 0; r < a.rows; ++r)
      for (int64_t i = begin; i < end; ++i) {
        const double value = a.row(r)[i];
        double* const out = sums.data() + i * d;
        const float* const other = b.row(r);
        for (int64_t c = 0; c < d; ++c) out[c] += value * other[c];
      }
  });
  return sums;
}

/// Principal axes as rows, those of a subspace together: each, by falling variance, goes to the
/// subspace with the least product of variances that has room.
std::vector<double> balanced_axes(View<const float> rows, int subspaces) {
  const int64_t d = rows.cols, width = d / subspaces;
  const Decomposition axes = decompose(sum_of_products(rows, rows), d);
  std::vector<size_t> order(static_cast<size_t>(d));
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return axes.singular[a] > axes.singular[b]; });
  std::vector<double> product(static_cast<size_t>(subspaces)), result(axes.left.size());
  std::vector<int64_t> taken(static_cast<size_t>(subspaces));
  for (const size_t axis : order) {
    size_t to = product.size();
    for (size_t j = 0; j < product.size(); ++j)
      if (taken[j] < width && (to == product.size() || product[j] < product[to])) to = j;
    product[to] += std::log(std::max(axes.singular[axis], std::numeric_limits<double>::min()));
    const int64_t place = static_cast<int64_t>(to) * width + taken[to]++;
    std::copy_n(axes.left.data() + static_cast<int64_t>(axis) * d, d, result.data() + place * d);
  }
  return result;
}

class RotationLearner {
 public:
  RotationLearner(Backend& backend, View<const float> rows, const RotationOptions& options)
      : backend_(backend),
        rows_(rows),
        options_(options),
        rotated_(rows.data, rows.data + rows.size()),
        decoded_(rotated_.size()),
        codebook_(static_cast<size_t>(options.centroids * rows.cols)) {
    form_.dim = rows.cols;
    form_.rotated = true;
  }

  LearntRotation learn() {
    LearntRotation result;
    learn_codebook(options_.iterations, false);
    result.error_without = decode();
    rotate(balanced_axes(rows_, options_.subspaces));
    learn_codebook(1, false);
    for (int iteration = 1; iteration <= options_.iterations; ++iteration) {
      decode();
      rotate(nearest_orthogonal(sum_of_products(decoded(), rows_), rows_.cols));
      learn_codebook(1, true);
      options_.iterated(iteration);
    }
    result.error = decode();
    result.rotation = std::move(rotation_);
    return result;
  }

 private:
  View<const float> rotated() const { return {rotated_.data(), rows_.rows, rows_.cols}; }
  View<const float> decoded() const { return {decoded_.data(), rows_.rows, rows_.cols}; }

  void learn_codebook(int iterations, bool go_on) {
    LearnOptions learning{options_.subspaces, iterations, options_.seed};
    learning.go_on = go_on;
    learn_centroids(backend_, rotated(), {0, options_.centroids}, learning, codebook_);
  }

  void rotate(const std::vector<double>& matrix) {
    rotation_.assign(matrix.begin(), matrix.end());
    const CodeSpace space(form_, rotation_);
    parallel_pieces(rows_.rows, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r)
        space.rotate(rows_.row(r), rotated_.data() + r * rows_.cols);
    });
  }

  /// Returns the relative error.
  double decode() {
    decode_nearest(backend_, rotated(), codebook_, options_.centroids, options_.subspaces,
                   {decoded_.data(), rows_.rows, rows_.cols});
    double error = 0.0, norm = 0.0;
    for (size_t i = 0; i < decoded_.size(); ++i) {
      const double lost = static_cast<double>(rotated_[i]) - decoded_[i];
      error += lost * lost;
      norm += static_cast<double>(rotated_[i]) * rotated_[i];
    }
    return norm > 0.0 ? error / norm : 0.0;
  }

  Backend& backend_;
  View<const float> rows_;  // (m, d)
  const RotationOptions& options_;
  PackedTable form_;
  std::vector<float> rotation_;           // (d, d)
  std::vector<float> rotated_, decoded_;  // (m, d)
  std::vector<float> codebook_;           // (K, d)
};

}  // namespace

std::vector<double> nearest_orthogonal(std::vector<double> matrix, int64_t d) {
  Decomposition found = decompose(std::move(matrix), d);
  complete(found.right, found.singular, d);
  std::vector<double> product(found.left.size());  // J^T W
  for (int64_t k = 0; k < d; ++k)
    for (int64_t i = 0; i < d; ++i) {
      const double value = found.left[static_cast<size_t>(k * d + i)];
      const double* const right = found.right.data() + k * d;
      for (int64_t c = 0; c < d; ++c) product[static_cast<size_t>(i * d + c)] += value * right[c];
    }
  return product;
}

LearntRotation learn_rotation(Backend& backend, View<const float> rows,
                              const RotationOptions& options) {
  MGQE_CHECK(rows.rows >= 1 && rows.cols % options.subspaces == 0, "rows (", rows.rows, ", ",
             rows.cols, ") in ", options.subspaces, " subspaces");
  return RotationLearner(backend, rows, options).learn();
}

}  // namespace mgqe
