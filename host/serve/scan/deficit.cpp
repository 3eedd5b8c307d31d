#include "host/serve/scan/deficit.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mgqe {
namespace {

constexpr double kShrunk = 0.8;  // of the gap: worth new tables

}  // namespace

Deficits::Deficits(const PackedTiers& table, int tier, const float* query)
    : bits_(table.tiers[tier].bits),
      centroids_(table.ranges.centroids[tier]),
      subspaces_(table.tiers[tier].subspaces) {
  const int64_t d = table.dim, width = d / subspaces_;
  deficits_.resize(static_cast<size_t>(subspaces_) * static_cast<size_t>(centroids_));
  double magnitude = 0.0;  // the most that sum_i |q_i x_i| can be
  for (int j = 0; j < subspaces_; ++j) {
    double* products = deficits_.data() + static_cast<int64_t>(j) * centroids_;
    double greatest = 0.0;
    for (int c = 0; c < centroids_; ++c) {
      const float* centroid = table.tiers[tier].codebook + c * d + j * width;
      double product = 0.0, absolute = 0.0;
      for (int64_t i = 0; i < width; ++i) {
        const double term = static_cast<double>(query[j * width + i]) * centroid[i];
        product += term;
        absolute += std::abs(term);
      }
      products[c] = product;
      greatest = std::max(greatest, absolute);
      hopeless_ |= !std::isfinite(product);
    }
    magnitude += greatest;
    const double most = *std::max_element(products, products + centroids_);
    most_ += most;
    for (int c = 0; c < centroids_; ++c) products[c] = most - products[c];
  }
  const double terms = static_cast<double>(d), u = 0x1p-24;
  const double gamma = terms * u / (1.0 - terms * u);
  slack_ = magnitude * (gamma + (terms + subspaces_ + 16) * 0x1p-52) + terms * 0x1p-149;
  hopeless_ |= !(magnitude < std::numeric_limits<float>::max() / 4);
  const size_t entries =
      static_cast<size_t>(subspaces_) * static_cast<size_t>(table_entries(bits_));
  tables_.resize(entries + 63);
  aligned_ = tables_.data() + (64 - reinterpret_cast<uintptr_t>(tables_.data()) % 64) % 64;
}

bool Deficits::quantize(double bar) {
  const double now = gap(bar);
  if (now < 0.0) return false;
  if (quantized_gap_ >= 0.0 && now >= kShrunk * quantized_gap_) return true;
  quantized_gap_ = now;
  const int entries = table_entries(bits_), codes = 1 << bits_;
  // A hair less, so that the product's own rounding lifts no floor. With a gap of nothing only
  // deficits of nothing are left.
  const double scale = now > 0.0 ? 254.0 / now * (1.0 - 0x1p-40) : 0.0;
  for (int j = 0; j < subspaces_; ++j) {
    const double* deficits = deficits_.data() + static_cast<int64_t>(j) * centroids_;
    uint8_t* table = aligned_ + static_cast<int64_t>(j) * entries;
    for (int c = 0; c < codes; ++c) {
      const bool none = c >= centroids_ || deficits[c] > now;
      table[c] =
          none ? 255 : static_cast<uint8_t>(std::min(254.0, std::floor(deficits[c] * scale)));
    }
    for (int c = codes; c < entries; ++c) table[c] = table[c & (codes - 1)];
  }
  return true;
}

bool Deficits::may_reach(const uint8_t* packed_row, double bar) const {
  double delta = 0.0;
  for (int j = 0; j < subspaces_; ++j) {
    const int code = unpack_code(packed_row, j, bits_);
    if (code >= centroids_) return false;
    delta += deficits_[static_cast<size_t>(j) * static_cast<size_t>(centroids_) +
                       static_cast<size_t>(code)];
  }
  return delta <= gap(bar);
}

}  // namespace mgqe
