// gzip data, unpacked into lines; the first byte says in pieces of how many bytes besides.
#include <array>

#include <zlib.h>

#include "host/data/text/text_reader.hpp"
#include "tests/fuzz/fuzz_target.hpp"

namespace mgqe::fuzzing {
namespace {

constexpr int64_t kMost = 64 << 20;  // bytes that an input may unpack to

void unpack(Input packed, size_t room) {
  Gunzip gunzip(packed);
  std::array<char, 256> piece;
  for (int64_t all = 0; all < kMost;) {
    size_t count = 0;
    const Gunzip::Outcome outcome = gunzip.read(piece.data(), room, count);
    FUZZ_EXPECT(count <= room && gunzip.packed_left() <= packed.size());
    if (outcome != Gunzip::Outcome::kMore) {
      FUZZ_EXPECT(count == 0 && gunzip.damage() != nullptr);
      return;
    }
    FUZZ_EXPECT(count > 0);
    all += static_cast<int64_t>(count);
  }
}

void read(Input input) {
  if (input.empty()) return;
  const Bytes file = aligned_bytes(input.subspan(1), "a.gz");
  unpack(file.span(), input[0] + size_t{1});
  TextReader reader(file, input[0] % 2 ? BlankLines::kSkipped : BlankLines::kRefused);
  std::string_view line;
  while (reader.next(line) && reader.consumed() < kMost)
    FUZZ_EXPECT(line.size() <= TextReader::kMaxLine && line.find('\n') == std::string_view::npos);
}

std::string packed(std::string text) {
  std::string out(compressBound(static_cast<uLong>(text.size())) + 64, '\0');
  z_stream stream = {};
  constexpr int kGzip = 15 + 16;
  FUZZ_EXPECT(deflateInit2(&stream, 9, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(text.data());
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  FUZZ_EXPECT(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::vector<std::string> seeds() {
  const std::string lines = packed("1 2\n1 3\r\n\n2 3\n"), bare = packed("a");
  return {led_by('\x01', lines), led_by('\xFF', lines + packed("3 4\n")),
          led_by('\x02', bare + "rest"), led_by('\x03', packed(std::string(3000, 'x'))),
          led_by('\x01', packed(""))};
}

const RegisteredTarget kTarget({"gzip", read, seeds});

}  // namespace
}  // namespace mgqe::fuzzing
