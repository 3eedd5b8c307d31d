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

enum class Format { kSasrecText, kRatingsDat, kTabSeparated, kCommaSeparated };

/// By file name (ratings.dat, .tsv, .csv; each with or without .gz), else by "::" in the first
/// line. Anything else is SASRec text.
Format detect_format(const Bytes& file);

}  // namespace mgqe
