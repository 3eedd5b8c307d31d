// From original ids to dense ones, in ascending order of the originals.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "host/data/dataset.hpp"
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
  int32_t number(const TextReader& reader, std::string_view key);

  int64_t size() const { return static_cast<int64_t>(integers_.size() + strings_.size()); }
  bool all_integers() const { return strings_.empty(); }

  /// Moves the keys out in ascending order and replaces the numbers in `column` by dense ids.
  DataIds finish(std::vector<int32_t>& column);

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  const char* what_;
  int64_t limit_;
  std::unordered_map<int64_t, int32_t> integers_;
  std::unordered_map<std::string, int32_t, Hash, std::equal_to<>> strings_;
};

}  // namespace mgqe
