#include "host/io/file_kind.hpp"

#include <algorithm>
#include <string_view>

namespace mgqe {

namespace {

using namespace std::string_view_literals;

struct Magic {
  std::string_view bytes;
  size_t at;
  const char* what;
  const char* way_out;
};

constexpr const char* kUnpack = "unpack it and name the file in it";
constexpr const char* kExport = "save it as CSV and name that";
constexpr const char* kUtf8 = "convert it to UTF-8 (iconv -t UTF-8)";

constexpr Magic kMagics[] = {
    {"PK\x03\x04"sv, 0, "a zip archive (or a spreadsheet)", "unpack it, or save it as CSV"},
    {"PK\x05\x06"sv, 0, "an empty zip archive", kUnpack},
    {"7z\xBC\xAF\x27\x1C"sv, 0, "a 7z archive", kUnpack},
    {"Rar!\x1A\x07"sv, 0, "a rar archive", kUnpack},
    {"ustar"sv, 257, "a tar archive", kUnpack},
    {"BZh"sv, 0, "a bzip2 file", "unpack it (bunzip2), or pack it by gzip"},
    {"\xFD"
     "7zXZ\0"sv,
     0, "an xz file", "unpack it (unxz), or pack it by gzip"},
    {"\x28\xB5\x2F\xFD"sv, 0, "a zstd file", "unpack it (unzstd), or pack it by gzip"},
    {"MGQECTR\n"sv, 0, "a cache of rows that `mgqe prepare` wrote",
     "give interactions of users and items"},
    {"PAR1"sv, 0, "a Parquet file", kExport},
    {"ARROW1"sv, 0, "an Arrow file", kExport},
    {"\x89HDF\r\n\x1A\n"sv, 0, "an HDF5 file", kExport},
    {"SQLite format 3\0"sv, 0, "an SQLite database", kExport},
    {"\x93NUMPY"sv, 0, "a NumPy array", kExport},
    {"\xD0\xCF\x11\xE0"sv, 0, "an old spreadsheet", kExport},
    {"%PDF-"sv, 0, "a PDF", "name a text file"},
    {"\xFF\xFE"sv, 0, "UTF-16 text", kUtf8},
    {"\xFE\xFF"sv, 0, "UTF-16 text", kUtf8},
};

/// Without the blanks and the byte-order mark it may begin with.
std::string_view without_blanks(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  return first == std::string_view::npos ? std::string_view() : text.substr(first);
}

/// Ids may stand in braces or brackets too, but not so.
bool is_json(std::string_view text) {
  if (text.empty() || (text.front() != '{' && text.front() != '[')) return false;
  const std::string_view next = without_blanks(text.substr(1));
  return !next.empty() && (next.front() == '"' || next.front() == '{' || next.front() == '[');
}

bool is_markup(std::string_view text) {
  return text.starts_with("<?xml") || text.starts_with("<!") || text.starts_with("<html");
}

}  // namespace

FileKind file_kind(std::span<const uint8_t> beginning) {
  const std::string_view text(reinterpret_cast<const char*>(beginning.data()), beginning.size());
  for (const Magic& magic : kMagics)
    if (text.size() >= magic.at + magic.bytes.size() &&
        text.substr(magic.at, magic.bytes.size()) == magic.bytes)
      return {magic.what, magic.way_out};
  if (text.size() > 8 && text[8] == '{' && text[7] == '\0')
    return {"a safetensors file", "name the data it was made from"};
  if (text.starts_with("\x80") && text.size() > 1 && text[1] <= 5 && text[1] > 1)
    return {"a Python pickle", kExport};
  const std::string_view content = without_blanks(text);
  if (is_json(content))
    return {"JSON", "write a line \"user,item,rating,timestamp\" for each interaction"};
  if (is_markup(content)) return {"a web page or XML", "fetch the file itself, or save it as CSV"};
  if (text.find('\0') != std::string_view::npos) return {"a binary file", kExport};
  const bool one_line = text.find('\n') == std::string_view::npos;
  if (one_line && content.find('\r') < content.find_last_not_of(" \t\r"))
    return {"text whose lines end in carriage returns alone", "convert it (tr '\\r' '\\n')"};
  return {};
}

std::string kind_note(std::span<const uint8_t> bytes) {
  const std::span<const uint8_t> beginning = bytes.first(std::min(bytes.size(), size_t{512}));
  if (beginning.size() > 1 && beginning[0] == 0x1F && beginning[1] == 0x8B)
    return ": it is a gzip file";
  if (const FileKind kind = file_kind(beginning); !kind.what.empty()) return ": it is " + kind.what;
  const bool text = std::all_of(beginning.begin(), beginning.end(), [](uint8_t byte) {
    return byte >= 0x20 || byte == '\n' || byte == '\r' || byte == '\t';
  });
  return text ? ": it is text" : "";
}

}  // namespace mgqe
