#include "host/data/text/gunzip.hpp"

#include <algorithm>
#include <new>

namespace mgqe {

namespace {

constexpr uint8_t kMagic[] = {0x1F, 0x8B};
constexpr int kGzipWindow = 15 + 16;  // the largest window, with gzip's header and trailer
constexpr size_t kMostFed = size_t{1} << 30;

}  // namespace

bool is_gzip(std::span<const uint8_t> bytes) {
  return bytes.size() >= 2 && bytes[0] == kMagic[0] && bytes[1] == kMagic[1];
}

Gunzip::Gunzip(std::span<const uint8_t> packed) : rest_(packed) {
  if (inflateInit2(&stream_, kGzipWindow) != Z_OK) throw std::bad_alloc();
}

Gunzip::~Gunzip() { inflateEnd(&stream_); }

void Gunzip::feed() {
  if (stream_.avail_in > 0 || rest_.empty()) return;
  const size_t fed = std::min(rest_.size(), kMostFed);
  stream_.next_in = const_cast<Bytef*>(rest_.data());
  stream_.avail_in = static_cast<uInt>(fed);
  rest_ = rest_.subspan(fed);
}

Gunzip::Outcome Gunzip::read(char* to, size_t room, size_t& count) {
  count = 0;
  if (last_ != Outcome::kMore) return last_;
  stream_.next_out = reinterpret_cast<Bytef*>(to);
  stream_.avail_out = static_cast<uInt>(std::min(room, kMostFed));
  const uInt wanted = stream_.avail_out;
  while (stream_.avail_out == wanted && last_ == Outcome::kMore) {
    feed();
    if (!in_member_) {
      // Fed bytes and the rest are one span: what zlib has not taken begins at its next_in.
      const std::span<const uint8_t> left(stream_.next_in, stream_.avail_in + rest_.size());
      if (!is_gzip(left)) {
        const bool padding =
            std::all_of(left.begin(), left.end(), [](uint8_t c) { return c == 0; });
        last_ = padding ? Outcome::kEnd : Outcome::kDamaged;
        damage_ = "what follows its end is no gzip data";
        break;
      }
      inflateReset(&stream_);
      in_member_ = true;
    }
    const int code = inflate(&stream_, Z_NO_FLUSH);
    if (code == Z_STREAM_END) {
      in_member_ = false;
    } else if (code == Z_BUF_ERROR || (code == Z_OK && stream_.avail_in == 0 && rest_.empty() &&
                                       stream_.avail_out == wanted)) {
      last_ = Outcome::kTruncated;
    } else if (code != Z_OK) {
      damage_ = stream_.msg != nullptr ? stream_.msg : "it needs a dictionary";
      last_ = Outcome::kDamaged;
    }
  }
  count = wanted - stream_.avail_out;
  return count > 0 ? Outcome::kMore : last_;
}

}  // namespace mgqe
