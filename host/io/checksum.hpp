// CRC-32, as zlib and gzip take it, of bytes and of texts that carry their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace mgqe {

/// Of `bytes` behind those that `before` is the checksum of.
uint32_t crc32_of(std::span<const uint8_t> bytes, uint32_t before = 0);
uint32_t crc32_of(std::string_view text, uint32_t before = 0);

/// Of A and B joined, from that of A and that of B, which has so many bytes.
uint32_t join_crc32(uint32_t a, uint32_t b, int64_t bytes_of_b);

/// Eight hexadecimal digits.
std::string crc32_digits(uint32_t crc);

/// What stands for the digits of a text while its checksum is taken.
inline constexpr std::string_view kNoChecksum = "00000000";

/// Where the eight digits behind the first `mark` stand in `text`; npos where there are none.
size_t find_checksum(std::string_view text, std::string_view mark);

}  // namespace mgqe
