// What is made of a tier's codebook alone, for all queries of a call, or of a prepared table.
#pragma once

#include <cstdint>
#include <vector>

#include "host/packed/packed_tiers.hpp"

namespace mgqe {

struct TierCodebook {
  TierCodebook() = default;
  TierCodebook(const PackedTiers& table, int tier);

  int bits = 0, centroids = 0, subspaces = 0;
  int64_t dim = 0;
  std::vector<float> columns;   // (d, K): the codebook's transpose
  std::vector<float> greatest;  // (d): max_c |component|; infinity where one is no number
};

/// Codes of 7 or 8 bits, renamed so that the 64 groups which their lowest six bits name are of
/// centroids close to each other: the least deficit of a group then bounds those of its members,
/// and one permutation of bytes looks it up where all of the table takes two or four.
struct CentroidGroups {
  static constexpr int kGroups = 64;

  CentroidGroups() = default;
  explicit CentroidGroups(const TierCodebook& codebook);

  bool given() const { return !names.empty(); }

  std::vector<uint8_t> names;  // (D, 2^bits): the new name of a code
  std::vector<uint8_t> codes;  // (D, 2^bits): the code of a new name
};

/// Both of every tier; groups where they are asked for and its codes have more than six bits.
struct CodebookTables {
  CodebookTables(const PackedTiers& table, bool grouped);

  std::vector<TierCodebook> codebooks;  // (tiers)
  std::vector<CentroidGroups> groups;   // (tiers)
};

}  // namespace mgqe
