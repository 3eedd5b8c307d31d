// Where data lies, and which format a file has.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "host/io/bytes.hpp"

namespace mgqe {

/// $MGQE_DATA_DIR, or data/ below the current folder, where experiments/scripts/fetch_data.sh puts
/// files.
std::filesystem::path data_folder();

/// The first of ml-1m/{ml-1m.txt.gz,ml-1m.txt,ratings.dat} below `folder`.
std::optional<std::filesystem::path> find_ml_1m(const std::filesystem::path& folder);

/// video/video.txt.gz or video/video.txt below `folder`: Amazon Video Games as the SASRec authors
/// prepare it. InputError when neither is there.
std::filesystem::path find_video(const std::filesystem::path& folder);

/// How the interactions of a file are written.
struct TextFormat {
  enum class Kind { kSasrecText, kRatingsDat, kDelimited };
  Kind kind = Kind::kSasrecText;
  char separator = ' ';  // of kDelimited, as FieldSplitter takes it
  bool operator==(const TextFormat&) const = default;
};

/// By the first line, and by the file name (ratings.dat, .tsv, .inter, .csv, in whatever case, each
/// with or without .gz) where that may be read in two ways. Two integers between blanks, and what
/// is nothing else, are SASRec text. InputError naming the way out for what is no such text: an
/// archive, JSON, UTF-16, a table of another program.
TextFormat detect_format(const Bytes& file);

}  // namespace mgqe
