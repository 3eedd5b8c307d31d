// Lines of a text file, plain or gzip, with the place of the current line for error messages.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <zlib.h>

#include "host/base/check.hpp"

namespace mgqe {

class TextReader {
 public:
  /// InputError when the file is missing or cannot be opened.
  explicit TextReader(const std::filesystem::path& path);
  ~TextReader();
  TextReader(const TextReader&) = delete;
  TextReader& operator=(const TextReader&) = delete;

  /// The next line without its ending, "\n" or "\r\n"; false at the end of the file. `line` is
  /// valid until the next call. Blank lines may only trail; those, truncated or damaged gzip data
  /// and lines over kMaxLine bytes are InputErrors.
  bool next(std::string_view& line);

  /// "path:line" of the last line read; the path alone before the first.
  std::string where() const;
  /// Throws InputError about the last line read.
  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    input_error(where(), ": ", parts...);
  }

  static constexpr size_t kMaxLine = size_t{1} << 20;

 private:
  bool next_raw(std::string_view& line);
  /// Reads on behind the unconsumed rest; false when the file has no more.
  bool refill();

  std::string path_;
  gzFile file_ = nullptr;
  std::vector<char> buffer_;
  size_t begin_ = 0, end_ = 0;  // unconsumed bytes of buffer_
  int64_t line_ = 0;
};

}  // namespace mgqe
