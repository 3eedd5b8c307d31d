// The schemes whose tables are codes into codebooks, tier by tier. With n_i rows, D_i subspaces and
// K_i centroids in tier i, and dimension d, a table takes
//   sum_i n_i D_i ceil(log2 K_i)  +  32 K_1 d         one codebook, tier i uses its first K_i rows
//                                 +  sum_i 32 K_i d   a codebook for each tier
// bits, and what it takes to start every row on a byte.
#include <algorithm>

#include <fmt/format.h>

#include "host/packed/packed_scheme.hpp"

namespace mgqe {
namespace {

struct CodeLayout {
  int bits;           // of a code
  int64_t row_bits;   // of its D codes
  int64_t row_bytes;  // that hold them
};

CodeLayout layout_of(const PackedTier& tier) {
  const int bits = code_bits(tier.centroids);
  return {bits, static_cast<int64_t>(tier.subspaces) * bits,
          packed_row_bytes(tier.subspaces, bits)};
}

std::string codes_name(int tier) { return fmt::format("codes.{}", tier); }

class Coded final : public PackedScheme {
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
    for (int i = 0; i < codebooks(table); ++i)
      specs.push_back({table.codebook_name(i), DType::kF32, {table.tiers[i].centroids, table.dim}});
    for (int i = 0; i < static_cast<int>(table.tiers.size()); ++i)
      specs.push_back({codes_name(i),
                       DType::kU8,
                       {table.tier_rows(i), layout_of(table.tiers[i]).row_bytes},
                       table.tier_begin(i)});
    return specs;
  }

  /// A code of K = 200 has eight bits, and so room for codes that are no centroids: look at them
  /// all.
  std::string values_defect(const PackedTable& table, const ArrayViews& arrays) const override {
    for (int i = 0; i < static_cast<int>(table.tiers.size()); ++i) {
      const PackedTier& tier = table.tiers[i];
      const CodeLayout layout = layout_of(tier);
      if (tier.centroids == 1 << layout.bits) continue;
      const uint8_t* row = arrays.at(codes_name(i)).bytes.data();
      for (int64_t r = table.tier_begin(i); r < tier.end; ++r, row += layout.row_bytes)
        for (int j = 0; j < tier.subspaces; ++j)
          if (const int code = unpack_code(row, j, layout.bits); code >= tier.centroids)
            return fmt::format("row {} has code {} where codes are below {}", r, code,
                               tier.centroids);
    }
    return "";
  }

  int64_t formula_bits(const PackedTable& table) const override {
    int64_t bits = 0;
    for (int i = 0; i < codebooks(table); ++i) bits += 32 * table.tiers[i].centroids * table.dim;
    for (int i = 0; i < static_cast<int>(table.tiers.size()); ++i)
      bits += table.tier_rows(i) * layout_of(table.tiers[i]).row_bits;
    return bits;
  }

  int64_t padding_bits(const PackedTable& table) const override {
    int64_t bits = 0;
    for (int i = 0; i < static_cast<int>(table.tiers.size()); ++i) {
      const CodeLayout layout = layout_of(table.tiers[i]);
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

}  // namespace

const std::vector<const PackedScheme*>& coded_schemes() {
  static const Coded dpq_vq("dpq_vq", 1), dpq_sx("dpq_sx", 1), mgqe("mgqe", kMaxTiers);
  static const std::vector<const PackedScheme*> all = {&dpq_vq, &dpq_sx, &mgqe};
  return all;
}

}  // namespace mgqe
