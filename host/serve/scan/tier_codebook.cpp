#include "host/serve/scan/tier_codebook.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace mgqe {
namespace {

/// Deals centroids [begin, end) out to `groups` of the same size, to within one, by halving at the
/// median of the component that varies most; calls take(centroid, group, place in it).
template <class Take>
void halve(const TierCodebook& codebook, int64_t part, int* begin, int* end, int first_group,
           int groups, const Take& take) {
  if (begin == end) return;
  if (groups == 1) {
    for (int* c = begin; c < end; ++c) take(*c, first_group, static_cast<int>(c - begin));
    return;
  }
  const int64_t width = codebook.dim / codebook.subspaces;
  const float* widest = nullptr;
  float most = -1.0f;
  for (int64_t i = part * width; i < (part + 1) * width; ++i) {
    const float* column = codebook.columns.data() + i * codebook.centroids;
    float sum = 0.0f, squares = 0.0f;
    for (const int* c = begin; c < end; ++c) {
      sum += column[*c];
      squares += column[*c] * column[*c];
    }
    const float spread = squares - sum * sum / static_cast<float>(end - begin);
    if (widest == nullptr || spread > most) {
      most = spread;
      widest = column;
    }
  }
  int* middle = begin + (end - begin + 1) / 2;
  std::nth_element(begin, middle, end, [&](int a, int b) { return widest[a] < widest[b]; });
  halve(codebook, part, begin, middle, first_group, groups / 2, take);
  halve(codebook, part, middle, end, first_group + groups / 2, groups / 2, take);
}

}  // namespace

TierCodebook::TierCodebook(const PackedTiers& table, int tier)
    : bits(table.tiers[tier].bits),
      centroids(table.ranges.centroids[tier]),
      subspaces(table.tiers[tier].subspaces),
      dim(table.dim),
      columns(static_cast<size_t>(dim * centroids)),
      greatest(static_cast<size_t>(dim)) {
  for (int c = 0; c < centroids; ++c) {
    const float* centroid = table.tiers[tier].codebook + c * dim;
    for (int64_t i = 0; i < dim; ++i) {
      const float magnitude =
          std::isnan(centroid[i]) ? std::numeric_limits<float>::infinity() : std::abs(centroid[i]);
      columns[static_cast<size_t>(i * centroids + c)] = centroid[i];
      float& most = greatest[static_cast<size_t>(i)];
      most = std::max(most, magnitude);
    }
  }
}

CodebookTables::CodebookTables(const PackedTiers& table, bool grouped) {
  for (int t = 0; t < table.ranges.count; ++t) {
    codebooks.emplace_back(table, t);
    const bool pays = grouped && table.tiers[t].bits > 6;
    groups.push_back(pays ? CentroidGroups(codebooks.back()) : CentroidGroups());
  }
}

CentroidGroups::CentroidGroups(const TierCodebook& codebook) {
  const int entries = 1 << codebook.bits;
  for (const float most : codebook.greatest)
    if (!std::isfinite(most)) return;  // no order to halve by
  names.resize(static_cast<size_t>(codebook.subspaces) * static_cast<size_t>(entries));
  codes.resize(names.size());
  std::vector<int> order(static_cast<size_t>(codebook.centroids));
  for (int64_t j = 0; j < codebook.subspaces; ++j) {
    uint8_t* const names_here = names.data() + j * entries;
    uint8_t* const codes_here = codes.data() + j * entries;
    std::vector<uint8_t> taken(static_cast<size_t>(entries));
    const auto take = [&](int code, int name) {
      names_here[code] = static_cast<uint8_t>(name);
      codes_here[name] = static_cast<uint8_t>(code);
      taken[static_cast<size_t>(name)] = 1;
    };
    std::iota(order.begin(), order.end(), 0);
    halve(codebook, j, order.data(), order.data() + order.size(), 0, kGroups,
          [&](int code, int group, int place) { take(code, place * kGroups + group); });
    int name = 0;  // what is no centroid takes the names that are left
    for (int code = codebook.centroids; code < entries; ++code) {
      while (taken[static_cast<size_t>(name)]) ++name;
      take(code, name);
    }
  }
}

}  // namespace mgqe
