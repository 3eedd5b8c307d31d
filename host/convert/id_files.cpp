#include "host/convert/id_files.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <string_view>

#include "host/base/check.hpp"
#include "host/convert/npy.hpp"
#include "host/data/text/fields.hpp"
#include "host/data/text/text_reader.hpp"

namespace mgqe {

namespace fs = std::filesystem;

namespace {

bool is_npy(const fs::path& path) { return path.extension() == ".npy"; }

/// Element i of an array at any address.
template <class T>
T element(const FileArray& array, int64_t i) {
  T value;
  std::memcpy(&value, array.bytes.data() + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

double number_at(const FileArray& array, int64_t i) {
  switch (array.dtype) {
    case DType::kF32:
      return element<float>(array, i);
    case DType::kF64:
      return element<double>(array, i);
    case DType::kF16:
      return to_float(element<Half>(array, i));
    case DType::kI32:
      return element<int32_t>(array, i);
    case DType::kI64:
      return static_cast<double>(element<int64_t>(array, i));
    case DType::kU64:
      return static_cast<double>(element<uint64_t>(array, i));
    default:
      return array.bytes[static_cast<size_t>(i)];
  }
}

FileArray read_vector(const fs::path& path, int64_t rows, const char* what) {
  FileArray array = read_npy(path);
  if (array.shape != std::vector{rows})
    input_error(array.name, " has the shape ", array.shape_text(), " where (", rows,
                ",) belongs: ", what, " for every row");
  return array;
}

OriginalIds read_npy_ids(const fs::path& path, int64_t rows) {
  const FileArray array = read_vector(path, rows, "an id");
  OriginalIds ids;
  ids.integers.resize(static_cast<size_t>(rows));
  for (int64_t r = 0; r < rows; ++r) {
    int64_t& id = ids.integers[static_cast<size_t>(r)];
    if (array.dtype == DType::kI64)
      id = element<int64_t>(array, r);
    else if (array.dtype == DType::kI32)
      id = element<int32_t>(array, r);
    else
      input_error(array.name, " does not hold ids: save them as int64, or a text a line");
  }
  return ids;
}

/// Integers while all lines are.
OriginalIds read_text_ids(const fs::path& path, int64_t rows) {
  TextReader reader(Bytes::map(path));
  OriginalIds ids;
  int64_t count = 0;
  for (std::string_view line; reader.next(line); ++count) {
    if (count == rows) reader.fail("it has more lines than the table has rows, ", rows);
    if (int64_t id = 0; ids.strings.empty() && canonical_integer(line, id)) {
      ids.integers.push_back(id);
      continue;
    }
    for (const int64_t id : ids.integers) ids.strings.push_back(std::to_string(id));
    ids.integers.clear();
    ids.strings.emplace_back(line);
  }
  if (count < rows)
    input_error(path.string(), " has ", count, " ids, but the table has ", rows, " rows");
  return ids;
}

/// From an id to its row, by binary search.
class RowsById {
 public:
  explicit RowsById(const OriginalIds& ids) : stored_(ids), column_(stored_.column()) {}

  /// -1 where there is none.
  int64_t row_of(std::string_view text) const {
    if (column_.kind == IdKind::kText)
      return search(text, [&](int32_t row) {
        std::string_view id;
        column_.text_at(row, id);
        return id;
      });
    int64_t id = 0;
    if (!canonical_integer(text, id)) return -1;
    if (column_.kind == IdKind::kRows) return id >= 0 && id < column_.rows ? id : -1;
    return search(id, [&](int32_t row) { return column_.integers[static_cast<size_t>(row)]; });
  }

 private:
  template <class Id, class At>
  int64_t search(const Id& id, const At& at) const {
    const std::span<const int32_t> order = column_.order;
    const auto found = std::lower_bound(order.begin(), order.end(), id,
                                        [&](int32_t row, const Id& x) { return at(row) < x; });
    return found != order.end() && at(*found) == id ? *found : -1;
  }

  StoredIds stored_;
  IdColumn column_;
};

void check_count(const std::string& where, double count) {
  if (!(count >= 0.0) || !std::isfinite(count))
    input_error(where, ": the count ", count, " is not 0 or more");
}

}  // namespace

OriginalIds read_ids(const fs::path& path, int64_t rows) {
  OriginalIds ids = is_npy(path) ? read_npy_ids(path, rows) : read_text_ids(path, rows);
  if (const std::string repeated = repeated_id(ids); !repeated.empty())
    input_error(path.string(), ": ", repeated, " stands for two rows");
  return ids;
}

std::vector<double> read_counts(const fs::path& path, const OriginalIds& ids) {
  std::vector<double> counts(static_cast<size_t>(ids.size()));
  if (is_npy(path)) {
    const FileArray array = read_vector(path, ids.size(), "a count");
    for (size_t r = 0; r < counts.size(); ++r) {
      counts[r] = number_at(array, static_cast<int64_t>(r));
      check_count(array.name + ": row " + std::to_string(r), counts[r]);
    }
    return counts;
  }
  const RowsById rows(ids);
  std::vector<bool> known(counts.size());
  TextReader reader(Bytes::map(path));
  for (std::string_view line; reader.next(line);) {
    const size_t end = line.find_last_of(" \t,");
    if (end == std::string_view::npos) reader.fail("expected an id and its count");
    const std::string_view id = line.substr(0, line.find_last_not_of(" \t,", end) + 1);
    const int64_t row = rows.row_of(id);
    if (row < 0) reader.fail("the table has no id ", quoted(id));
    if (known[static_cast<size_t>(row)]) reader.fail("id ", quoted(id), " has a count already");
    known[static_cast<size_t>(row)] = true;
    const double count = parse_number(reader, line.substr(end + 1), "count");
    check_count(reader.where(), count);
    counts[static_cast<size_t>(row)] = count;
  }
  return counts;
}

OriginalIds row_numbers(int64_t rows) {
  OriginalIds ids;
  ids.integers.resize(static_cast<size_t>(rows));
  std::iota(ids.integers.begin(), ids.integers.end(), int64_t{0});
  return ids;
}

OriginalIds in_order(OriginalIds ids, const std::vector<int32_t>& order) {
  if (order.empty()) return ids;
  OriginalIds ordered;
  for (const int32_t row : order) {
    const auto at = static_cast<size_t>(row);
    if (ids.strings.empty())
      ordered.integers.push_back(ids.integers[at]);
    else
      ordered.strings.push_back(std::move(ids.strings[at]));
  }
  return ordered;
}

std::string repeated_id(const OriginalIds& ids) {
  const StoredIds stored(ids);
  const IdColumn column = stored.column();
  for (size_t i = 1; i < column.order.size(); ++i) {
    const auto a = static_cast<size_t>(column.order[i - 1]);
    const auto b = static_cast<size_t>(column.order[i]);
    if (column.kind == IdKind::kText && ids.strings[a] == ids.strings[b])
      return "id " + mgqe::quoted(ids.strings[a]);
    if (column.kind == IdKind::kIntegers && ids.integers[a] == ids.integers[b])
      return "id " + std::to_string(ids.integers[a]);
  }
  return "";
}

}  // namespace mgqe
