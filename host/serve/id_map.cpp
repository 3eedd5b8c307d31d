#include "host/serve/id_map.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <charconv>
#include <mutex>
#include <utility>
#include <vector>

#include "host/base/check.hpp"

namespace mgqe {

namespace {

/// Rows for one step that is kept, and steps kept at most.
constexpr int64_t kRowsPerStep = 16;
constexpr int64_t kMostSteps = int64_t{1} << 17;

/// Eight bytes of a text from `first` on, zeros beyond its end, as a number that orders as they do.
uint64_t key_of_text(std::string_view text, size_t first) {
  uint64_t key = 0;
  for (size_t i = first; i < first + 8; ++i)
    key = key << 8 | (i < text.size() ? static_cast<uint8_t>(text[i]) : 0);
  return key;
}

}  // namespace

struct IdMap::Order {
  std::once_flag once;
  std::vector<int32_t> rows;

  // Steps of searches as a binary tree: that of node s goes on at 2 s, or 2 s + 1 for greater ids.
  // A key with its lowest bit set, 0 where no search has come by; keys that are equal but for that
  // bit decide nothing.
  std::once_flag steps_once;
  int64_t steps_count = 0;
  std::unique_ptr<std::atomic<uint64_t>[]> steps;
};

IdMap::IdMap(const IdColumn& column, std::string where)
    : column_(column), where_(std::move(where)), order_(std::make_shared<Order>()) {}

void IdMap::check_row(int64_t row) const {
  if (row < 0 || row >= size())
    input_error(where_, ": there is no row ", row, " among rows 0 to ", size() - 1);
}

/// Of the file, or built by the first who asks; what throws leaves the next one to try again.
std::span<const int32_t> IdMap::order() const {
  if (!column_.order.empty()) return column_.order;
  std::call_once(order_->once, [&] {
    if (const std::string wrong = defect(); !wrong.empty()) input_error(where_, ": ", wrong);
    order_->rows = sort_rows(column_);
  });
  return order_->rows;
}

/// The first row in order whose id, as at(row) gives it, is `id`. key_of(id) may be the same of ids
/// that are not, but never falls where they rise.
template <class Id, class At, class KeyOf>
int64_t IdMap::search(const Id& id, const At& at, const KeyOf& key_of) const {
  const std::span<const int32_t> rows = order();
  const auto row_at = [&](int64_t place) -> int64_t {
    const int64_t row = rows[static_cast<size_t>(place)];
    if (row < 0 || row >= size())
      input_error(where_, ": order has row ", row, " at place ", place, ", of ", size(), " rows");
    return row;
  };
  std::call_once(order_->steps_once, [&] {
    order_->steps_count = std::min(
        kMostSteps,
        static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(size() / kRowsPerStep))));
    order_->steps =
        std::make_unique<std::atomic<uint64_t>[]>(static_cast<size_t>(order_->steps_count));
  });
  const uint64_t key = key_of(id) | 1;
  const auto is_less = [&](int64_t middle, int64_t step) {
    if (step >= order_->steps_count) return at(row_at(middle)) < id;
    std::atomic<uint64_t>& kept = order_->steps[static_cast<size_t>(step)];
    uint64_t there = kept.load(std::memory_order_relaxed);
    if (there == 0) {
      there = key_of(at(row_at(middle))) | 1;
      kept.store(there, std::memory_order_relaxed);
    }
    return there != key ? there < key : at(row_at(middle)) < id;
  };
  int64_t first = 0, last = size();
  for (int64_t step = 1; first < last;) {
    const int64_t middle = first + (last - first) / 2;
    const bool less = is_less(middle, step);
    step = 2 * step + (less ? 1 : 0);
    if (less)
      first = middle + 1;
    else
      last = middle;
  }
  if (first == size()) return -1;
  const int64_t row = row_at(first);
  return at(row) == id ? row : -1;
}

int64_t IdMap::search_texts(std::string_view id) const {
  const std::span<const int32_t> rows = order();
  if (rows.empty()) return -1;
  // What the least and the greatest begin with, all between them do.
  const std::string_view least = view_of(rows.front()), greatest = view_of(rows.back());
  const size_t common = static_cast<size_t>(
      std::mismatch(least.begin(), least.end(), greatest.begin(), greatest.end()).first -
      least.begin());
  return search(
      id, [&](int64_t row) { return view_of(row); },
      [&](std::string_view text) { return key_of_text(text, common); });
}

int64_t IdMap::row_of(int64_t id) const {
  switch (column_.kind) {
    case IdKind::kRows:
      return id >= 0 && id < size() ? id : -1;
    case IdKind::kIntegers:
      return search(
          id, [&](int64_t row) { return column_.integers[row]; },
          [](int64_t other) { return static_cast<uint64_t>(other) ^ uint64_t { 1 } << 63; });
    case IdKind::kText:
      return row_of(std::to_string(id));
  }
  return -1;
}

int64_t IdMap::row_of(std::string_view id) const {
  if (column_.kind == IdKind::kText) return search_texts(id);
  int64_t number = 0;
  const char* const last = id.data() + id.size();
  const auto [end, error] = std::from_chars(id.data(), last, number);
  return error == std::errc{} && end == last ? row_of(number) : -1;
}

int64_t IdMap::integer_of(int64_t row) const {
  MGQE_CHECK(column_.kind != IdKind::kText, where_, " are texts");
  check_row(row);
  return column_.kind == IdKind::kRows ? row : column_.integers[row];
}

std::string_view IdMap::view_of(int64_t row) const {
  MGQE_CHECK(column_.kind == IdKind::kText, where_, " are no texts");
  check_row(row);
  std::string_view id;
  if (!column_.text_at(row, id))
    input_error(where_, ": the text of row ", row, " would be bytes ", column_.offsets[row], " to ",
                column_.offsets[row + 1], " of ", column_.text.size());
  return id;
}

std::string IdMap::text_of(int64_t row) const {
  if (column_.kind == IdKind::kText) return std::string(view_of(row));
  return std::to_string(integer_of(row));
}

}  // namespace mgqe
