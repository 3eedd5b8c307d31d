// The scores that count: ranking_score of a query and decoded rows, eight rows at a time, as a
// chain of fmas waits for itself.
#pragma once

#include <cstdint>

#include "host/packed/packed_tiers.hpp"

namespace mgqe {

inline constexpr int kScoredTogether = 8;

/// out[r] of rows by their codes (count, D), each below the tier's K, a byte each; count up to
/// kScoredTogether, and room for as many in `codes` and `out`.
void score_codes(const PackedTiers& table, int tier, const float* query, const uint8_t* codes,
                 int count, float* out);

/// Codes (D) of a packed row; false where one is beyond the tier's K (it is then 0 in codes).
bool read_codes(const PackedTiers& table, int tier, int64_t row, uint8_t* codes);

}  // namespace mgqe
