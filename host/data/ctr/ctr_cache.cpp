#include "host/data/ctr/ctr_cache.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/mman.h>
#include <unistd.h>

#include "host/base/check.hpp"
#include "host/base/json_depth.hpp"
#include "host/io/atomic_file.hpp"
#include "host/io/checksum.hpp"
#include "host/io/descriptor.hpp"

namespace mgqe {

namespace {

constexpr int64_t kAlignment = 8;

bool has_mark(const char (&mark)[8]) { return std::memcmp(mark, kCacheMark, sizeof mark) == 0; }

}  // namespace

bool is_ctr_cache(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;  // a pipe is read but once
  char mark[8] = {};
  if (std::filesystem::file_size(path, ignored) < sizeof mark) return false;
  const Descriptor file(path, O_RDONLY);
  if (file.is_open() && file.read_at(0, mark, sizeof mark)) return has_mark(mark);
  input_error(path.string(), ": cannot be read: ", system_message(errno));
}

CtrCache::CtrCache(const std::filesystem::path& path) : bytes_(Bytes::map(path)) {
  index_ = read_index();
  lay_out();
  read_block_table();
}

void CtrCache::fail(const char* what) const {
  input_error(bytes_.name(), ": ", what, ": prepare it anew by `mgqe prepare --overwrite`");
}

CacheIndex CtrCache::read_index() const {
  CacheHead head;
  CacheTail tail;
  const std::span<const uint8_t> bytes = bytes_.span();
  if (bytes.size() >= sizeof head) std::memcpy(&head, bytes.data(), sizeof head);
  if (bytes.size() < sizeof head || !has_mark(head.mark)) fail("is no cache of rows");
  if (head.version != kCacheVersion)
    input_error(bytes_.name(), ": is a cache of version ", head.version,
                ", and this program reads ", kCacheVersion,
                ": prepare it anew by `mgqe prepare --overwrite`");
  if (bytes.size() < sizeof head + sizeof tail) fail("the cache is cut off");
  std::memcpy(&tail, bytes.data() + bytes.size() - sizeof tail, sizeof tail);
  if (!has_mark(tail.mark)) fail("the cache is cut off");
  const auto size = static_cast<int64_t>(bytes.size() - sizeof tail);
  if (tail.index_offset < 0 || tail.index_bytes < 0 || tail.index_offset > size ||
      tail.index_bytes > size - tail.index_offset)
    fail("the cache is damaged");
  const std::string_view json = bytes_.text().substr(static_cast<size_t>(tail.index_offset),
                                                     static_cast<size_t>(tail.index_bytes));
  if (crc32_of(json) != tail.index_crc) fail("the cache is damaged");
  if (nests_too_deep(json)) fail("the cache is damaged");
  try {
    return cache_index_from_json(nlohmann::ordered_json::parse(json));
  } catch (const std::exception&) {
    fail("the cache is damaged");
  }
}

void CtrCache::lay_out() {
  size_t start = 1;
  for (const CachedField& field : index_.fields) {
    if (!field.kept()) continue;
    const Column column{start, field.width, field.rows};
    if (field.spec.kind == FieldKind::kDense) {
      dense_.push_back(column);
      shape_.dense.push_back(field.spec.name);
    } else {
      const bool bag = field.spec.kind == FieldKind::kBag;
      (bag ? bags_ : ids_).push_back(column);
      (bag ? shape_.bags : shape_.fields)
          .push_back({field.spec.name, field.rows, field.oov, field.longest});
      start += bag ? 1 : 0;
    }
    ++start;
  }
  std::copy(std::begin(index_.rows), std::end(index_.rows), std::begin(shape_.rows));
}

void CtrCache::read_block_table() {
  int64_t rows[kCtrSplits] = {};
  const std::span<const uint8_t> bytes = section(index_.blocks);
  const std::span table(reinterpret_cast<const CtrBlock*>(bytes.data()),
                        bytes.size() / sizeof(CtrBlock));
  int64_t end = 0;  // of the block before; none shares bytes, so that rows are no more than bytes
  for (const CtrBlock& block : table) {
    if (block.split >= kCtrSplits || block.offset < end || block.offset % kAlignment != 0 ||
        block.offset > bytes_.size() || block.bytes > bytes_.size() - block.offset ||
        block.rows == 0 || block.rows > index_.block_rows || block.bytes < block.rows ||
        rows[block.split] % index_.block_rows != 0)
      fail("the cache is damaged");
    end = block.offset + block.bytes;
    rows[block.split] += block.rows;
    blocks_[block.split].push_back(block);
  }
  for (int split = 0; split < kCtrSplits; ++split) {
    if (rows[split] != index_.rows[split]) fail("the cache is damaged");
    open_[split] = std::make_unique<OpenBlock[]>(blocks_[split].size());
  }
}

std::span<const uint8_t> CtrCache::section(const CacheSection& section) const {
  if (section.bytes == 0) return {};
  if (section.offset < 0 || section.bytes < 0 || section.offset > bytes_.size() ||
      section.bytes > bytes_.size() - section.offset || section.offset % kAlignment != 0)
    fail("the cache is damaged");
  const auto bytes = bytes_.span().subspan(static_cast<size_t>(section.offset),
                                           static_cast<size_t>(section.bytes));
  if (crc32_of(bytes) != section.crc) fail("the cache is damaged");
  return bytes;
}

const CachedField* CtrCache::find(std::string_view name) const {
  for (const CachedField& field : index_.fields)
    if (field.spec.name == name) return &field;
  return nullptr;
}

const CtrCache::OpenBlock& CtrCache::block(int split, int64_t number) const {
  OpenBlock& open = open_[split][static_cast<size_t>(number)];
  std::call_once(open.once, [&] { open_block(blocks_[split][static_cast<size_t>(number)], open); });
  return open;
}

void CtrCache::open_block(const CtrBlock& block, OpenBlock& open) const {
  open.data = bytes_.span().data() + block.offset;
  if (crc32_of({open.data, static_cast<size_t>(block.bytes)}) != block.crc)
    fail("rows of the cache are damaged");
  open.starts.clear();
  int64_t end = 0;
  const auto place = [&](int64_t bytes) {
    open.starts.push_back(static_cast<uint32_t>(end));
    end += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    if (end > block.bytes) fail("rows of the cache are damaged");
  };
  const int64_t rows = block.rows;
  place(rows);
  for (const CachedField& field : index_.fields) {
    if (!field.kept()) continue;
    if (field.spec.kind == FieldKind::kDense) {
      place(rows * 4);
    } else if (field.spec.kind == FieldKind::kBag) {
      place((rows + 1) * 4);
      uint32_t values = 0;
      std::memcpy(&values, open.data + open.starts.back() + rows * 4, sizeof values);
      place(int64_t{values} * field.width);
    } else {
      place(rows * field.width);
    }
  }
  check_values(block, open);
}

namespace {

struct Place {
  const uint8_t* data;
  const uint32_t* starts;
  uint32_t row;

  template <class T>
  const T* column(size_t start) const {
    return reinterpret_cast<const T*>(data + starts[start]);
  }
};

/// A row of a block, and its place among those asked for.
struct Pick {
  uint32_t row, place;
};

/// The rows of one block, in the order in which they were asked for: picks [begin, end).
struct BlockPicks {
  int64_t block;
  size_t begin, end;
  bool one_run;  // rows and places both count up
};

/// Rows by block, so that a column's values are read a block after the other: random rows of a
/// window would else find where the block's column begins for every value.
class PicksByBlock {
 public:
  PicksByBlock(std::span<const int64_t> rows, int64_t block_rows, size_t blocks)
      : picks_(rows.size()) {
    std::vector<uint32_t> numbers(rows.size()), ends(blocks + 1, 0);
    for (size_t i = 0; i < rows.size(); ++i) {
      numbers[i] = static_cast<uint32_t>(rows[i] / block_rows);
      ++ends[numbers[i] + 1];
    }
    for (size_t b = 0; b < blocks; ++b) {
      ends[b + 1] += ends[b];
      if (ends[b + 1] > ends[b])
        by_block_.push_back({static_cast<int64_t>(b), ends[b], ends[b + 1], true});
    }
    std::vector<uint32_t>& next = ends;  // where the next pick of a block goes
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto row = static_cast<uint32_t>(rows[i] - int64_t{numbers[i]} * block_rows);
      picks_[next[numbers[i]]++] = {row, static_cast<uint32_t>(i)};
    }
    for (BlockPicks& block : by_block_)
      for (size_t i = block.begin + 1; i < block.end; ++i)
        block.one_run = block.one_run && picks_[i].row == picks_[i - 1].row + 1 &&
                        picks_[i].place == picks_[i - 1].place + 1;
  }

  const std::vector<BlockPicks>& blocks() const { return by_block_; }
  std::span<const Pick> picks(const BlockPicks& block) const {
    return std::span(picks_).subspan(block.begin, block.end - block.begin);
  }

 private:
  std::vector<Pick> picks_;
  std::vector<BlockPicks> by_block_;
};

/// out[place * stride] of each pick = the column's value in its row.
template <class T, class Out>
void gather_column(std::span<const Pick> picks, bool one_run, const T* __restrict column,
                   Out* __restrict out, size_t stride) {
  if (one_run && stride == 1) {
    const T* __restrict from = column + picks[0].row;
    Out* __restrict to = out + picks[0].place;
    for (size_t i = 0; i < picks.size(); ++i) to[i] = static_cast<Out>(from[i]);
    return;
  }
  for (const Pick& pick : picks) out[pick.place * stride] = static_cast<Out>(column[pick.row]);
}

template <class T>
void gather_bag(const std::vector<Place>& places, size_t start, CtrBatch::Bag& out) {
  for (const Place& place : places) {
    const auto* const offsets = place.column<uint32_t>(start);
    const auto* const ids = place.column<T>(start + 1);
    out.ids.insert(out.ids.end(), ids + offsets[place.row], ids + offsets[place.row + 1]);
    out.offsets.push_back(static_cast<int32_t>(out.ids.size()));
  }
}

/// Calls visit(T{}) with the type of ids of so many bytes.
template <class Visit>
void with_width(int width, const Visit& visit) {
  if (width == 1) return visit(uint8_t{});
  if (width == 2) return visit(uint16_t{});
  visit(uint32_t{});
}

template <class T>
bool all_below(const T* values, size_t count, int64_t bound) {
  return std::all_of(values, values + count, [&](T value) { return value < bound; });
}

/// Whether offsets (rows + 1) ascend from 0.
bool ascend(const uint32_t* offsets, size_t rows) {
  return offsets[0] == 0 && std::is_sorted(offsets, offsets + rows + 1);
}

}  // namespace

void CtrCache::check_values(const CtrBlock& block, const OpenBlock& open) const {
  const Place place{open.data, open.starts.data(), 0};
  const size_t rows = block.rows;
  bool good = all_below(place.column<uint8_t>(0), rows, 2);
  for (const Column& column : ids_)
    with_width(column.width, [&](auto id) {
      good = good && all_below(place.column<decltype(id)>(column.start), rows, column.rows);
    });
  for (const Column& column : bags_)
    with_width(column.width, [&](auto id) {
      const auto* const offsets = place.column<uint32_t>(column.start);
      good = good && ascend(offsets, rows) &&
             all_below(place.column<decltype(id)>(column.start + 1), offsets[rows], column.rows);
    });
  if (!good) fail("rows of the cache are damaged");
}

void CtrCache::gather(CtrSplit split, std::span<const int64_t> rows, CtrBatch& batch) const {
  const int s = static_cast<int>(split);
  for (const int64_t row : rows)
    MGQE_CHECK(row >= 0 && row < index_.rows[s], "row ", row, " of ", index_.rows[s]);
  batch.resize(shape_, static_cast<int64_t>(rows.size()));
  const PicksByBlock by_block(rows, index_.block_rows, blocks_[s].size());
  for (const BlockPicks& picked : by_block.blocks()) {
    const OpenBlock& open = block(s, picked.block);
    const std::span<const Pick> picks = by_block.picks(picked);
    const auto column = [&](size_t start) { return open.data + open.starts[start]; };
    gather_column(picks, picked.one_run, column(0), batch.labels.data(), 1);
    for (size_t c = 0; c < ids_.size(); ++c)
      with_width(ids_[c].width, [&](auto id) {
        gather_column(picks, picked.one_run,
                      reinterpret_cast<const decltype(id)*>(column(ids_[c].start)),
                      batch.ids.data() + c * rows.size(), 1);
      });
    for (size_t d = 0; d < dense_.size(); ++d)
      gather_column(picks, picked.one_run, reinterpret_cast<const float*>(column(dense_[d].start)),
                    batch.dense.data() + d, dense_.size());
  }
  if (bags_.empty()) return;
  std::vector<Place> places(rows.size());
  for (const BlockPicks& picked : by_block.blocks()) {
    const OpenBlock& open = block(s, picked.block);
    for (const Pick& pick : by_block.picks(picked))
      places[pick.place] = {open.data, open.starts.data(), pick.row};
  }
  for (size_t b = 0; b < bags_.size(); ++b)
    with_width(bags_[b].width,
               [&](auto id) { gather_bag<decltype(id)>(places, bags_[b].start, batch.bags[b]); });
}

void CtrCache::will_need(CtrSplit split, int64_t first, int64_t count) const {
  const auto& blocks = blocks_[static_cast<int>(split)];
  const int64_t page = sysconf(_SC_PAGESIZE);
  const int64_t last = std::min<int64_t>((first + count - 1) / index_.block_rows,
                                         static_cast<int64_t>(blocks.size()) - 1);
  for (int64_t b = first / index_.block_rows; b <= last; ++b) {
    const CtrBlock& block = blocks[static_cast<size_t>(b)];
    const int64_t begin = block.offset / page * page;
    auto* const from = const_cast<uint8_t*>(bytes_.span().data()) + begin;
    madvise(from, static_cast<size_t>(block.offset + block.bytes - begin), MADV_WILLNEED);
  }
}

void CtrCache::verify() const {
  for (const CachedField& field : index_.fields)
    for (const CacheSection* section :
         {&field.texts, &field.ends, &field.counts, &field.ids, &field.bounds})
      this->section(*section);
  for (int split = 0; split < kCtrSplits; ++split)
    for (size_t b = 0; b < blocks_[split].size(); ++b) {
      OpenBlock afresh;
      open_block(blocks_[split][b], afresh);
    }
}

}  // namespace mgqe
