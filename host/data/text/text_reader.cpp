#include "host/data/text/text_reader.hpp"

#include <algorithm>
#include <utility>

namespace mgqe {

namespace {

constexpr size_t kChunk = size_t{1} << 18;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_blank(std::string_view line) {
  if (!line.empty() && line.front() != ' ' && line.front() != '\t') return false;
  return line.find_first_not_of(" \t") == std::string_view::npos;
}

}  // namespace

Bytes open_data_file(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found)
    input_error(
        path.string(),
        ": no such file: give the path of a data file, or one of the names auto, ml-1m, ncf,",
        " video and synthetic");
  if (std::filesystem::is_directory(status))
    input_error(path.string(), ": is a folder: give the path of a data file in it");
  return Bytes::map(path);
}

TextReader::TextReader(Bytes text, BlankLines blank_lines)
    : bytes_(std::move(text)), blank_lines_(blank_lines) {
  if (is_gzip(bytes_.span()))
    gunzip_ = std::make_unique<Gunzip>(bytes_.span());
  else
    rest_ = bytes_.text();
}

std::string TextReader::where() const {
  return line_ == 0 ? bytes_.name() : bytes_.name() + ":" + std::to_string(line_);
}

int64_t TextReader::consumed() const {
  return bytes_.size() -
         static_cast<int64_t>(gunzip_ != nullptr ? gunzip_->packed_left() : rest_.size());
}

bool TextReader::refill() {
  if (gunzip_ == nullptr) return false;
  // The rest moves to the front; it never is longer than a line.
  std::copy(rest_.begin(), rest_.end(), unpacked_.begin());
  const size_t kept = rest_.size();
  unpacked_.resize(kept + kChunk);
  size_t count = 0;
  const Gunzip::Outcome outcome = gunzip_->read(unpacked_.data() + kept, kChunk, count);
  rest_ = std::string_view(unpacked_.data(), kept + count);
  if (outcome == Gunzip::Outcome::kTruncated)
    fail("the gzip data ends early: the file is truncated; fetch it again");
  if (outcome == Gunzip::Outcome::kDamaged)
    fail("damaged gzip data (", gunzip_->damage(), "); fetch the file again");
  return count > 0;
}

bool TextReader::next_raw(std::string_view& line) {
  size_t searched = 0;
  size_t newline = rest_.find('\n');
  while (newline == std::string_view::npos) {
    searched = rest_.size();
    if (searched > kMaxLine || !refill()) break;
    newline = rest_.find('\n', searched);
  }
  if (newline == std::string_view::npos && rest_.empty()) return false;
  line = rest_.substr(0, newline);
  if (line.size() > kMaxLine)
    input_error(bytes_.name(), ":", line_ + 1, ": the line is over ", kMaxLine,
                " bytes long: expected text, one interaction a line");
  rest_.remove_prefix(newline == std::string_view::npos ? rest_.size() : newline + 1);
  ++line_;
  if (line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  if (line.ends_with('\r')) line.remove_suffix(1);
  return true;
}

bool TextReader::next(std::string_view& line) {
  if (!next_raw(line)) return false;
  if (!is_blank(line)) return true;
  const std::string blank_at = where();
  while (next_raw(line))
    if (!is_blank(line)) {
      if (blank_lines_ == BlankLines::kSkipped) return true;
      input_error(blank_at, ": the line is empty but more follow: remove it");
    }
  return false;
}

}  // namespace mgqe
