// Lines cut into fields, with the quotes of CSV undone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "host/data/text/quoted_fields.hpp"

namespace mgqe {

class FieldSplitter {
 public:
  /// separator: ',', '\t', ';', '|', or ' ' for a run of blanks (spaces or tabs).
  explicit FieldSplitter(char separator) : separator_(separator) {}

  /// Puts the fields of `line` in place of `fields`, without the blanks around them. One in quotes
  /// is what stands between them, with "" for a quote in it; it may hold separators, but ends in
  /// its line: else InputError at the reader's line. Fields are valid until the next call or as
  /// long as the line is.
  void split(const TextReader& reader, std::string_view line,
             std::vector<std::string_view>& fields);

 private:
  void split_words(std::string_view line, std::vector<std::string_view>& fields) const;

  char separator_;
  QuotedFields quotes_;
};

/// The separator of a line: `likely` where it stands in it outside quotes, else the first of comma,
/// tab, semicolon and bar that does; 0 where there is none.
char find_separator(std::string_view line, char likely);

}  // namespace mgqe
