#include "host/data/interactions/id_table.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace mgqe {

std::string DataIds::name(int64_t id) const {
  MGQE_CHECK(id >= 0 && id < size(), "id ", id, " of ", size());
  return strings.empty() ? std::to_string(integers[id]) : strings[id];
}

// A bit per possible value and, for each word, the count of bits before it: ranks in constant time
// without sorting, 384 MB at the very worst (values up to 2^31 - 1).
std::vector<int64_t> compact_ids(std::vector<int32_t>& values) {
  if (values.empty()) return {};
  const auto max = static_cast<size_t>(*std::max_element(values.begin(), values.end()));
  std::vector<uint64_t> present(max / 64 + 1);
  for (const int32_t value : values) present[value >> 6] |= uint64_t{1} << (value & 63);

  std::vector<int32_t> before(present.size());
  std::vector<int64_t> distinct;
  for (size_t word = 0; word < present.size(); ++word) {
    before[word] = static_cast<int32_t>(distinct.size());
    for (uint64_t bits = present[word]; bits != 0; bits &= bits - 1)
      distinct.push_back(static_cast<int64_t>(word) * 64 + std::countr_zero(bits));
  }
  for (int32_t& value : values) {
    const uint64_t below = present[value >> 6] & ((uint64_t{1} << (value & 63)) - 1);
    value = before[value >> 6] + std::popcount(below);
  }
  return distinct;
}

void KeyTable::check_new(const TextReader& reader, std::string_view key) {
  if (int64_t value = 0; !canonical_integer(key, value)) {
    if (is_missing_value(key))
      reader.fail(what_, " ", quoted(key),
                  " is how programs write a value that is missing: remove the line, or rename the ",
                  what_, " if that is its name");
    integers_ = false;
  }
  if (size() > limit_)
    reader.fail(what_, " ", quoted(key), " is one more than the ", limit_,
                " distinct ids that are supported");
}

template <class Key, class ValueOf>
std::vector<Key> KeyTable::sort_keys(std::vector<int32_t>& column, const ValueOf& value_of) const {
  std::vector<std::pair<decltype(value_of({})), uint32_t>> keys;
  keys.reserve(static_cast<size_t>(size()));
  for (uint32_t number = 0; number < static_cast<uint32_t>(size()); ++number)
    keys.emplace_back(value_of(keys_.key(number)), number);
  std::sort(keys.begin(), keys.end());
  std::vector<int32_t> dense(keys.size());
  std::vector<Key> sorted;
  sorted.reserve(keys.size());
  for (const auto& [key, number] : keys) {
    dense[number] = static_cast<int32_t>(sorted.size());
    sorted.emplace_back(key);
  }
  for (int32_t& number : column) number = dense[static_cast<size_t>(number)];
  return sorted;
}

DataIds KeyTable::finish(std::vector<int32_t>& column) {
  DataIds ids;
  if (integers_)
    ids.integers = sort_keys<int64_t>(column, [](std::string_view text) {
      int64_t value = 0;
      canonical_integer(text, value);
      return value;
    });
  else
    ids.strings = sort_keys<std::string>(column, [](std::string_view text) { return text; });
  keys_ = {};
  integers_ = true;
  return ids;
}

}  // namespace mgqe
