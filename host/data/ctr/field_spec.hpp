// FieldSpec: what becomes of one column of a file. Read from words on a command line, from the
// types of a header, and kept in the cache.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace mgqe {

enum class FieldKind {
  kCategorical,      // one value, one id
  kLogBuckets,       // a number x, one id for each floor(log(|x| + 1)^2), apart by sign
  kQuantileBuckets,  // a number, one id for each of so many equal parts of the training rows
  kDense,            // a number, or its logarithm, that stays one
  kBag,              // several values, an id each
  kLabel,
  kIgnored,
};

/// "categorical", "log", "quantile", "dense", "bag", "label", "ignored"
const char* name_of(FieldKind kind);

struct FieldSpec {
  static constexpr int64_t kUnset = -1;
  static constexpr int64_t kDefaultBuckets = 16;

  std::string name;
  FieldKind kind = FieldKind::kCategorical;
  // Values that training has fewer than so many times share the row of what was never seen.
  int64_t min_count = kUnset;  // categorical, log, bag
  int64_t hash_rows = kUnset;  // categorical, bag: values share so many rows by a hash; 0: not
  int64_t buckets = kDefaultBuckets;  // quantile
  char separator = ' ';               // of a bag's values
  bool log = false;                   // dense: log(max(x + shift, 1))
  double shift = 1.0;
  bool standard = true;             // dense: with mean 0 and variance 1 over the training rows
  std::optional<double> threshold;  // label: 1 where the number is above it

  bool operator==(const FieldSpec&) const = default;

  bool hashed() const { return hash_rows > 0; }
  /// Whether values have ids of their own, kept as texts.
  bool has_texts() const {
    return kind == FieldKind::kLogBuckets ||
           ((kind == FieldKind::kCategorical || kind == FieldKind::kBag) && !hashed());
  }
  /// One id a row.
  bool single() const {
    return kind == FieldKind::kCategorical || kind == FieldKind::kLogBuckets ||
           kind == FieldKind::kQuantileBuckets;
  }
  bool has_ids() const { return single() || kind == FieldKind::kBag; }
};

/// "NAME[:min=N][:hash=N][:buckets=N][:sep=C][:log][:shift=X][:raw]"; a NAME that ends with *
/// stands for every column that begins so. Of a label: "NAME" or "NAME>NUMBER". InputError names
/// `flag`.
FieldSpec parse_field(FieldKind kind, const std::string& text, const std::string& flag);

/// A column and what its header or its format says it is.
struct NamedColumn {
  std::string name;
  std::optional<FieldKind> kind;
};
/// "NAME", or "NAME:TYPE" with RecBole's types: token, float, token_seq and float_seq, which is
/// ignored. Any other colon is part of the name.
NamedColumn parse_column(std::string_view text);

/// What columns get that say nothing of their own.
struct FieldDefaults {
  int64_t min_count = 1;
  int64_t hash_rows = 0;
  bool ignore_unnamed = false;  // else they are of their header's type, or categorical
};

/// A spec for each column, in their order, from those given by name. A given name that no column
/// has, one given twice, no label or several are InputErrors that begin with `where`.
std::vector<FieldSpec> resolve_fields(const std::vector<NamedColumn>& columns,
                                      const std::vector<FieldSpec>& given,
                                      const FieldDefaults& defaults, const std::string& where);

nlohmann::ordered_json to_json(const FieldSpec& spec);
/// Throws nlohmann's exceptions where it is not one.
FieldSpec field_spec_from_json(const nlohmann::ordered_json& json);

}  // namespace mgqe
