#include "host/io/id_column.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>

namespace mgqe {

namespace {

std::string offsets_defect(const IdColumn& column) {
  const auto bytes = static_cast<int64_t>(column.text.size());
  if (column.offsets.front() != 0 || column.offsets.back() != bytes)
    return fmt::format("offsets do not run from 0 to the {} bytes of text", bytes);
  for (int64_t r = 0; r < column.rows; ++r)
    if (column.offsets[r + 1] < column.offsets[r] || column.offsets[r + 1] > bytes)
      return fmt::format("offsets are not ascending at row {}", r);
  return "";
}

/// Of texts with good offsets.
std::string_view text_of(const IdColumn& column, int64_t row) {
  std::string_view id;
  column.text_at(row, id);
  return id;
}

bool same_id(const IdColumn& column, int64_t a, int64_t b) {
  return column.kind == IdKind::kText ? text_of(column, a) == text_of(column, b)
                                      : column.integers[a] == column.integers[b];
}

bool below(const IdColumn& column, int64_t a, int64_t b) {
  return column.kind == IdKind::kText ? text_of(column, a) < text_of(column, b)
                                      : column.integers[a] < column.integers[b];
}

std::string id_text(const IdColumn& column, int64_t row) {
  if (column.kind == IdKind::kText) return fmt::format("\"{}\"", text_of(column, row));
  return std::to_string(column.integers[row]);
}

/// n rows in range whose ids ascend strictly are n rows, each once.
std::string order_defect(const IdColumn& column) {
  for (int64_t i = 0; i < column.rows; ++i) {
    const int64_t row = column.order[i];
    if (row < 0 || row >= column.rows)
      return fmt::format("order has row {} at place {}, of {} rows", row, i, column.rows);
    if (i == 0) continue;
    const int64_t before = column.order[i - 1];
    if (row != before && same_id(column, before, row))
      return fmt::format("rows {} and {} both have the id {}", std::min(before, row),
                         std::max(before, row), id_text(column, row));
    if (!below(column, before, row))
      return fmt::format("order does not sort the ids: row {} stands before row {} at place {}",
                         before, row, i);
  }
  return "";
}

}  // namespace

const char* id_kind_name(IdKind kind) {
  switch (kind) {
    case IdKind::kRows:
      return "rows";
    case IdKind::kIntegers:
      return "integers";
    case IdKind::kText:
      return "text";
  }
  return "";
}

bool IdColumn::text_at(int64_t row, std::string_view& id) const {
  const int64_t begin = offsets[row], end = offsets[row + 1];
  if (begin < 0 || end < begin || end > static_cast<int64_t>(text.size())) return false;
  id = {reinterpret_cast<const char*>(text.data()) + begin, static_cast<size_t>(end - begin)};
  return true;
}

std::vector<int32_t> sort_rows(const IdColumn& column) {
  std::vector<int32_t> order(static_cast<size_t>(column.rows));
  std::iota(order.begin(), order.end(), 0);
  if (column.kind == IdKind::kText) {
    std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      const int sign = text_of(column, a).compare(text_of(column, b));
      return sign != 0 ? sign < 0 : a < b;
    });
  } else if (column.kind == IdKind::kIntegers &&
             !std::is_sorted(column.integers.begin(), column.integers.end())) {
    // Keys beside their rows: twice as fast as looking the keys up.
    std::vector<std::pair<int64_t, int32_t>> keyed(order.size());
    for (size_t r = 0; r < keyed.size(); ++r) keyed[r] = {column.integers[r], order[r]};
    std::sort(keyed.begin(), keyed.end());
    for (size_t r = 0; r < keyed.size(); ++r) order[r] = keyed[r].second;
  }
  return order;
}

std::string id_defect(const IdColumn& column) {
  if (column.kind == IdKind::kRows) return "";
  if (column.kind == IdKind::kText)
    if (std::string defect = offsets_defect(column); !defect.empty()) return defect;
  return column.order.empty() ? "" : order_defect(column);
}

}  // namespace mgqe
