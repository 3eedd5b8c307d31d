#include "host/data/locate.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "host/data/interactions/columns.hpp"
#include "host/data/text/field_splitter.hpp"
#include "host/data/text/foreign_text.hpp"
#include "host/data/text/text_reader.hpp"

namespace mgqe {

namespace fs = std::filesystem;

fs::path data_folder() {
  const char* folder = std::getenv("MGQE_DATA_DIR");
  return folder != nullptr && *folder != '\0' ? fs::path(folder) : fs::path("data");
}

std::optional<fs::path> find_ml_1m(const fs::path& folder) {
  for (const char* file : {"ml-1m.txt.gz", "ml-1m.txt", "ratings.dat"}) {
    const fs::path path = folder / "ml-1m" / file;
    std::error_code unreadable_is_missing;
    if (fs::exists(path, unreadable_is_missing)) return path;
  }
  return std::nullopt;
}

fs::path find_video(const fs::path& folder) {
  for (const char* file : {"video.txt.gz", "video.txt"}) {
    fs::path path = folder / "video" / file;
    std::error_code unreadable_is_missing;
    if (fs::exists(path, unreadable_is_missing)) return path;
  }
  input_error(folder.string(),
              ": video is not there: expected video/video.txt.gz or "
              "video/video.txt below it (`user item` lines in time order); set "
              "MGQE_DATA_DIR");
}

namespace {

/// In lower case, without .gz.
std::string plain_name(const Bytes& file) {
  std::string name = fs::path(file.name()).filename().string();
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  return name;
}

/// The separator that a file name promises; 0: none.
char separator_of_name(const std::string& name) {
  if (name.ends_with(".csv")) return ',';
  return name.ends_with(".tsv") || name.ends_with(".inter") ? '\t' : '\0';
}

bool is_digits(std::string_view word) {
  return word.find_first_not_of("-0123456789") == std::string_view::npos;
}

/// Two integers between blanks.
bool is_pair(const TextReader& reader, std::string_view line) {
  std::vector<std::string_view> words;
  FieldSplitter(' ').split(reader, line, words);
  return words.size() == 2 && std::all_of(words.begin(), words.end(), is_digits);
}

/// Words between blanks: the SASRec authors' pairs of integers, unless they are a header, two
/// strings, or more than two between tabs.
TextFormat format_of_words(const TextReader& reader, std::string_view line) {
  std::vector<std::string_view> words;
  FieldSplitter(' ').split(reader, line, words);
  const char separator = find_separator(line, '\t') == '\t' ? '\t' : ' ';
  const bool no_integer = std::none_of(words.begin(), words.end(), is_digits);
  const bool delimited = (no_integer && names_columns({words.begin(), words.end()})) ||
                         (no_integer && words.size() == 2) ||
                         (separator == '\t' && words.size() > 2);
  if (!delimited) return {};
  return {TextFormat::Kind::kDelimited, separator};
}

}  // namespace

TextFormat detect_format(const Bytes& file) {
  refuse_foreign_text(file);
  const std::string name = plain_name(file);
  if (name == "ratings.dat") return {TextFormat::Kind::kRatingsDat};
  const char likely = separator_of_name(name);
  TextReader reader(file, BlankLines::kSkipped);
  std::string_view line;
  reader.next(line);  // else it stays empty
  const char separator = find_separator(line, likely);
  const bool found = separator != '\0';
  if (!found && line.find("::") != std::string_view::npos) return {TextFormat::Kind::kRatingsDat};
  const bool named = likely != '\0';
  if (found ? !named && separator == '\t' : !named || is_pair(reader, line))
    return format_of_words(reader, line);
  return {TextFormat::Kind::kDelimited, found ? separator : likely};
}

}  // namespace mgqe
