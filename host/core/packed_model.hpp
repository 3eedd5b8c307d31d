// A trained model as it is served, in host memory: packed embedding tables and the backbone's dense
// weights. Models produce it, host/io writes and reads it, host/serve decodes it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "host/core/backend.hpp"
#include "host/core/host_array.hpp"
#include "host/core/quant_math.hpp"

namespace mgqe {

/// One embedding table. Scheme and arrays:
///   full  "table" f32 (rows, dim)
///   mgqe  "codebook" f32 (K_1, dim) and, per tier i, "codes.i" u8 (rows_i, packed_row_bytes)
struct PackedTable {
  std::string scheme;
  int64_t rows = 0;
  int64_t dim = 0;
  int subspaces = 0;  // D; 0 where the scheme has none
  Tiers tiers;        // mgqe only
  ArrayMap arrays;

  /// The scheme's size by the paper's formula, e.g. sum_i n_i D ceil(log2 K_i) + 32 K_1 d for mgqe.
  int64_t formula_bits() const;
  /// 8 x the bytes of all arrays: formula_bits plus padding_bits().
  int64_t payload_bits() const;
  /// Bits spent on starting every packed row on a byte.
  int64_t padding_bits() const;
  /// 32 rows dim: the full table this one replaces.
  int64_t full_bits() const { return 32 * rows * dim; }
};

/// The table as it is looked up: (rows, dim) f32 in the backend's memory.
Tensor<float> decode_table(Backend& backend, const PackedTable& table);

struct PackedModel {
  std::string backbone;                       // "gmf"
  std::map<std::string, PackedTable> tables;  // by name: "user", "item"
  ArrayMap dense;                             // backbone weights: "gmf.weights"
};

}  // namespace mgqe
