// A trained model as it is served, in host memory: packed embedding tables and the backbone's dense
// weights. Models produce it, host/io writes and reads it, models/scorers decode it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "host/base/host_array.hpp"
#include "host/packed/quant_math.hpp"

namespace mgqe {

/// Ids of similar popularity that are encoded alike.
struct PackedTier {
  int64_t end = 0;    // first id after it
  int centroids = 0;  // K_i
  int subspaces = 0;  // D_i, of each stage
};

/// Ids of similar popularity whose rows are equally wide.
struct PackedBlock {
  int64_t end = 0;    // first id after it
  int64_t width = 0;  // at most dim
};

/// One embedding table. Schemes, their arrays, and the fields each uses:
///   full              "table" f32 (rows, dim)
///   low_rank          "factor" f32 (rows, rank), "basis" f32 (rank, dim)
///   scalar_quantized  "cells" u8 (rows, packed_row_bytes(dim, bits)), "low", "high" f32 (dim)
///   lsq               as scalar_quantized
///   hashed            "table" f32 (buckets, dim)
///   multiplexed       as hashed
///   quotient_remainder
///                     "quotients" f32 (ceil(rows / buckets), dim) and "remainders" f32 (buckets,
///                     dim): row id / buckets of the one times row id mod buckets of the other
///   memcom            "table" f32 (buckets, dim), "factors" f32 (rows): row id mod buckets times
///                     the id's factor
///   mixed_dim         of the ids of block i, "table.i" f32 (rows_i, width_i); where width_i < dim
///                     rows are its product with "projection.i" f32 (width_i, dim)
///   dpq_vq, dpq_sx    as mgqe with one tier and a shared codebook (dpq_sx: the values)
///   mgqe              "codebook" (K_1, dim) shared by the tiers, or "codebook.i" (K_i, dim) of
///                     each, of codebook_type; per tier i "codes.i" u8 (rows_i,
///                     packed_row_bytes(D_i, bits_i))
///   prq               as mgqe, of rows of code_dim() = stages x dim columns, which are then what
///                     host/packed/code_space.hpp makes rows of; where rotated, "rotation" f32
///                     (dim, dim)
struct PackedTable {
  std::string scheme;
  int64_t rows = 0;
  int64_t dim = 0;
  int64_t rank = 0;                 // low_rank
  int64_t bits = 0;                 // scalar_quantized, lsq
  int64_t buckets = 0;              // hashed, multiplexed, quotient_remainder, memcom
  std::vector<PackedBlock> blocks;  // mixed_dim
  std::vector<PackedTier> tiers;    // dpq_vq, dpq_sx, mgqe, prq
  bool private_codebooks = false;
  DType codebook_type = DType::kF32;  // or kF16: of every codebook
  int64_t stages = 1;                 // prq
  bool rotated = false;               // prq
  ArrayMap arrays;

  bool has_codes() const { return !tiers.empty(); }
  /// Columns of the codebooks: of what codes stand for.
  int64_t code_dim() const { return stages * dim; }
  /// Codes of a row.
  int code_count(int tier) const { return static_cast<int>(stages) * tiers[tier].subspaces; }
  int64_t block_begin(size_t block) const { return block == 0 ? 0 : blocks[block - 1].end; }
  int64_t block_rows(size_t block) const { return blocks[block].end - block_begin(block); }
  int64_t tier_begin(int tier) const { return tier == 0 ? 0 : tiers[tier - 1].end; }
  int64_t tier_rows(int tier) const { return tiers[tier].end - tier_begin(tier); }
  /// Bits of a centroid's component.
  int64_t component_bits() const { return codebook_type == DType::kF16 ? 16 : 32; }
  std::string codebook_name(int tier) const {
    return private_codebooks ? "codebook." + std::to_string(tier) : "codebook";
  }

  /// The floats of a tier's codebook (K, code_dim()), of a table that holds its arrays.
  std::vector<float> codebook(int tier) const;

  /// The scheme's size by the paper's formula, e.g. sum_i n_i D ceil(log2 K_i) + 32 K_1 d for mgqe,
  /// whose 32 is 16 where centroids are f16.
  int64_t formula_bits() const;
  /// 8 x the bytes of all arrays: formula_bits plus padding_bits().
  int64_t payload_bits() const;
  /// Bits spent on starting every packed row on a byte.
  int64_t padding_bits() const;
  /// 32 rows dim: the full table this one replaces.
  int64_t full_bits() const { return 32 * rows * dim; }
};

/// One array that a table of this scheme must have.
struct ArraySpec {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  /// Its row r is that of id first_row + r, which lives where the id's row does when a table is
  /// sharded over ranks; kShared: no id's, and every rank has it whole.
  int64_t first_row = kShared;
  static constexpr int64_t kShared = -1;
};

/// Every array of the table, from its scheme and fields alone.
std::vector<ArraySpec> expected_arrays(const PackedTable& table);

struct PackedModel {
  std::string backbone;                       // "gmf"
  std::string task;                           // "ranking", "relevance" or "lookup"
  std::map<std::string, PackedTable> tables;  // by name: "user", "item"
  ArrayMap dense;                             // backbone weights: "gmf.weights"
};

}  // namespace mgqe
