// From original ids to dense ones, in ascending order of the originals.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "host/data/dataset.hpp"
#include "host/data/text/byte_table.hpp"
#include "host/data/text/fields.hpp"
#include "host/data/text/text_reader.hpp"

namespace mgqe {

/// Replaces every value (0 or more) by its rank among the distinct ones; returns those, ascending.
std::vector<int64_t> compact_ids(std::vector<int32_t>& values);

/// Numbers opaque keys as they come. Keys stay integers until one is not the canonical spelling of
/// a 64-bit integer; then all of the column are strings.
class KeyTable {
 public:
  /// `what`: "user" or "item", for messages. `limit`: distinct keys that are accepted.
  explicit KeyTable(const char* what, int64_t limit = kMaxId) : what_(what), limit_(limit) {}

  /// The number of `key`, a new one where it was never seen. One key too many is an InputError at
  /// the reader's line.
  int32_t number(const TextReader& reader, std::string_view key) {
    const int64_t before = size();
    const uint32_t number = keys_.number(key);
    if (size() > before) check_new(reader, key);
    return static_cast<int32_t>(number);
  }

  int64_t size() const { return keys_.size(); }
  bool all_integers() const { return integers_; }

  /// Moves the keys out in ascending order and replaces the numbers in `column` by dense ids.
  DataIds finish(std::vector<int32_t>& column);

 private:
  void check_new(const TextReader& reader, std::string_view key);
  /// Of each key in the order of numbers, by `value_of(text)`.
  template <class Key, class ValueOf>
  std::vector<Key> sort_keys(std::vector<int32_t>& column, const ValueOf& value_of) const;

  const char* what_;
  int64_t limit_;
  ByteTable keys_;
  bool integers_ = true;
};

}  // namespace mgqe
