// ColumnReader: rows of text files with many columns, as views of their fields.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/data/ctr/field_spec.hpp"
#include "host/data/text/quoted_fields.hpp"

namespace mgqe {

enum class CtrFormat {
  kCommaSeparated,  // a header, or columns named by the caller; fields may be quoted (RFC 4180)
  kTabSeparated,    // the same without quotes; RecBole's atomic files are such. A first line that
                    // has no such separator, but tabs, commas, semicolons or bars, is read by these
  kLibfm,           // "label index:1 index:1 ...", as many in every line; label 0 or -1, 1
  kCriteo,          // tab-separated label, 13 integers, 26 hexadecimal values, any but the label
                    // empty; no header
};

/// By the name, without .gz: .csv; .tsv, .inter, .user, .item; .libfm. InputError for any other.
CtrFormat detect_ctr_format(const std::filesystem::path& path);
/// "csv", "tsv", "libfm", "criteo", or "auto": the above. InputError for any other.
CtrFormat parse_ctr_format(const std::string& name, const std::filesystem::path& path);

class ColumnReader {
 public:
  /// `names`: "NAME" or "NAME:TYPE" for each column; empty: the first line has them, or the format
  /// does (libfm: label, field1, field2, ...; Criteo: label, I1 .. I13, C1 .. C26).
  ColumnReader(Bytes file, CtrFormat format, const std::vector<std::string>& names = {});

  const std::vector<NamedColumn>& columns() const { return columns_; }

  /// The next row's fields, one for each column, without blanks around them, valid until the next
  /// call; empty at the end. A row with more or fewer of them is an InputError.
  std::span<const std::string_view> next();

  /// For messages about the last row, and for how far the file is read.
  const TextReader& text() const { return reader_; }

 private:
  void name_columns(const std::vector<std::string>& names);
  void read_header(std::string_view line);
  void split(std::string_view line);
  void split_libfm(std::string_view line);
  [[noreturn]] void fail_count(std::string_view line) const;

  TextReader reader_;
  CtrFormat format_;
  char separator_;
  std::vector<NamedColumn> columns_;
  std::vector<std::string_view> fields_;  // of the current row
  QuotedFields quotes_;                   // of it
  std::string_view first_;                // a first line that is data, read already
  bool has_first_ = false;
};

}  // namespace mgqe
