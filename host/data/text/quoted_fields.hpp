// Fields in the quotes of CSV (RFC 4180), within one line.
#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "host/data/text/text_reader.hpp"

namespace mgqe {

class QuotedFields {
 public:
  /// The field that begins with the quote at `line`'s front: what stands between its quotes, with
  /// "" for a quote in it. What remains in `line` begins with the separator, or is empty; else
  /// InputError at the reader's line. Valid until clear() or as long as the line is.
  std::string_view take(const TextReader& reader, std::string_view& line, char separator);
  void clear() {
    if (!unquoted_.empty()) unquoted_.clear();
  }

 private:
  std::deque<std::string> unquoted_;  // fields that are no part of a line
};

/// Blanks off the front; a tab that separates is none.
void trim_front(std::string_view& text, char separator);
/// "commas", "tabs" ...
const char* separator_name(char separator);

}  // namespace mgqe
