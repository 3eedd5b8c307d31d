#include "host/data/text/field_splitter.hpp"

#include "host/data/text/fields.hpp"

namespace mgqe {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

void trim_back(std::string_view& text) {
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
}

}  // namespace

void FieldSplitter::split(const TextReader& reader, std::string_view line,
                          std::vector<std::string_view>& fields) {
  fields.clear();
  if (separator_ == ' ') return split_words(line, fields);
  quotes_.clear();
  while (true) {
    trim_front(line, separator_);
    if (line.starts_with('"')) {
      fields.push_back(quotes_.take(reader, line, separator_));
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

}  // namespace mgqe
