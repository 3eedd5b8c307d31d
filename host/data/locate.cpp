#include "host/data/locate.hpp"

#include <cstdlib>
#include <string_view>

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
    const fs::path path = folder / "video" / file;
    std::error_code unreadable_is_missing;
    if (fs::exists(path, unreadable_is_missing)) return path;
  }
  input_error(folder.string(),
              ": video is not there: expected video/video.txt.gz or "
              "video/video.txt below it (`user item` lines in time order); set "
              "MGQE_DATA_DIR");
}

Format detect_format(const Bytes& file) {
  std::string name = fs::path(file.name()).filename().string();
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  if (name == "ratings.dat") return Format::kRatingsDat;
  if (name.ends_with(".tsv")) return Format::kTabSeparated;
  if (name.ends_with(".csv")) return Format::kCommaSeparated;
  TextReader reader(file);
  std::string_view line;
  const bool double_colon = reader.next(line) && line.find("::") != std::string_view::npos;
  return double_colon ? Format::kRatingsDat : Format::kSasrecText;
}

}  // namespace mgqe
