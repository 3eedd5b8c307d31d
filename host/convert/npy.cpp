#include "host/convert/npy.hpp"

#include <charconv>
#include <cstring>
#include <limits>
#include <string_view>

#include <fmt/format.h>

#include "host/base/check.hpp"
#include "host/io/safetensors.hpp"

namespace mgqe {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

/// The header: a Python dictionary of three entries, as NumPy writes it.
class HeaderParser {
 public:
  HeaderParser(const std::string& name, std::string_view text) : name_(name), rest_(text) {}

  void parse(FileArray& array) {
    expect('{');
    bool typed = false, shaped = false, ordered = false;
    while (!take('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr") {
        array.dtype = dtype();
        typed = true;
      } else if (key == "fortran_order") {
        fortran_ = boolean();
        ordered = true;
      } else if (key == "shape") {
        array.shape = shape();
        shaped = true;
      } else {
        refuse("its header has an unknown entry \"", key, "\"");
      }
      take(',');
    }
    if (!typed || !shaped || !ordered)
      refuse("its header lacks ", !typed ? "descr" : !shaped ? "shape" : "fortran_order");
    if (fortran_ && array.shape.size() > 1)
      refuse("it is in Fortran order: save numpy.ascontiguousarray(table)");
  }

  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    input_error(name_, ": not a .npy file that can be read: ", parts...);
  }

 private:
  void skip_spaces() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\n'))
      rest_.remove_prefix(1);
  }
  bool take(char c) {
    skip_spaces();
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!take(c)) refuse("its header is malformed where '", std::string(1, c), "' belongs");
  }

  std::string quoted() {
    const char quote = take('\'') ? '\'' : '"';
    if (quote == '"') expect('"');
    const size_t end = rest_.find(quote);
    if (end == std::string_view::npos) refuse("its header is malformed: a text does not end");
    std::string text(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return text;
  }

  bool boolean() {
    skip_spaces();
    for (const std::string_view word : {"True", "False"})
      if (rest_.starts_with(word)) {
        rest_.remove_prefix(word.size());
        return word == "True";
      }
    refuse("its header is malformed where True or False belongs");
  }

  DType dtype() {
    skip_spaces();
    if (rest_.starts_with('[')) refuse("it holds records, where one number an element belongs");
    const std::string descr = quoted();
    constexpr std::pair<std::string_view, DType> kKnown[] = {
        {"<f4", DType::kF32}, {"<f8", DType::kF64}, {"<f2", DType::kF16}, {"<i4", DType::kI32},
        {"<i8", DType::kI64}, {"<u8", DType::kU64}, {"|u1", DType::kU8}};
    for (const auto& [name, dtype] : kKnown)
      if (descr == name) return dtype;
    const bool pickled = descr.find('O') != std::string::npos;
    refuse("its type is \"", descr, "\"", pickled ? ", pickled objects" : "",
           descr.starts_with('>') ? ", big-endian" : "", "; save it as float32 (\"<f4\")");
  }

  std::vector<int64_t> shape() {
    expect('(');
    std::vector<int64_t> extents;
    while (!take(')')) {
      skip_spaces();
      int64_t extent = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), extent);
      if (error != std::errc{} || extent < 0) refuse("its header has a malformed shape");
      rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
      extents.push_back(extent);
      take(',');
    }
    return extents;
  }

  const std::string& name_;
  std::string_view rest_;
  bool fortran_ = false;
};

/// Bytes of the shape; -1 where no memory could hold them.
int64_t bytes_of(const FileArray& array) {
  int64_t bytes = dtype_bytes(array.dtype);
  for (const int64_t extent : array.shape) {
    if (extent > 0 && bytes > std::numeric_limits<int64_t>::max() / extent) return -1;
    bytes *= extent;
  }
  return bytes;
}

}  // namespace

std::string FileArray::shape_text() const { return fmt::format("({})", fmt::join(shape, ", ")); }

FileArray read_npy(const Bytes& file) {
  FileArray array;
  array.file = file;
  array.name = file.name();
  HeaderParser outside(array.name, {});
  const std::string_view text = file.text();
  if (!text.starts_with(kMagic)) outside.refuse("it does not begin as one; save with numpy.save");
  constexpr size_t kVersionBytes = 2;
  const int version = text.size() > kMagic.size() ? text[kMagic.size()] : 0;
  if (version < 1 || version > 3) outside.refuse("its format version is ", version, ", not 1 to 3");
  const size_t length_bytes = version == 1 ? 2 : 4, at = kMagic.size() + kVersionBytes;
  uint32_t length = 0;
  if (text.size() < at + length_bytes) outside.refuse("it ends within its header");
  std::memcpy(&length, text.data() + at, length_bytes);
  if (text.size() - at - length_bytes < length) outside.refuse("it ends within its header");
  HeaderParser header(array.name, text.substr(at + length_bytes, length));
  header.parse(array);
  array.bytes = file.span().subspan(at + length_bytes + length);
  const auto held = static_cast<int64_t>(array.bytes.size());
  if (const int64_t wanted = bytes_of(array); held != wanted)
    header.refuse("shape ", array.shape_text(), " of ", dtype_name(array.dtype), " takes ", wanted,
                  " bytes, but ", held, " follow the header",
                  wanted < 0 || held < wanted ? ": the file is cut" : "");
  return array;
}

FileArray read_npy(const std::filesystem::path& path) { return read_npy(Bytes::map(path)); }

}  // namespace mgqe
