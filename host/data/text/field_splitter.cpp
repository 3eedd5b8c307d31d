#include "host/data/text/field_splitter.hpp"

#include "host/data/text/fields.hpp"

namespace mgqe {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

/// Without blanks around it; a tab that separates is none.
void trim_front(std::string_view& text, char separator) {
  while (!text.empty() && text.front() != separator && is_blank(text.front()))
    text.remove_prefix(1);
}
void trim_back(std::string_view& text) {
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
}

}  // namespace

void FieldSplitter::split(const TextReader& reader, std::string_view line,
                          std::vector<std::string_view>& fields) {
  fields.clear();
  if (separator_ == ' ') return split_words(line, fields);
  if (!unquoted_.empty()) unquoted_.clear();
  while (true) {
    trim_front(line, separator_);
    if (line.starts_with('"')) {
      fields.push_back(take_quoted(reader, line));
    } else {
      std::string_view field = line.substr(0, line.find(separator_));
      line.remove_prefix(field.size());
      trim_back(field);
      fields.push_back(field);
    }
    if (line.empty()) return;
    line.remove_prefix(1);
  }
}

void FieldSplitter::split_words(std::string_view line,
                                std::vector<std::string_view>& fields) const {
  while (true) {
    trim_front(line, '\n');
    if (line.empty()) return;
    size_t end = 0;
    while (end < line.size() && !is_blank(line[end])) ++end;
    fields.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

std::string_view FieldSplitter::take_quoted(const TextReader& reader, std::string_view& line) {
  const std::string_view whole = line;
  bool doubled = false;
  size_t end = line.find('"', 1);
  while (end != std::string_view::npos && end + 1 < line.size() && line[end + 1] == '"') {
    doubled = true;
    end = line.find('"', end + 2);
  }
  if (end == std::string_view::npos)
    reader.fail("the quote before ", quoted(whole.substr(1)),
                " is not closed in its line: close it, or put the field on one line");
  std::string_view field = line.substr(1, end - 1);
  line.remove_prefix(end + 1);
  trim_front(line, separator_);
  if (!line.empty() && line.front() != separator_)
    reader.fail("text stands behind the closing quote of ", quoted(field), ": expected ",
                separator_name(separator_), " between fields, and \"\" for a quote in one");
  if (!doubled) return field;
  std::string& text = unquoted_.emplace_back();
  for (size_t i = 0; i < field.size(); ++i) {
    text += field[i];
    if (field[i] == '"') ++i;
  }
  return text;
}

char find_separator(std::string_view line, char likely) {
  const auto stands = [&](char separator) {
    bool within_quotes = false;
    for (const char c : line) {
      if (c == '"') within_quotes = !within_quotes;
      if (c == separator && !within_quotes) return true;
    }
    return false;
  };
  for (const char separator : {likely, ',', '\t', ';', '|'})
    if (separator != 0 && stands(separator)) return separator;
  return 0;
}

const char* separator_name(char separator) {
  switch (separator) {
    case ',':
      return "commas";
    case '\t':
      return "tabs";
    case ';':
      return "semicolons";
    case '|':
      return "bars";
    default:
      return "blanks";
  }
}

}  // namespace mgqe
