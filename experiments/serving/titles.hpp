// Titles of items, for people: of a file of "id<TAB>title", MovieLens' movies.dat, or CSV.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "host/serve/id_map.hpp"

namespace mgqe {

class Titles {
 public:
  Titles() = default;  // none
  /// Reads, also through gzip:
  ///   id<TAB>title             further fields are left out
  ///   id::title::genres        which may be in Latin-1
  ///   CSV with a header        columns movieId, item, ... or the first; and title, name or the
  ///                            second; fields may be quoted
  /// InputError, with the line, on a line that has no title.
  Titles(const std::string& path, const IdMap& item_ids);

  /// Empty where there is none. It lives as long as this.
  std::string_view of(int64_t row) const;
  /// Items that have one, and lines of ids that the model does not know.
  int64_t size() const { return static_cast<int64_t>(titles_.size()); }
  int64_t unknown() const { return unknown_; }
  bool given() const { return given_; }

 private:
  std::unordered_map<int64_t, std::string> titles_;
  int64_t unknown_ = 0;
  bool given_ = false;
};

/// One line of CSV in its fields, quotes taken off, "" within them a quote.
std::vector<std::string> csv_fields(std::string_view line);

/// The text itself where it is UTF-8, else as Latin-1, in UTF-8.
std::string to_utf8(std::string_view text);

}  // namespace mgqe
