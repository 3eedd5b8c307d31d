#include "host/data/text/quoted_fields.hpp"

#include "host/data/text/fields.hpp"

namespace mgqe {

std::string_view QuotedFields::take(const TextReader& reader, std::string_view& line,
                                    char separator) {
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
  trim_front(line, separator);
  if (!line.empty() && line.front() != separator)
    reader.fail("text stands behind the closing quote of ", quoted(field), ": expected ",
                separator_name(separator), " between fields, and \"\" for a quote in one");
  if (!doubled) return field;
  std::string& text = unquoted_.emplace_back();
  for (size_t i = 0; i < field.size(); ++i) {
    text += field[i];
    if (field[i] == '"') ++i;
  }
  return text;
}

void trim_front(std::string_view& text, char separator) {
  while (!text.empty() && text.front() != separator &&
         (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
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
