// Lines of a text, plain or gzip, of a file or of memory, with the place of the current line for
// error messages.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "host/base/check.hpp"
#include "host/data/text/gunzip.hpp"
#include "host/io/bytes.hpp"

namespace mgqe {

/// The bytes of a data file; InputError, with what to give instead, where there is none.
Bytes open_data_file(const std::filesystem::path& path);

/// Lines without content between others; those behind the last are never looked at.
enum class BlankLines { kRefused, kSkipped };

class TextReader {
 public:
  explicit TextReader(Bytes text, BlankLines blank_lines = BlankLines::kRefused);

  /// The next line without its ending, "\n" or "\r\n", and without a byte-order mark, which stands
  /// within a text that several files were joined to; false at the end of the text. `line` is valid
  /// until the next call. Blank lines that are refused, truncated or damaged gzip data and lines
  /// over kMaxLine bytes are InputErrors.
  bool next(std::string_view& line);

  /// "name:line" of the last line read; the name alone before the first.
  std::string where() const;
  /// Bytes of the file that lines have been made of, or, of gzip data, that were unpacked for them;
  /// and how many it has.
  int64_t consumed() const;
  int64_t size() const { return bytes_.size(); }
  /// Throws InputError about the last line read.
  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    input_error(where(), ": ", parts...);
  }

  static constexpr size_t kMaxLine = size_t{1} << 20;

 private:
  bool next_raw(std::string_view& line);
  /// Unpacks more behind the unconsumed rest; false when there is no more.
  bool refill();

  Bytes bytes_;
  std::unique_ptr<Gunzip> gunzip_;  // null: plain text, which is read where it lies
  std::vector<char> unpacked_;
  std::string_view rest_;  // unconsumed, of bytes_ or of unpacked_
  int64_t line_ = 0;
  BlankLines blank_lines_;
};

}  // namespace mgqe
