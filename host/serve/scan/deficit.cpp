#include "host/serve/scan/deficit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mgqe {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

float toward_zero(double deficit) {
  const float nearest = static_cast<float>(deficit);
  return nearest > deficit ? std::nextafter(nearest, 0.0f) : nearest;
}

}  // namespace

Deficits::Deficits(const PackedTiers& table, int tier, const float* query)
    : bits_(table.tiers[tier].bits),
      centroids_(table.ranges.centroids[tier]),
      subspaces_(table.tiers[tier].subspaces),
      deficits_(static_cast<size_t>(subspaces_ * centroids_)) {
  const int64_t d = table.dim, width = d / subspaces_;
  std::vector<double> products(deficits_.size());                 // (D, K)
  std::vector<double> absolute(static_cast<size_t>(subspaces_));  // the most of any centroid
  for (int c = 0; c < centroids_; ++c) {
    const float* centroid = table.tiers[tier].codebook + c * d;
    for (int j = 0; j < subspaces_; ++j) {
      double product = 0.0, magnitude = 0.0;
      for (int64_t i = j * width; i < (j + 1) * width; ++i) {
        const double term = static_cast<double>(query[i]) * centroid[i];
        product += term;
        magnitude += std::abs(term);
      }
      products[static_cast<size_t>(j * centroids_ + c)] = product;
      absolute[static_cast<size_t>(j)] = std::max(absolute[static_cast<size_t>(j)], magnitude);
      unbounded_ |= !(magnitude <= std::numeric_limits<float>::max());
    }
  }
  double magnitude = 0.0;  // A
  for (int j = 0; j < subspaces_; ++j) {
    const double* of_part = products.data() + j * centroids_;
    const double most = *std::max_element(of_part, of_part + centroids_);
    most_ += most;
    magnitude += absolute[static_cast<size_t>(j)];
    for (int c = 0; c < centroids_; ++c)
      deficits_[static_cast<size_t>(j * centroids_ + c)] = toward_zero(most - of_part[c]);
  }
  const double terms = static_cast<double>(d), u = 0x1p-24;
  const double gamma = terms * u / (1.0 - terms * u);
  slack_ = magnitude * (gamma + (terms + subspaces_ + 16) * 0x1p-52) + terms * 0x1p-149;
  // No partial sum of the chain overflows: each is below (1 + gamma) A.
  unbounded_ |= !(magnitude < std::numeric_limits<float>::max() / 2);
}

double Deficits::gap(float threshold) const {
  if (unbounded_) return std::numeric_limits<double>::infinity();
  return (most_ - static_cast<double>(threshold) + slack_) * (1.0 + 0x1p-40);
}

void Deficits::quantize(double gap, uint8_t* tables) const {
  const int entries = table_entries(bits_), codes = 1 << bits_;
  // A hair less, so that neither rounding lifts a product over the floor of the exact one.
  const double exact = unbounded_ ? 0.0 : 254.0 / gap * (1.0 - 0x1p-22);
  const float scale =
      static_cast<float>(std::min<double>(exact, std::numeric_limits<float>::max() / 2));
  for (int j = 0; j < subspaces_; ++j, tables += entries) {
    const float* deficits = deficits_.data() + j * centroids_;
    for (int c = 0; c < centroids_; ++c) {
      const float product = deficits[c] * scale;
      tables[c] = static_cast<uint8_t>(static_cast<int>(product < 255.0f ? product : 255.0f));
    }
    if (unbounded_) std::fill(tables, tables + centroids_, uint8_t{0});  // deficits may be NaN
    std::fill(tables + centroids_, tables + codes, uint8_t{255});
    for (int c = codes; c < entries; ++c) tables[c] = tables[c & (codes - 1)];
  }
}

float Deficits::least_score(double sum) const {
  if (unbounded_) return -kInfinity;
  // Each deficit is within an ulp below its own.
  const double delta = sum * (1.0 + 0x1p-22) + subspaces_ * 0x1p-149;
  const double least = (most_ - slack_) - delta;
  const double lowered = least - (std::abs(least) + delta + std::abs(most_)) * 0x1p-50;
  return std::nextafter(static_cast<float>(lowered), -kInfinity);
}

}  // namespace mgqe
