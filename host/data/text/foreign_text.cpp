#include "host/data/text/foreign_text.hpp"

#include <algorithm>
#include <vector>

#include "host/base/check.hpp"
#include "host/data/text/gunzip.hpp"
#include "host/io/file_kind.hpp"

namespace mgqe {

namespace {

constexpr size_t kLooked = 4096;

FileKind kind_within(std::span<const uint8_t> packed) {
  std::vector<char> text(kLooked);
  size_t count = 0;
  Gunzip(packed).read(text.data(), text.size(), count);
  return file_kind({reinterpret_cast<const uint8_t*>(text.data()), count});
}

}  // namespace

void refuse_foreign_text(const Bytes& file) {
  const std::span<const uint8_t> bytes = file.span();
  const bool packed = is_gzip(bytes);
  const FileKind kind =
      packed ? kind_within(bytes) : file_kind(bytes.first(std::min(bytes.size(), kLooked)));
  if (!kind.what.empty())
    input_error(file.name(), packed ? ": holds " : ": is ", kind.what,
                ", not lines of interactions: ", kind.way_out);
}

}  // namespace mgqe
