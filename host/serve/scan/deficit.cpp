#include "host/serve/scan/deficit.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace mgqe {
namespace {

/// A deficit that is not negative.
inline float toward_zero(double deficit) {
  const float nearest = static_cast<float>(deficit);
  const uint32_t bits = std::bit_cast<uint32_t>(nearest);
  return std::bit_cast<float>(bits - (nearest > deficit ? 1 : 0));
}

/// deficits[c] = max - L(c) of one subspace, L(c) = sum_i query[i] columns[i][c]; returns max.
[[gnu::always_inline]] inline double part_deficits(const float* query, const float* columns,
                                                   int64_t width, int64_t centroids,
                                                   double* products, float* deficits) {
  for (int64_t c = 0; c < centroids; ++c) products[c] = 0.0;
  for (int64_t i = 0; i < width; ++i) {
    const double q = query[i];
    const float* column = columns + i * centroids;
    for (int64_t c = 0; c < centroids; ++c) products[c] += q * column[c];
  }
  constexpr int kLanes = 8;
  double lanes[kLanes];
  for (double& lane : lanes) lane = products[0];
  int64_t c = 0;
  for (; c + kLanes <= centroids; c += kLanes)
    for (int l = 0; l < kLanes; ++l)
      lanes[l] = lanes[l] > products[c + l] ? lanes[l] : products[c + l];
  double most = lanes[0];
  for (; c < centroids; ++c) most = most > products[c] ? most : products[c];
  for (const double lane : lanes) most = most > lane ? most : lane;
  for (c = 0; c < centroids; ++c) deficits[c] = toward_zero(most - products[c]);
  return most;
}

using PartDeficits = double (*)(const float*, const float*, int64_t, int64_t, double*, float*);

double part_deficits_baseline(const float* query, const float* columns, int64_t width,
                              int64_t centroids, double* products, float* deficits) {
  return part_deficits(query, columns, width, centroids, products, deficits);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] double part_deficits_avx2(const float* query, const float* columns,
                                                  int64_t width, int64_t centroids,
                                                  double* products, float* deficits) {
  return part_deficits(query, columns, width, centroids, products, deficits);
}
#endif

PartDeficits choose_part_deficits() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return part_deficits_avx2;
#endif
  return part_deficits_baseline;
}

}  // namespace

Deficits::Deficits(const TierCodebook& codebook, const float* query)
    : bits_(codebook.bits),
      centroids_(codebook.centroids),
      subspaces_(codebook.subspaces),
      deficits_(static_cast<size_t>(subspaces_ * centroids_)) {
  static const PartDeficits part = choose_part_deficits();
  const int64_t d = codebook.dim, width = d / subspaces_;
  double magnitude = 0.0;  // A
  for (int64_t i = 0; i < d; ++i)
    magnitude +=
        std::abs(static_cast<double>(query[i])) * codebook.greatest[static_cast<size_t>(i)];
  // No partial sum of the chain overflows: each is below (1 + gamma) A. Not so where A is NaN.
  unbounded_ = !(magnitude < std::numeric_limits<float>::max() / 2);
  if (unbounded_) return;
  double products[kMaxCentroids];
  for (int64_t j = 0; j < subspaces_; ++j)
    most_ += part(query + j * width, codebook.columns.data() + j * width * centroids_, width,
                  centroids_, products, deficits_.data() + j * centroids_);
  const double terms = static_cast<double>(d), u = 0x1p-24;
  const double gamma = terms * u / (1.0 - terms * u);
  slack_ = magnitude * (gamma + (terms + subspaces_ + 16) * 0x1p-52) + terms * 0x1p-149;
  // Each deficit is within an ulp below its own, or the least float.
  least_of_best_ = most_ - slack_ - magnitude * 0x1p-48 - terms * 0x1p-149;
}

double Deficits::gap(float threshold) const {
  if (unbounded_) return std::numeric_limits<double>::infinity();
  return (most_ - static_cast<double>(threshold) + slack_) * (1.0 + 0x1p-40);
}

void Deficits::quantize(double gap, const CentroidGroups& groups, uint8_t* tables,
                        uint8_t* coarse) const {
  const int entries = table_entries(bits_), codes = 1 << bits_;
  // A hair less, so that neither rounding lifts a product over the floor of the exact one.
  const double exact = unbounded_ ? 0.0 : 254.0 / gap * (1.0 - 0x1p-22);
  const float scale =
      static_cast<float>(std::min<double>(exact, std::numeric_limits<float>::max() / 2));
  uint8_t part[kMaxCentroids];
  for (int j = 0; j < subspaces_; ++j, tables += entries) {
    const float* deficits = deficits_.data() + j * centroids_;
    for (int c = 0; c < centroids_; ++c) {
      const float product = deficits[c] * scale;
      part[c] = static_cast<uint8_t>(static_cast<int>(product < 255.0f ? product : 255.0f));
    }
    std::fill(part + centroids_, part + codes, uint8_t{255});
    if (!groups.given()) {
      for (int c = 0; c < entries; c += codes) std::copy_n(part, codes, tables + c);
      continue;
    }
    const uint8_t* of_name = groups.codes.data() + j * codes;
    for (int name = 0; name < codes; ++name) tables[name] = part[of_name[name]];
    for (int g = 0; g < CentroidGroups::kGroups; ++g, ++coarse) {
      *coarse = tables[g];
      for (int name = g; name < codes; name += CentroidGroups::kGroups)
        *coarse = std::min(*coarse, tables[name]);
    }
  }
}

}  // namespace mgqe
