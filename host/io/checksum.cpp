#include "host/io/checksum.hpp"

#include <fmt/format.h>
#include <zlib.h>

namespace mgqe {

uint32_t crc32_of(std::span<const uint8_t> bytes, uint32_t before) {
  // zlib takes a null pointer to mean "start anew".
  if (bytes.empty()) return before;
  return static_cast<uint32_t>(crc32_z(before, bytes.data(), bytes.size()));
}

uint32_t crc32_of(std::string_view text, uint32_t before) {
  return crc32_of(std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()), before);
}

uint32_t join_crc32(uint32_t a, uint32_t b, int64_t bytes_of_b) {
  return static_cast<uint32_t>(crc32_combine(a, b, bytes_of_b));
}

std::string crc32_digits(uint32_t crc) { return fmt::format("{:08x}", crc); }

size_t find_checksum(std::string_view text, std::string_view mark) {
  const size_t at = text.find(mark);
  if (at == std::string_view::npos) return at;
  const size_t digits = at + mark.size();
  return digits + kNoChecksum.size() <= text.size() ? digits : std::string_view::npos;
}

}  // namespace mgqe
