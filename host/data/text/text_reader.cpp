#include "host/data/text/text_reader.hpp"

#include <cerrno>
#include <cstring>

namespace mgqe {

namespace {

constexpr size_t kChunk = size_t{1} << 18;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t") == std::string_view::npos;
}

}  // namespace

TextReader::TextReader(const std::filesystem::path& path) : path_(path.string()) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status))
    input_error(path_,
                ": no such file: give the path of a data file, or one of the names ml-1m, ncf,",
                " synthetic");
  if (std::filesystem::is_directory(status))
    input_error(path_, ": is a folder: give the path of a data file in it");
  file_ = gzopen(path_.c_str(), "rb");
  if (file_ == nullptr)
    input_error(path_, ": cannot be opened: ", std::strerror(errno), "; make it readable");
  gzbuffer(file_, kChunk);
}

TextReader::~TextReader() {
  if (file_ != nullptr) gzclose_r(file_);
}

std::string TextReader::where() const {
  return line_ == 0 ? path_ : path_ + ":" + std::to_string(line_);
}

bool TextReader::refill() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  buffer_.resize(end_ + kChunk);
  const int count = gzread(file_, buffer_.data() + end_, kChunk);
  if (count > 0) {
    end_ += static_cast<size_t>(count);
    return true;
  }
  // At the end of a truncated stream gzread returns 0 like at a good end; only gzerror tells.
  int code = Z_OK;
  const char* message = gzerror(file_, &code);
  if (code == Z_BUF_ERROR) fail("the gzip data ends early: the file is truncated; fetch it again");
  if (code == Z_ERRNO) fail("cannot be read on: ", std::strerror(errno));
  if (code != Z_OK) fail("damaged gzip data (", message, "); fetch the file again");
  return false;
}

bool TextReader::next_raw(std::string_view& line) {
  size_t searched = 0;
  while (true) {
    const size_t available = end_ - begin_ - searched;
    const char* from = buffer_.data() + begin_ + searched;
    const void* newline = available == 0 ? nullptr : std::memchr(from, '\n', available);
    if (newline != nullptr) {
      const size_t stop = static_cast<size_t>(static_cast<const char*>(newline) - buffer_.data());
      line = std::string_view(buffer_.data() + begin_, stop - begin_);
      begin_ = stop + 1;
      break;
    }
    searched = end_ - begin_;
    if (searched > kMaxLine)
      input_error(path_, ":", line_ + 1, ": the line is over ", kMaxLine,
                  " bytes long: expected text, one interaction a line");
    if (!refill()) {
      if (searched == 0) return false;
      line = std::string_view(buffer_.data() + begin_, searched);
      begin_ = end_;
      break;
    }
  }
  ++line_;
  if (line_ == 1 && line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
  if (line.ends_with('\r')) line.remove_suffix(1);
  return true;
}

bool TextReader::next(std::string_view& line) {
  if (!next_raw(line)) return false;
  if (!is_blank(line)) return true;
  const std::string blank_at = where();
  while (next_raw(line))
    if (!is_blank(line)) input_error(blank_at, ": the line is empty but more follow: remove it");
  return false;
}

}  // namespace mgqe
