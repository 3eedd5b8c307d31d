// Encodes a tier of a trained table into packed codes, and measures how well they fit.
#pragma once

#include <functional>

#include "models/embeddings/embedding.hpp"

namespace mgqe {

/// Codes (|rows|, D) of the rows of a trained table; decoded (|rows|, d) is scratch, squared_error
/// (|rows|) what the report averages.
using EncodeRows = std::function<void(RowSet rows, View<uint8_t> codes, View<float> decoded,
                                      View<float> squared_error)>;

/// Rows encoded at a time: bounds the extra device memory.
inline constexpr int64_t kPackChunk = 1 << 18;

/// Rows of one tier, all encoded with the same codebook, each by the rank that has it.
struct TierToPack {
  RowSharding sharding;  // of the table
  int64_t begin, end;    // in the whole table
  int centroids;         // K_i
  int subspaces;         // D_i
  int64_t dim;
};

struct PackedCodes {
  DeviceArray codes;  // u8 (rows of this rank, packed_row_bytes(D_i, bits_i))
  TierReport report;
};

/// Every row of this rank's is encoded anew, a chunk at a time; the report is of all ranks' rows.
PackedCodes pack_tier(Backend& backend, const TierToPack& tier, const EncodeRows& encode);

}  // namespace mgqe
