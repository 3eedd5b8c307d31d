// The schemes whose tables are codes into codebooks, tier by tier. With n_i rows, D_i subspaces and
// K_i centroids in tier i, and dimension d, a table takes
//   sum_i n_i D_i ceil(log2 K_i)  +  32 K_1 d         one codebook, tier i uses its first K_i rows
//                                 +  sum_i 32 K_i d   a codebook for each tier
// bits, and what it takes to start every row on a byte. In S stages (prq) D and d are S times as
// many, and a rotation takes 32 d^2 more. Centroids in f16 take 16 bits in place of 32.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "host/packed/packed_scheme.hpp"

namespace mgqe {
namespace {

struct CodeLayout {
  int bits;           // of a code
  int64_t row_bits;   // of its D codes
  int64_t row_bytes;  // that hold them
};

CodeLayout layout_of(const PackedTable& table, int tier) {
  const int bits = code_bits(table.tiers[tier].centroids), codes = table.code_count(tier);
  return {bits, static_cast<int64_t>(codes) * bits, packed_row_bytes(codes, bits)};
}

std::string codes_name(int tier) { return fmt::format("codes.{}", tier); }

/// How far rows of a rotation may be from orthogonal: more than floats can be blamed for.
constexpr double kMostSkew = 1e-5;

std::string rotation_defect(std::span<const float> rotation, int64_t d) {
  for (int64_t i = 0; i < d; ++i)
    for (int64_t k = 0; k <= i; ++k) {
      double dot = 0.0;
      for (int64_t c = 0; c < d; ++c)
        dot += static_cast<double>(rotation[i * d + c]) * rotation[k * d + c];
      if (!(std::abs(dot - (i == k ? 1.0 : 0.0)) <= kMostSkew))
        return fmt::format("rotation is not orthogonal: rows {} and {} have the product {}", k, i,
                           dot);
    }
  return "";
}

class Coded : public PackedScheme {
 public:
  Coded(const char* name, int max_tiers) : name_(name), max_tiers_(max_tiers) {}

  std::string name() const override { return name_; }
  bool has_codes() const override { return true; }

  std::string tiers_defect(const PackedTable& table) const override {
    const int count = static_cast<int>(std::min<size_t>(table.tiers.size(), kMaxTiers + 1));
    if (count < 1 || count > max_tiers_)
      return max_tiers_ == 1
                 ? fmt::format("{} has one tier, not {}", name_, table.tiers.size())
                 : fmt::format("{} tiers where 1 to {} belong", table.tiers.size(), max_tiers_);
    if (table.codebook_type != DType::kF32 && table.codebook_type != DType::kF16)
      return "its codebooks are neither f32 nor f16";
    if (table.private_codebooks && max_tiers_ == 1)
      return fmt::format("{} has no private codebooks", name_);
    for (int i = 0; i < count; ++i)
      if (std::string defect = tier_defect(table, i); !defect.empty()) return defect;
    if (table.tiers.back().end != table.rows)
      return fmt::format("tiers end at row {} of {}", table.tiers.back().end, table.rows);
    return "";
  }

  std::vector<ArraySpec> expected_arrays(const PackedTable& table) const override {
    std::vector<ArraySpec> specs;
    specs.reserve(static_cast<size_t>(codebooks(table)) + table.tiers.size());
    for (int i = 0; i < codebooks(table); ++i)
      specs.push_back({table.codebook_name(i),
                       table.codebook_type,
                       {table.tiers[i].centroids, table.code_dim()}});
    for (int i = 0; i < static_cast<int>(table.tiers.size()); ++i)
      specs.push_back({codes_name(i),
                       DType::kU8,
                       {table.tier_rows(i), layout_of(table, i).row_bytes},
                       table.tier_begin(i)});
    if (table.rotated) specs.push_back({"rotation", DType::kF32, {table.dim, table.dim}});
    return specs;
  }

  /// A code of K = 200 has eight bits, and so room for codes that are no centroids: look at them
  /// all.
  std::string values_defect(const PackedTable& table, const ArrayViews& arrays) const override {
    for (int i = 0; i < static_cast<int>(table.tiers.size()); ++i) {
      const PackedTier& tier = table.tiers[i];
      const CodeLayout layout = layout_of(table, i);
      if (tier.centroids == 1 << layout.bits) continue;
      const uint8_t* row = arrays.at(codes_name(i)).bytes.data();
      for (int64_t r = table.tier_begin(i); r < tier.end; ++r, row += layout.row_bytes)
        for (int j = 0; j < table.code_count(i); ++j)
          if (const int code = unpack_code(row, j, layout.bits); code >= tier.centroids)
            return fmt::format("row {} has code {} where codes are below {}", r, code,
                               tier.centroids);
    }
    return table.rotated ? rotation_defect(arrays.at("rotation").as<float>(), table.dim) : "";
  }

  int64_t formula_bits(const PackedTable& table) const override {
    int64_t bits = 0;
    for (int i = 0; i < codebooks(table); ++i)
      bits += table.component_bits() * table.tiers[i].centroids * table.code_dim();
    for (int i = 0; i < static_cast<int>(table.tiers.size()); ++i)
      bits += table.tier_rows(i) * layout_of(table, i).row_bits;
    return bits + (table.rotated ? 32 * table.dim * table.dim : 0);
  }

  int64_t padding_bits(const PackedTable& table) const override {
    int64_t bits = 0;
    for (int i = 0; i < static_cast<int>(table.tiers.size()); ++i) {
      const CodeLayout layout = layout_of(table, i);
      bits += table.tier_rows(i) * (8 * layout.row_bytes - layout.row_bits);
    }
    return bits;
  }

 private:
  static int codebooks(const PackedTable& table) {
    return table.private_codebooks ? static_cast<int>(table.tiers.size()) : 1;
  }

  /// Tiers before it are known to be good.
  static std::string tier_defect(const PackedTable& table, int i) {
    const PackedTier& tier = table.tiers[i];
    if (tier.subspaces < 1 || table.dim % tier.subspaces != 0)
      return fmt::format("{} subspaces do not divide dimension {}", tier.subspaces, table.dim);
    const bool shares = i > 0 && !table.private_codebooks;
    const int most = shares ? table.tiers[i - 1].centroids : kMaxCentroids;
    if (tier.centroids < 1 || tier.centroids > most)
      return fmt::format("tier {} has {} centroids where 1 to {} belong", i, tier.centroids, most);
    if (shares && tier.subspaces != table.tiers[0].subspaces)
      return fmt::format("tier {} has {} subspaces in a codebook of {}", i, tier.subspaces,
                         table.tiers[0].subspaces);
    if (tier.end < table.tier_begin(i))
      return fmt::format("tier {} ends at row {}, before it begins", i, tier.end);
    if (tier.end > table.rows)
      return fmt::format("tiers end at row {} of {}", tier.end, table.rows);
    return "";
  }

  const char* name_;
  int max_tiers_;
};

/// Product residual quantization, of rows that may be rotated.
class Staged final : public Coded {
 public:
  Staged() : Coded("prq", kMaxTiers) {}
  bool may_rotate() const override { return true; }
  std::vector<PackedField> fields() const override {
    return {{"stages", &PackedTable::stages, kMaxStages}};
  }
};

}  // namespace

const std::vector<const PackedScheme*>& coded_schemes() {
  static const Coded dpq_vq("dpq_vq", 1), dpq_sx("dpq_sx", 1), mgqe("mgqe", kMaxTiers);
  static const Staged prq;
  static const std::vector<const PackedScheme*> all = {&dpq_vq, &dpq_sx, &mgqe, &prq};
  return all;
}

}  // namespace mgqe
