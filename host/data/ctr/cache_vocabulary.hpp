// CachedVocabulary: what a cache knows of the values behind a field's ids.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "host/data/ctr/ctr_cache.hpp"
#include "host/data/ctr/vocabulary.hpp"
#include "host/data/text/byte_table.hpp"

namespace mgqe {

/// Views of a cache, which must outlive it. InputError where that is damaged.
class CachedVocabulary {
 public:
  CachedVocabulary(const CtrCache& cache, const CachedField& field);

  /// How often training has each id, (rows): falling.
  std::span<const int64_t> counts() const { return counts_; }
  /// The value that has this id, of a field with texts; "" of its OOV row.
  std::string_view text(int64_t id) const;
  /// The lower bounds of quantile buckets but the first.
  std::vector<double> bounds() const { return {bounds_.begin(), bounds_.end()}; }

  /// To read further files by: texts numbered in the order of their ids.
  ByteTable texts() const;
  /// Of those numbers, or of the cells that hashed values and buckets have.
  FieldVocabulary vocabulary() const;

 private:
  /// Of hashed values and buckets: whether each cell has an id that is a row.
  bool has_cells() const;
  int64_t kept() const { return static_cast<int64_t>(ends_.size()); }

  const CachedField& field_;
  std::span<const char> texts_;
  std::span<const uint64_t> ends_;
  std::span<const int64_t> counts_;
  std::span<const int32_t> ids_;
  std::span<const double> bounds_;
};

}  // namespace mgqe
