#include "host/serve/id_map.hpp"

#include <charconv>
#include <mutex>
#include <utility>
#include <vector>

#include "host/base/check.hpp"

namespace mgqe {

struct IdMap::Order {
  std::once_flag once;
  std::vector<int32_t> rows;
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

/// The first row in order whose id, as at(row) gives it, is `id`.
template <class Id, class At>
int64_t IdMap::search(const Id& id, const At& at) const {
  const std::span<const int32_t> rows = order();
  const auto row_at = [&](int64_t place) -> int64_t {
    const int64_t row = rows[static_cast<size_t>(place)];
    if (row < 0 || row >= size())
      input_error(where_, ": order has row ", row, " at place ", place, ", of ", size(), " rows");
    return row;
  };
  int64_t first = 0, last = size();
  while (first < last) {
    const int64_t middle = first + (last - first) / 2;
    if (at(row_at(middle)) < id)
      first = middle + 1;
    else
      last = middle;
  }
  if (first == size()) return -1;
  const int64_t row = row_at(first);
  return at(row) == id ? row : -1;
}

int64_t IdMap::row_of(int64_t id) const {
  switch (column_.kind) {
    case IdKind::kRows:
      return id >= 0 && id < size() ? id : -1;
    case IdKind::kIntegers:
      return search(id, [&](int64_t row) { return column_.integers[row]; });
    case IdKind::kText:
      return row_of(std::to_string(id));
  }
  return -1;
}

int64_t IdMap::row_of(std::string_view id) const {
  if (column_.kind == IdKind::kText) return search(id, [&](int64_t row) { return view_of(row); });
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
