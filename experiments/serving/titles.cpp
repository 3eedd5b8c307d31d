#include "experiments/serving/titles.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "host/base/utf8.hpp"
#include "host/data/text/text_reader.hpp"

namespace mgqe {
namespace {

std::string plain(std::string_view name) {
  std::string letters;
  for (const char c : name)
    if (std::isalnum(static_cast<unsigned char>(c)))
      letters += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return letters;
}

/// The column of the first name that the header has.
template <size_t N>
size_t find_column(const std::vector<std::string>& header, const std::array<const char*, N>& names,
                   size_t otherwise) {
  for (const char* name : names)
    for (size_t c = 0; c < header.size(); ++c)
      if (plain(header[c]) == name) return c;
  return otherwise;
}

std::vector<std::string> split(std::string_view line, std::string_view separator) {
  std::vector<std::string> fields;
  for (size_t cut; (cut = line.find(separator)) != std::string_view::npos;
       line.remove_prefix(cut + separator.size()))
    fields.emplace_back(line.substr(0, cut));
  fields.emplace_back(line);
  return fields;
}

/// How the file parts its fields, by its first line, and where id and title are.
struct Layout {
  explicit Layout(std::string_view first) {
    if (first.find('\t') != std::string_view::npos) {
      separator = "\t";
    } else if (first.find("::") != std::string_view::npos) {
      separator = "::";
    } else {
      constexpr std::array ids = {"itemid", "item", "movieid", "productid", "id", "asin"};
      constexpr std::array titles = {"title", "name", "itemname", "movietitle"};
      const std::vector<std::string> header = csv_fields(first);
      id = find_column(header, ids, 0);
      title = find_column(header, titles, id == 0 ? 1 : 0);
      has_header = true;
    }
  }

  std::vector<std::string> fields(std::string_view line) const {
    return separator.empty() ? csv_fields(line) : split(line, separator);
  }

  std::string_view separator;  // empty: CSV
  size_t id = 0, title = 1;
  bool has_header = false;
};

}  // namespace

std::vector<std::string> csv_fields(std::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (quoted && line[i] == '"' && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back() += line[i++];
    } else if (line[i] == '"' && (quoted || fields.back().empty())) {
      quoted = !quoted;
    } else if (line[i] == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += line[i];
    }
  }
  return fields;
}

std::string to_utf8(std::string_view text) {
  if (is_utf8(text)) return std::string(text);
  std::string converted;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      converted += c;
    } else {
      converted += static_cast<char>(0xC0 | byte >> 6);
      converted += static_cast<char>(0x80 | (byte & 0x3F));
    }
  }
  return converted;
}

Titles::Titles(const std::string& path, const IdMap& item_ids) : given_(true) {
  TextReader reader(open_data_file(path));
  std::string_view line;
  if (!reader.next(line)) input_error(path, ": is empty: lines of id, tab, title belong");
  if (line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);  // a byte order mark
  const Layout layout{line};
  for (bool more = layout.has_header ? reader.next(line) : true; more; more = reader.next(line)) {
    const std::vector<std::string> fields = layout.fields(line);
    if (fields.size() <= std::max(layout.id, layout.title))
      reader.fail("no title: expected id, tab, title; id::title::genres; or CSV with a header");
    const int64_t row = item_ids.row_of(std::string_view(fields[layout.id]));
    if (row < 0)
      ++unknown_;
    else
      titles_[row] = to_utf8(fields[layout.title]);
  }
}

std::string_view Titles::of(int64_t row) const {
  const auto found = titles_.find(row);
  return found == titles_.end() ? std::string_view() : std::string_view(found->second);
}

}  // namespace mgqe
