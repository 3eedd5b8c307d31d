#include "host/data/ctr/raw_rows.hpp"

#include <cerrno>
#include <string>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "host/base/check.hpp"
#include "host/io/atomic_file.hpp"

namespace mgqe {

namespace {

/// Calls visit(array) on every array of a chunk, always in the same order.
template <class Chunk, class Visit>
void each_array(Chunk& chunk, const Visit& visit) {
  visit(chunk.labels);
  for (auto& column : chunk.columns) {
    visit(column.numbers);
    visit(column.lengths);
    visit(column.floats);
    visit(column.reals);
  }
}

[[noreturn]] void fail(const std::filesystem::path& folder, const char* what) {
  input_error(folder.string(), ": a temporary file ", what, ": ", system_message(errno));
}

}  // namespace

void RawChunk::clear() {
  each_array(*this, [](auto& array) { array.clear(); });
}

RawRows::RawRows(const std::filesystem::path& folder) : folder_(folder) {
  std::string path = (folder / "mgqe-rows-XXXXXX").string();
  const int fd = mkostemp(path.data(), O_CLOEXEC);
  if (fd < 0) fail(folder_, "cannot be written");
  unlink(path.c_str());
  file_ = Descriptor(fd);
}

void RawRows::append(const RawChunk& chunk) {
  MGQE_CHECK(rows_ == chunks() * RawChunk::kRows, "chunk behind one of ", rows_, " rows");
  Place place{end_, {}};
  each_array(chunk, [&](const auto& array) {
    if (!file_.write(array.data(), array.size() * sizeof array[0]))
      fail(folder_, "could not be written");
    place.counts.push_back(static_cast<uint32_t>(array.size()));
    end_ += static_cast<int64_t>(array.size() * sizeof array[0]);
  });
  places_.push_back(std::move(place));
  rows_ += chunk.rows();
}

void RawRows::read(int64_t chunk, RawChunk& to) const {
  const Place& place = places_[static_cast<size_t>(chunk)];
  to.columns.resize((place.counts.size() - 1) / 4);
  int64_t offset = place.offset;
  size_t next = 0;
  each_array(to, [&](auto& array) {
    array.resize(place.counts[next++]);
    const size_t bytes = array.size() * sizeof array[0];
    if (!file_.read_at(offset, array.data(), bytes)) fail(folder_, "could not be read");
    offset += static_cast<int64_t>(bytes);
  });
}

}  // namespace mgqe
