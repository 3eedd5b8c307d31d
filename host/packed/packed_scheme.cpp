// The registry of schemes, and those that store no codes.
#include "host/packed/packed_scheme.hpp"

#include <cmath>
#include <numeric>

#include <fmt/format.h>

namespace mgqe {
namespace {

Tensor<float> to_device(Backend& backend, const HostArray& array, int64_t cols) {
  return Tensor<float>(backend, array.as<float>(), cols);
}

/// 32 n d
class Full final : public PackedScheme {
  std::string name() const override { return "full"; }
  std::vector<ArraySpec> expected_arrays(const PackedTable& table) const override {
    return {{"table", DType::kF32, {table.rows, table.dim}}};
  }
  int64_t formula_bits(const PackedTable& table) const override { return table.full_bits(); }
  void decode(Backend& backend, const PackedTable& table, View<float> rows) const override {
    backend.upload(rows.data, table.arrays.at("table").bytes.data(),
                   table.arrays.at("table").bytes.size());
  }
};

/// 32 (n r + r d)
class LowRank final : public PackedScheme {
  std::string name() const override { return "low_rank"; }
  std::vector<PackedField> fields() const override {
    return {{"rank", &PackedTable::rank, kMaxTableDim}};
  }
  std::vector<ArraySpec> expected_arrays(const PackedTable& table) const override {
    return {{"factor", DType::kF32, {table.rows, table.rank}},
            {"basis", DType::kF32, {table.rank, table.dim}}};
  }
  int64_t formula_bits(const PackedTable& table) const override {
    return 32 * (table.rows * table.rank + table.rank * table.dim);
  }
  void decode(Backend& backend, const PackedTable& table, View<float> rows) const override {
    const Tensor<float> factor = to_device(backend, table.arrays.at("factor"), table.rank);
    const Tensor<float> basis = to_device(backend, table.arrays.at("basis"), table.dim);
    backend.matmul(factor, basis, rows);
  }
};

/// n b d + 64 d
class ScalarQuantized final : public PackedScheme {
  std::string name() const override { return "scalar_quantized"; }
  std::vector<PackedField> fields() const override {
    return {{"bits", &PackedTable::bits, kMaxCellBits}};
  }
  std::vector<ArraySpec> expected_arrays(const PackedTable& table) const override {
    return {{"cells", DType::kU8, {table.rows, row_bytes(table)}},
            {"low", DType::kF32, {table.dim}},
            {"high", DType::kF32, {table.dim}}};
  }
  /// Any bits make cells within 2^b, so only the bounds can be wrong.
  std::string values_defect(const PackedTable& table) const override {
    const auto low = table.arrays.at("low").as<float>(), high = table.arrays.at("high").as<float>();
    for (int64_t c = 0; c < table.dim; ++c)
      if (!std::isfinite(low[c]) || !std::isfinite(high[c]) || low[c] > high[c])
        return fmt::format("column {} has bounds {} to {}", c, low[c], high[c]);
    return "";
  }
  int64_t formula_bits(const PackedTable& table) const override {
    return table.rows * table.bits * table.dim + 64 * table.dim;
  }
  int64_t padding_bits(const PackedTable& table) const override {
    return table.rows * (8 * row_bytes(table) - table.bits * table.dim);
  }
  void decode(Backend& backend, const PackedTable& table, View<float> rows) const override {
    const Tensor<uint8_t> cells(backend, table.arrays.at("cells").as<uint8_t>(), row_bytes(table));
    const Tensor<float> low = to_device(backend, table.arrays.at("low"), 1);
    const Tensor<float> high = to_device(backend, table.arrays.at("high"), 1);
    backend.decode_cells(cells, static_cast<int>(table.bits), low, high, rows);
  }

  static int64_t row_bytes(const PackedTable& table) {
    return packed_row_bytes(static_cast<int>(table.dim), static_cast<int>(table.bits));
  }
};

/// 32 m d
class Hashed final : public PackedScheme {
  std::string name() const override { return "hashed"; }
  std::vector<PackedField> fields() const override {
    return {{"buckets", &PackedTable::buckets, kMaxTableRows}};
  }
  std::vector<ArraySpec> expected_arrays(const PackedTable& table) const override {
    return {{"table", DType::kF32, {table.buckets, table.dim}}};
  }
  int64_t formula_bits(const PackedTable& table) const override {
    return 32 * table.buckets * table.dim;
  }
  void decode(Backend& backend, const PackedTable& table, View<float> rows) const override {
    std::vector<int32_t> all(static_cast<size_t>(table.rows));
    std::iota(all.begin(), all.end(), 0);
    const Tensor<int32_t> ids(backend, std::span<const int32_t>(all));
    Tensor<int32_t> buckets(backend, table.rows);
    const Tensor<float> shared = to_device(backend, table.arrays.at("table"), table.dim);
    backend.hash_ids(ids, table.buckets, buckets);
    backend.gather(shared, buckets, rows);
  }
};

/// A new scheme is one line here.
std::vector<const PackedScheme*>& schemes() {
  static const Full full;
  static const LowRank low_rank;
  static const ScalarQuantized scalar_quantized;
  static const Hashed hashed;
  static std::vector<const PackedScheme*> all = [] {
    std::vector<const PackedScheme*> list = {&full, &low_rank, &scalar_quantized, &hashed};
    list.insert(list.end(), coded_schemes().begin(), coded_schemes().end());
    return list;
  }();
  return all;
}

}  // namespace

const PackedScheme* find_scheme(std::string_view name) {
  for (const PackedScheme* scheme : schemes())
    if (scheme->name() == name) return scheme;
  return nullptr;
}

void add_packed_scheme(const PackedScheme& scheme) {
  MGQE_CHECK(find_scheme(scheme.name()) == nullptr,
             "a scheme of that name is known: ", scheme.name());
  schemes().push_back(&scheme);
}

std::string shape_defect(const PackedTable& table) {
  const PackedScheme* scheme = find_scheme(table.scheme);
  if (scheme == nullptr)
    return fmt::format("unknown scheme \"{}\"; known are {}", table.scheme, scheme_names());
  if (table.rows < 1 || table.rows > kMaxTableRows || table.dim < 1 || table.dim > kMaxTableDim)
    return fmt::format("shape ({}, {}) is out of range", table.rows, table.dim);
  for (const PackedField& field : scheme->fields())
    if (const int64_t value = table.*field.value; value < 1 || value > field.most)
      return fmt::format("{} {} is out of range: 1 to {} belong", field.name, value, field.most);
  if (scheme->has_codes()) return scheme->tiers_defect(table);
  return table.has_codes() ? fmt::format("{} has no tiers", table.scheme) : "";
}

std::string scheme_names() {
  std::string names;
  for (const PackedScheme* scheme : schemes())
    names += (names.empty() ? "" : ", ") + scheme->name();
  return names;
}

}  // namespace mgqe
