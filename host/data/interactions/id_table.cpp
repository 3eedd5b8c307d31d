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

int32_t KeyTable::number(const TextReader& reader, std::string_view key) {
  const auto next = static_cast<int32_t>(size());
  int64_t value = 0;
  bool added = false;
  int32_t number = 0;
  if (canonical_integer(key, value)) {
    const auto [entry, inserted] = integers_.try_emplace(value, next);
    added = inserted;
    number = entry->second;
  } else if (const auto found = strings_.find(key); found != strings_.end()) {
    number = found->second;
  } else {
    if (is_missing_value(key))
      reader.fail(what_, " ", quoted(key),
                  " is how programs write a value that is missing: remove the line, or rename the ",
                  what_, " if that is its name");
    strings_.emplace(key, next);
    added = true;
    number = next;
  }
  if (added && size() > limit_)
    reader.fail(what_, " ", quoted(key), " is one more than the ", limit_,
                " distinct ids that are supported");
  return number;
}

namespace {

template <class Key>
std::vector<Key> sort_keys(std::vector<std::pair<Key, int32_t>> keys,
                           std::vector<int32_t>& column) {
  std::sort(keys.begin(), keys.end());
  std::vector<int32_t> dense(keys.size());
  std::vector<Key> sorted;
  sorted.reserve(keys.size());
  for (auto& [key, number] : keys) {
    dense[number] = static_cast<int32_t>(sorted.size());
    sorted.push_back(std::move(key));
  }
  for (int32_t& number : column) number = dense[number];
  return sorted;
}

}  // namespace

DataIds KeyTable::finish(std::vector<int32_t>& column) {
  DataIds ids;
  if (all_integers()) {
    ids.integers = sort_keys<int64_t>(
        {std::move_iterator(integers_.begin()), std::move_iterator(integers_.end())}, column);
  } else {
    std::vector<std::pair<std::string, int32_t>> keys(strings_.begin(), strings_.end());
    for (const auto& [value, number] : integers_) keys.emplace_back(std::to_string(value), number);
    ids.strings = sort_keys<std::string>(std::move(keys), column);
  }
  integers_.clear();
  strings_.clear();
  return ids;
}

}  // namespace mgqe
