// PackedScheme: all there is to know of how one scheme packs a table. Whatever reads, writes,
// sizes or checks a PackedTable asks the table's scheme; a new scheme is one class and one entry in
// packed_scheme.cpp. What decodes its arrays on a device is in models/packing/decoder.cpp.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "host/packed/packed_model.hpp"

namespace mgqe {

inline constexpr int64_t kMaxTableRows = 2'147'483'647;  // ids are 32-bit
inline constexpr int64_t kMaxTableDim = 1 << 20;
inline constexpr int kMaxCellBits = 16;
inline constexpr int64_t kMaxStages = 8;

/// A whole number, besides rows and dim, that a scheme keeps of a table.
struct PackedField {
  const char* name;
  int64_t PackedTable::*value;
  int64_t most;  // allowed are 1 to most
};

class PackedScheme {
 public:
  virtual ~PackedScheme() = default;

  virtual std::string name() const = 0;
  virtual std::vector<PackedField> fields() const { return {}; }
  /// Whether its tables have tiers and codebooks.
  virtual bool has_codes() const { return false; }
  /// Whether they say if their rows are rotated.
  virtual bool may_rotate() const { return false; }
  /// Whether its tables have blocks.
  virtual bool has_blocks() const { return false; }
  /// What is wrong with those; empty when nothing is.
  virtual std::string blocks_defect(const PackedTable&) const { return ""; }
  /// What is wrong with tiers and codebooks; empty when nothing is.
  virtual std::string tiers_defect(const PackedTable&) const { return ""; }
  /// Every array of a table without shape_defect.
  virtual std::vector<ArraySpec> expected_arrays(const PackedTable& table) const = 0;
  /// What is wrong with the values of arrays that have the expected shapes; those of the table
  /// itself are not looked at, and may be missing.
  virtual std::string values_defect(const PackedTable&, const ArrayViews&) const { return ""; }

  virtual int64_t formula_bits(const PackedTable& table) const = 0;
  virtual int64_t padding_bits(const PackedTable&) const { return 0; }
};

/// Null where no scheme has the name.
const PackedScheme* find_scheme(std::string_view name);
/// "full, low_rank, ..." for people.
std::string scheme_names();

/// Adds a scheme, which must outlive every use.
void add_packed_scheme(const PackedScheme& scheme);

/// What is wrong with the scheme, the shape, the fields or the tiers of a table, in words; empty
/// when nothing is. The table may be anything; only one without such a defect has expected arrays.
std::string shape_defect(const PackedTable& table);

/// The schemes whose tables are codes into codebooks: dpq_vq, dpq_sx, mgqe and prq.
const std::vector<const PackedScheme*>& coded_schemes();

}  // namespace mgqe
