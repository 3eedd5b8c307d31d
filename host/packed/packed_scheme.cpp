// The registry of schemes, and those that store no codes.
#include "host/packed/packed_scheme.hpp"

#include <cmath>

#include <fmt/format.h>

namespace mgqe {
namespace {

/// 32 n d
class Full final : public PackedScheme {
  std::string name() const override { return "full"; }
  std::vector<ArraySpec> expected_arrays(const PackedTable& table) const override {
    return {{"table", DType::kF32, {table.rows, table.dim}, 0}};
  }
  int64_t formula_bits(const PackedTable& table) const override { return table.full_bits(); }
};

/// 32 (n r + r d)
class LowRank final : public PackedScheme {
  std::string name() const override { return "low_rank"; }
  std::vector<PackedField> fields() const override {
    return {{"rank", &PackedTable::rank, kMaxTableDim}};
  }
  std::vector<ArraySpec> expected_arrays(const PackedTable& table) const override {
    return {{"factor", DType::kF32, {table.rows, table.rank}, 0},
            {"basis", DType::kF32, {table.rank, table.dim}}};
  }
  int64_t formula_bits(const PackedTable& table) const override {
    return 32 * (table.rows * table.rank + table.rank * table.dim);
  }
};

/// n b d + 64 d
class ScalarQuantized final : public PackedScheme {
 public:
  explicit ScalarQuantized(const char* name) : name_(name) {}

 private:
  std::string name() const override { return name_; }
  std::vector<PackedField> fields() const override {
    return {{"bits", &PackedTable::bits, kMaxCellBits}};
  }
  std::vector<ArraySpec> expected_arrays(const PackedTable& table) const override {
    return {{"cells", DType::kU8, {table.rows, row_bytes(table)}, 0},
            {"low", DType::kF32, {table.dim}},
            {"high", DType::kF32, {table.dim}}};
  }
  /// Any bits make cells within 2^b, so only the bounds can be wrong.
  std::string values_defect(const PackedTable& table, const ArrayViews& arrays) const override {
    const auto low = arrays.at("low").as<float>(), high = arrays.at("high").as<float>();
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

  static int64_t row_bytes(const PackedTable& table) {
    return packed_row_bytes(static_cast<int>(table.dim), static_cast<int>(table.bits));
  }

  const char* name_;
};

/// 32 m d
class Hashed final : public PackedScheme {
 public:
  explicit Hashed(const char* name) : name_(name) {}

 private:
  std::string name() const override { return name_; }
  std::vector<PackedField> fields() const override {
    return {{"buckets", &PackedTable::buckets, kMaxTableRows}};
  }
  std::vector<ArraySpec> expected_arrays(const PackedTable& table) const override {
    return {{"table", DType::kF32, {table.buckets, table.dim}}};
  }
  int64_t formula_bits(const PackedTable& table) const override {
    return 32 * table.buckets * table.dim;
  }

  const char* name_;
};

/// 32 d (m + ceil(n / m))
class QuotientRemainder final : public PackedScheme {
  std::string name() const override { return "quotient_remainder"; }
  std::vector<PackedField> fields() const override {
    return {{"buckets", &PackedTable::buckets, kMaxTableRows}};
  }
  std::vector<ArraySpec> expected_arrays(const PackedTable& table) const override {
    return {{"quotients", DType::kF32, {quotients(table), table.dim}},
            {"remainders", DType::kF32, {table.buckets, table.dim}}};
  }
  int64_t formula_bits(const PackedTable& table) const override {
    return 32 * table.dim * (table.buckets + quotients(table));
  }

  static int64_t quotients(const PackedTable& table) {
    return (table.rows + table.buckets - 1) / table.buckets;
  }
};

/// 32 (m d + n)
class Memcom final : public PackedScheme {
  std::string name() const override { return "memcom"; }
  std::vector<PackedField> fields() const override {
    return {{"buckets", &PackedTable::buckets, kMaxTableRows}};
  }
  std::vector<ArraySpec> expected_arrays(const PackedTable& table) const override {
    return {{"table", DType::kF32, {table.buckets, table.dim}},
            {"factors", DType::kF32, {table.rows}}};
  }
  int64_t formula_bits(const PackedTable& table) const override {
    return 32 * (table.buckets * table.dim + table.rows);
  }
};

/// 32 sum_i (n_i w_i + w_i d), the last where w_i < d
class MixedDim final : public PackedScheme {
  std::string name() const override { return "mixed_dim"; }
  bool has_blocks() const override { return true; }
  std::string blocks_defect(const PackedTable& table) const override {
    const auto& blocks = table.blocks;
    if (blocks.empty() || blocks.size() > kMaxTiers)
      return fmt::format("{} blocks where 1 to {} belong", blocks.size(), kMaxTiers);
    for (size_t i = 0; i < blocks.size(); ++i) {
      const int64_t widest = i == 0 ? table.dim : blocks[i - 1].width;
      if (blocks[i].end < table.block_begin(i))
        return fmt::format("block {} ends at row {}, before it begins", i, blocks[i].end);
      if (blocks[i].width < 1 || blocks[i].width > widest)
        return fmt::format("block {} is {} wide where 1 to {} belong", i, blocks[i].width, widest);
    }
    if (blocks.back().end != table.rows)
      return fmt::format("blocks end at row {} of {}", blocks.back().end, table.rows);
    return "";
  }
  std::vector<ArraySpec> expected_arrays(const PackedTable& table) const override {
    std::vector<ArraySpec> arrays;
    for (size_t i = 0; i < table.blocks.size(); ++i) {
      const int64_t width = table.blocks[i].width;
      arrays.push_back({fmt::format("table.{}", i), DType::kF32, {table.block_rows(i), width}});
      if (width < table.dim)
        arrays.push_back({fmt::format("projection.{}", i), DType::kF32, {width, table.dim}});
    }
    return arrays;
  }
  int64_t formula_bits(const PackedTable& table) const override {
    int64_t floats = 0;
    for (size_t i = 0; i < table.blocks.size(); ++i) {
      const int64_t width = table.blocks[i].width;
      floats += (table.block_rows(i) + (width < table.dim ? table.dim : 0)) * width;
    }
    return 32 * floats;
  }
};

/// A new scheme is one line here.
std::vector<const PackedScheme*>& schemes() {
  static const Full full;
  static const LowRank low_rank;
  static const ScalarQuantized scalar_quantized("scalar_quantized"), lsq("lsq");
  static const Hashed hashed("hashed"), multiplexed("multiplexed");
  static const QuotientRemainder quotient_remainder;
  static const Memcom memcom;
  static const MixedDim mixed_dim;
  static std::vector<const PackedScheme*> all = [] {
    std::vector<const PackedScheme*> list = {&full,     &low_rank,    &scalar_quantized,   &lsq,
                                             &hashed,   &multiplexed, &quotient_remainder, &memcom,
                                             &mixed_dim};
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
  if (scheme->has_blocks()) return scheme->blocks_defect(table);
  return table.has_codes() ? fmt::format("{} has no tiers", table.scheme) : "";
}

std::string scheme_names() {
  std::string names;
  for (const PackedScheme* scheme : schemes())
    names += (names.empty() ? "" : ", ") + scheme->name();
  return names;
}

}  // namespace mgqe
