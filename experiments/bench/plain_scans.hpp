// What one has without the scan: top-k by plain loops over codes or over decoded rows, one query at
// a time, one thread. All of them keep a short list by sums in an order of their own and score that
// again by ranking_score, so that their lists are the same to the bit.
#pragma once

#include <vector>

#include "host/packed/packed_tiers.hpp"
#include "host/serve/scan/top_k.hpp"

namespace mgqe::bench {

/// Sum of the words of all bytes: no scan of them takes less.
uint64_t read_sum(const uint8_t* bytes, int64_t count);
uint64_t read_sum_of_codes(const PackedTiers& table);

/// A look-up table of floats (D, K) for a query, and D additions a row, of codes as they are
/// packed.
void packed_lut_top_k(const PackedTiers& table, View<const float> query, int64_t k,
                      TopKResult result);
/// The same of codes in a byte each (n, D).
void byte_lut_top_k(const PackedTiers& table, const uint8_t* codes, View<const float> query,
                    int64_t k, TopKResult result);
/// A matrix-vector product with the decoded rows (n, d): a loop that the compiler vectorises for
/// this processor.
void matvec_top_k(const PackedTiers& table, const float* rows, View<const float> query, int64_t k,
                  TopKResult result);

/// out[i] = row ids[i] of (n, d).
void gather(const float* rows, int64_t dim, const int64_t* ids, int64_t count, float* out);

}  // namespace mgqe::bench
