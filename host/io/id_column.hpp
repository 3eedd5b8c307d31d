// IdColumn: the original ids of an entity's rows where they lie, in the arrays of an artifact.
//
//   ids.E i64 (n)                              integers, or
//   ids.E.text u8, ids.E.offsets i64 (n + 1)   texts, that of row r at bytes offsets[r] ..
//                                              offsets[r + 1]; or no array: the id is the row
//   ids.E.order i32 (n)                        rows by ascending id, since version 3
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mgqe {

enum class IdKind { kRows, kIntegers, kText };

/// "rows", "integers" or "text", as the metadata says it.
const char* id_kind_name(IdKind kind);

struct IdColumn {
  IdKind kind = IdKind::kRows;
  int64_t rows = 0;
  std::span<const int64_t> integers;  // (rows) of kIntegers
  std::span<const int64_t> offsets;   // (rows + 1) of kText
  std::span<const uint8_t> text;      // of kText
  std::span<const int32_t> order;     // (rows), or empty: not stored

  /// Of kText; whether its offsets lie within the text is looked at, and said by false.
  bool text_at(int64_t row, std::string_view& id) const;
};

/// Rows by ascending id: integers by value, texts byte by byte, equal ones by row. The offsets of
/// texts must be good.
std::vector<int32_t> sort_rows(const IdColumn& column);

/// What is wrong with offsets, or with an order that is stored: it must sort strictly, so that no
/// two rows have one id. In words; empty when nothing is.
std::string id_defect(const IdColumn& column);

}  // namespace mgqe
