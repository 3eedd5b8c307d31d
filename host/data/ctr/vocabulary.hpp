// The ids of a field: ranks of its values by how often training has them, so that a tier of popular
// ids is a range.
#pragma once

#include <cstdint>
#include <vector>

#include "host/data/text/byte_table.hpp"

namespace mgqe {

/// Rows of a field's table. Where values are kept as texts, those that training has fewer than
/// min_count times, and those that it never has, share one row, the OOV row; it stands among the
/// others by its own count in training, behind those of equal count: last where training has no
/// such value.
struct FieldVocabulary {
  int64_t rows = 0;
  int64_t oov = -1;             // the id of the OOV row; -1: every value has an id without one
  std::vector<int64_t> counts;  // (rows) in training, by id: falling
  std::vector<int32_t> ids;     // of each number of a value

  /// Of a value's number; those beyond the ones counted are new, and OOV.
  int32_t id(uint32_t number) const {
    return number < ids.size() ? ids[number] : static_cast<int32_t>(oov);
  }
};

/// Of texts, by their counts in training, (texts.size()); ties by text, byte by byte.
FieldVocabulary rank_texts(const ByteTable& texts, const std::vector<int64_t>& counts,
                           int64_t min_count);

/// Of cells that all have a row: of a hash, or buckets. Ties by number.
FieldVocabulary rank_cells(const std::vector<int64_t>& counts);

}  // namespace mgqe
