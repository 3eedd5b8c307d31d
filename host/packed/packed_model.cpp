#include "host/packed/packed_model.hpp"

#include "host/packed/packed_scheme.hpp"

namespace mgqe {
namespace {

const PackedScheme& scheme_of(const PackedTable& table) {
  const PackedScheme* scheme = find_scheme(table.scheme);
  MGQE_CHECK(scheme != nullptr, "unknown scheme ", table.scheme);
  return *scheme;
}

}  // namespace

std::vector<float> PackedTable::codebook(int tier) const {
  return widened(arrays.at(codebook_name(tier)));
}

int64_t PackedTable::formula_bits() const { return scheme_of(*this).formula_bits(*this); }

int64_t PackedTable::padding_bits() const { return scheme_of(*this).padding_bits(*this); }

int64_t PackedTable::payload_bits() const {
  int64_t bytes = 0;
  for (const auto& [name, array] : arrays) bytes += static_cast<int64_t>(array.bytes.size());
  return 8 * bytes;
}

std::vector<ArraySpec> expected_arrays(const PackedTable& table) {
  return scheme_of(table).expected_arrays(table);
}

}  // namespace mgqe
