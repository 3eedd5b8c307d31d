// What is behind gzip data in memory, piece by piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <zlib.h>

namespace mgqe {

/// Whether the bytes begin as gzip data does.
bool is_gzip(std::span<const uint8_t> bytes);

/// Unpacks one gzip member after another. Zeros behind the last are left out, as gzip itself does;
/// other bytes there are damage: what they held would be missing without a word.
class Gunzip {
 public:
  explicit Gunzip(std::span<const uint8_t> packed);
  ~Gunzip();
  Gunzip(const Gunzip&) = delete;
  Gunzip& operator=(const Gunzip&) = delete;

  enum class Outcome { kMore, kEnd, kTruncated, kDamaged };

  /// Unpacks up to `room` bytes to `to`, counted in `count`. kMore: `count` is 1 or more; with any
  /// other outcome it is 0.
  Outcome read(char* to, size_t room, size_t& count);
  /// Packed bytes that are yet to be unpacked.
  size_t packed_left() const { return rest_.size() + stream_.avail_in; }
  /// zlib's word for the damage.
  const char* damage() const { return damage_; }

 private:
  /// Lets zlib, which counts in 32 bits, have the next of the packed bytes.
  void feed();

  std::span<const uint8_t> rest_;  // not yet with zlib
  z_stream stream_ = {};
  bool in_member_ = true;
  Outcome last_ = Outcome::kMore;
  const char* damage_ = "";
};

}  // namespace mgqe
