#include "host/data/ctr/column_reader.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "host/base/utf8.hpp"
#include "host/data/text/fields.hpp"

namespace mgqe {

namespace {

constexpr int kCriteoIntegers = 13, kCriteoValues = 26;

std::vector<NamedColumn> criteo_columns() {
  std::vector<NamedColumn> columns = {{"label", FieldKind::kLabel}};
  for (int i = 1; i <= kCriteoIntegers; ++i)
    columns.push_back({fmt::format("I{}", i), FieldKind::kLogBuckets});
  for (int i = 1; i <= kCriteoValues; ++i)
    columns.push_back({fmt::format("C{}", i), FieldKind::kCategorical});
  return columns;
}

std::vector<NamedColumn> libfm_columns(int64_t fields) {
  std::vector<NamedColumn> columns = {{"label", FieldKind::kLabel}};
  for (int64_t i = 1; i <= fields; ++i)
    columns.push_back({fmt::format("field{}", i), FieldKind::kCategorical});
  return columns;
}

char separator_of(CtrFormat format) {
  if (format == CtrFormat::kCommaSeparated) return ',';
  return format == CtrFormat::kLibfm ? ' ' : '\t';
}

/// The usual one, or, of a line that has none of it, what it has most of.
char separator_of(std::string_view line, char usual) {
  if (line.find(usual) != std::string_view::npos) return usual;
  char most = usual;
  int64_t count = 0;
  for (const char other : {'\t', ',', ';', '|'})
    if (const auto found = std::count(line.begin(), line.end(), other); found > count) {
      most = other;
      count = found;
    }
  return most;
}

/// Blanks around a field are no part of it.
std::string_view trimmed(std::string_view field) {
  while (field.starts_with(' ')) field.remove_prefix(1);
  while (field.ends_with(' ')) field.remove_suffix(1);
  return field;
}

}  // namespace

CtrFormat detect_ctr_format(const std::filesystem::path& path) {
  std::filesystem::path name = path.filename();
  if (name.extension() == ".gz") name = name.stem();
  const std::string end = name.extension().string();
  if (end == ".csv") return CtrFormat::kCommaSeparated;
  if (end == ".tsv" || end == ".inter" || end == ".user" || end == ".item")
    return CtrFormat::kTabSeparated;
  if (end == ".libfm") return CtrFormat::kLibfm;
  input_error(path.string(),
              ": the name does not tell the format: give --format csv, tsv, libfm or criteo");
}

CtrFormat parse_ctr_format(const std::string& name, const std::filesystem::path& path) {
  if (name == "auto") return detect_ctr_format(path);
  if (name == "csv") return CtrFormat::kCommaSeparated;
  if (name == "tsv") return CtrFormat::kTabSeparated;
  if (name == "libfm") return CtrFormat::kLibfm;
  if (name == "criteo") return CtrFormat::kCriteo;
  input_error("--format ", name, " is none of auto, csv, tsv, libfm and criteo");
}

ColumnReader::ColumnReader(Bytes file, CtrFormat format, const std::vector<std::string>& names)
    : reader_(std::move(file)), format_(format), separator_(separator_of(format)) {
  name_columns(names);
  fields_.resize(columns_.size());
}

void ColumnReader::name_columns(const std::vector<std::string>& names) {
  const bool has_header = names.empty() && (format_ == CtrFormat::kCommaSeparated ||
                                            format_ == CtrFormat::kTabSeparated);
  for (const std::string& name : names) columns_.push_back(parse_column(name));
  if (names.empty() && format_ == CtrFormat::kCriteo) columns_ = criteo_columns();
  std::string_view line;
  const bool any = reader_.next(line);
  if (!any && (has_header || columns_.empty()))
    input_error(reader_.where(), ": the file is empty: expected ",
                has_header ? "a header, then a row a line" : "a row a line");
  if (format_ == CtrFormat::kCommaSeparated || format_ == CtrFormat::kTabSeparated)
    separator_ = separator_of(line, separator_);
  if (has_header) {
    read_header(line);
    return;
  }
  first_ = line;
  has_first_ = any;
  if (!columns_.empty()) {
    if (format_ == CtrFormat::kLibfm && !columns_[0].kind) columns_[0].kind = FieldKind::kLabel;
    return;
  }
  while (line.ends_with(' ')) line.remove_suffix(1);
  columns_ = libfm_columns(std::count(line.begin(), line.end(), separator_));
}

void ColumnReader::read_header(std::string_view line) {
  const bool quotes = format_ == CtrFormat::kCommaSeparated;
  for (;;) {
    std::string_view name;
    if (quotes && line.starts_with('"')) {
      name = quotes_.take(reader_, line, separator_);
    } else {
      name = line.substr(0, line.find(separator_));
      line.remove_prefix(name.size());
      name = trimmed(name);
    }
    if (!is_utf8(name))
      reader_.fail("the name of column ", columns_.size() + 1, ", ", quoted(name),
                   ", is not UTF-8: convert the file (iconv -t UTF-8)");
    columns_.push_back(parse_column(name));
    if (line.empty()) return;
    line.remove_prefix(1);
  }
}

std::span<const std::string_view> ColumnReader::next() {
  std::string_view line = first_;
  if (!std::exchange(has_first_, false) && !reader_.next(line)) return {};
  if (format_ == CtrFormat::kLibfm)
    split_libfm(line);
  else
    split(line);
  return fields_;
}

void ColumnReader::split(std::string_view line) {
  const std::string_view whole = line;
  const bool quotes = format_ == CtrFormat::kCommaSeparated;
  const size_t count = fields_.size();
  quotes_.clear();
  for (size_t i = 0; i < count; ++i) {
    if (quotes && line.starts_with('"')) {
      fields_[i] = quotes_.take(reader_, line, separator_);
      if (line.empty() != (i + 1 == count)) fail_count(whole);
      if (!line.empty()) line.remove_prefix(1);
      continue;
    }
    const size_t cut = line.find(separator_);
    fields_[i] = trimmed(line.substr(0, cut));
    if ((cut == std::string_view::npos) != (i + 1 == count)) fail_count(whole);
    line.remove_prefix(cut == std::string_view::npos ? line.size() : cut + 1);
  }
}

void ColumnReader::split_libfm(std::string_view line) {
  const std::string_view whole = line;
  while (line.ends_with(' ')) line.remove_suffix(1);
  for (size_t i = 0; i < fields_.size(); ++i) {
    const size_t cut = line.find(' ');
    std::string_view field = line.substr(0, cut);
    if (field.empty() || (cut == std::string_view::npos) != (i + 1 == fields_.size()))
      fail_count(whole);
    line.remove_prefix(cut == std::string_view::npos ? line.size() : cut + 1);
    if (i == 0) {
      fields_[0] = field == "-1" ? "0" : field;
      continue;
    }
    const size_t colon = field.find(':');
    if (colon == std::string_view::npos || colon == 0 || field.substr(colon + 1) != "1")
      reader_.fail("\"", field, "\" is no one-hot feature: expected index:1");
    fields_[i] = field.substr(0, colon);
  }
}

void ColumnReader::fail_count(std::string_view line) const {
  while (separator_ == ' ' && line.ends_with(' ')) line.remove_suffix(1);
  reader_.fail("the line has ", 1 + std::count(line.begin(), line.end(), separator_),
               " columns: expected ", fields_.size(), ", separated by ",
               separator_name(separator_));
}

}  // namespace mgqe
