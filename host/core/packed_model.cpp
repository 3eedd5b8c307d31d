#include "host/core/packed_model.hpp"

#include <algorithm>

namespace mgqe {

int64_t PackedTable::formula_bits() const {
  if (scheme == "full") return full_bits();
  MGQE_CHECK(scheme == "mgqe", "unknown scheme ", scheme);
  int64_t bits = 32 * static_cast<int64_t>(tiers.centroids[0]) * dim;
  for (int i = 0; i < tiers.count; ++i)
    bits += tiers.rows(i) * subspaces * code_bits(tiers.centroids[i]);
  return bits;
}

int64_t PackedTable::payload_bits() const {
  int64_t bytes = 0;
  for (const auto& [name, array] : arrays) bytes += static_cast<int64_t>(array.bytes.size());
  return 8 * bytes;
}

int64_t PackedTable::padding_bits() const {
  if (scheme != "mgqe") return 0;
  int64_t bits = 0;
  for (int i = 0; i < tiers.count; ++i) {
    const int per_code = code_bits(tiers.centroids[i]);
    bits += tiers.rows(i) * (8 * packed_row_bytes(subspaces, per_code) - subspaces * per_code);
  }
  return bits;
}

Tensor<float> decode_table(Backend& backend, const PackedTable& table) {
  Tensor<float> rows(backend, table.rows, table.dim);
  if (table.scheme == "full") {
    rows.assign(table.arrays.at("table").as<float>());
    return rows;
  }
  MGQE_CHECK(table.scheme == "mgqe", "unknown scheme ", table.scheme);
  const Tensor<float> codebook(backend, table.arrays.at("codebook").as<float>(), table.dim);
  for (int i = 0; i < table.tiers.count; ++i) {
    if (table.tiers.rows(i) == 0) continue;
    const int bits = code_bits(table.tiers.centroids[i]);
    const int64_t row_bytes = packed_row_bytes(table.subspaces, bits);
    // A row of single-centroid codes has no bytes; a tensor has at least one column.
    Tensor<uint8_t> packed(backend, table.tiers.rows(i), std::max<int64_t>(row_bytes, 1));
    if (row_bytes > 0) packed.assign(table.arrays.at("codes." + std::to_string(i)).as<uint8_t>());
    backend.decode(packed, bits, table.subspaces, codebook,
                   rows.view().slice(table.tiers.begin(i), table.tiers.rows(i)));
  }
  return rows;
}

}  // namespace mgqe
