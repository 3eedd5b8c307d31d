// SchemeTraits: what the configuration must know of an embedding scheme. How its tables are packed
// is a PackedScheme (host/packed), how they are trained an EmbeddingScheme (models/embeddings); the
// three go by one name.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "host/config/config.hpp"

namespace mgqe {

struct SchemeTraits {
  const char* name;
  bool quantized = false;      // rows are codes into codebooks
  bool tiered = false;         // ids are encoded by their popularity, in tiers
  bool one_table = false;      // about one table of many features, so about --task ctr alone
  bool sharded = true;         // whether its rows can be sharded over ranks
  bool bfloat16_rows = false;  // whether they can be stored in bfloat16
  /// Keys of section "embedding" that say, beside dim, how large a table is; tiers where given.
  std::array<const char*, 4> sizes{};
  /// Other keys of that section which it reads, beside those that every scheme does.
  std::array<const char*, 14> options{};
  /// Fills options of its own that were not given. Null where there is nothing to fill.
  void (*resolve)(EmbeddingConfig& embedding) = nullptr;
  /// Refuses values of its own options, but for what validate_dim does.
  void (*validate)(const EmbeddingConfig& embedding) = nullptr;
  /// Refuses options that do not fit a table of this dimension, which `flag` sets.
  void (*validate_dim)(const EmbeddingConfig& embedding, int64_t dim, const char* flag) = nullptr;
  /// Its sizes for people: " r=16". Null where the dimension says it all.
  std::string (*label)(const EmbeddingConfig& embedding) = nullptr;

  /// Whether tiers of one codebook can be planned from a budget.
  bool planned() const { return tiered && quantized; }
  bool is_size(std::string_view key) const;
  /// Whether a run of this scheme depends on that key of section "embedding".
  bool reads(std::string_view key) const;
};

/// In the order in which they are listed for people.
const std::vector<const SchemeTraits*>& scheme_traits();
/// InputError that lists the known ones, behind what the name was given to.
const SchemeTraits& traits_of_scheme(std::string_view name, const char* flag = "--embedding");
/// "full, dpq_vq or mgqe": the schemes that an option is for.
std::string schemes_that(bool (*able)(const SchemeTraits&));

/// Adds a scheme, which must outlive every use. Built-in ones are a line in scheme_traits.cpp.
void add_scheme_traits(const SchemeTraits& traits);

/// "256/64"
std::string joined(const std::vector<int>& values);

/// InputErrors that name the flag.
void check_positive(const char* flag, double value);
void check_not_negative(const char* flag, double value);
void check_fraction(const char* flag, double value);

}  // namespace mgqe
