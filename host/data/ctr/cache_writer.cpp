#include "host/data/ctr/cache_writer.hpp"

#include <algorithm>
#include <cstring>

#include <nlohmann/json.hpp>

#include "host/base/check.hpp"
#include "host/io/checksum.hpp"

namespace mgqe {

namespace {

constexpr size_t kAlignment = 8;

class BlockBytes {
 public:
  explicit BlockBytes(std::vector<uint8_t>& bytes) : bytes_(bytes) { bytes_.clear(); }

  template <class To, class From>
  void add(const std::vector<From>& values) {
    const size_t begin = bytes_.size();
    const size_t end = begin + values.size() * sizeof(To);
    bytes_.resize((end + kAlignment - 1) / kAlignment * kAlignment);
    To* const to = reinterpret_cast<To*>(bytes_.data() + begin);
    for (size_t i = 0; i < values.size(); ++i) to[i] = static_cast<To>(values[i]);
  }
  void add_ids(const std::vector<uint32_t>& ids, int width) {
    if (width == 1) return add<uint8_t>(ids);
    if (width == 2) return add<uint16_t>(ids);
    add<uint32_t>(ids);
  }
  void add_offsets(const std::vector<uint32_t>& lengths) {
    std::vector<uint32_t> offsets = {0};
    for (const uint32_t length : lengths) offsets.push_back(offsets.back() + length);
    add<uint32_t>(offsets);
  }

 private:
  std::vector<uint8_t>& bytes_;
};

}  // namespace

int id_width(int64_t rows) { return rows <= 1 << 8 ? 1 : rows <= 1 << 16 ? 2 : 4; }

CacheWriter::CacheWriter(const std::filesystem::path& path, CacheIndex& index)
    : file_(path), index_(index) {
  CacheHead head;
  std::memcpy(head.mark, kCacheMark, sizeof head.mark);
  write(&head, sizeof head);
  const auto columns = std::count_if(index.fields.begin(), index.fields.end(),
                                     [](const CachedField& field) { return field.kept(); });
  for (RawChunk& pending : pending_) pending.columns.resize(static_cast<size_t>(columns));
}

CacheSection CacheWriter::write(const void* data, size_t bytes) {
  constexpr uint8_t kZeros[kAlignment] = {};
  const auto* const begin = static_cast<const uint8_t*>(data);
  const CacheSection section{end_, static_cast<int64_t>(bytes), crc32_of({begin, bytes})};
  file_.write(data, bytes);
  const size_t pad = (kAlignment - bytes % kAlignment) % kAlignment;
  file_.write(kZeros, pad);
  end_ += static_cast<int64_t>(bytes + pad);
  return section;
}

void CacheWriter::add(CtrSplit split, const RawChunk& chunk, std::span<const uint32_t> rows,
                      const std::vector<std::vector<uint32_t>>& starts) {
  const int s = static_cast<int>(split);
  RawChunk& pending = pending_[s];
  while (!rows.empty()) {
    const auto room = static_cast<size_t>(index_.block_rows - pending.rows());
    const auto some = rows.first(std::min(rows.size(), room));
    rows = rows.subspan(some.size());
    for (const uint32_t row : some) pending.labels.push_back(chunk.labels[row]);
    for (size_t c = 0; c < chunk.columns.size(); ++c) {
      const RawColumn& from = chunk.columns[c];
      RawColumn& to = pending.columns[c];
      if (!from.floats.empty()) {
        for (const uint32_t row : some) to.floats.push_back(from.floats[row]);
      } else if (from.lengths.empty()) {
        for (const uint32_t row : some) to.numbers.push_back(from.numbers[row]);
      } else {
        for (const uint32_t row : some) {
          to.lengths.push_back(from.lengths[row]);
          const auto begin = from.numbers.begin() + starts[c][row];
          to.numbers.insert(to.numbers.end(), begin, begin + from.lengths[row]);
        }
      }
    }
    if (pending.rows() == index_.block_rows) flush(s);
  }
}

void CacheWriter::flush(int split) {
  RawChunk& pending = pending_[split];
  if (pending.rows() == 0) return;
  BlockBytes bytes(packed_);
  bytes.add<uint8_t>(pending.labels);
  size_t column = 0;
  for (const CachedField& field : index_.fields) {
    if (!field.kept()) continue;
    const RawColumn& from = pending.columns[column++];
    if (field.spec.kind == FieldKind::kDense) {
      bytes.add<float>(from.floats);
      continue;
    }
    if (field.spec.kind == FieldKind::kBag) bytes.add_offsets(from.lengths);
    bytes.add_ids(from.numbers, field.width);
  }
  index_.rows[split] += pending.rows();
  index_.positives[split] += std::count(pending.labels.begin(), pending.labels.end(), 1);
  const CacheSection written = write(packed_.data(), packed_.size());
  blocks_.push_back({written.offset, written.bytes, static_cast<uint32_t>(pending.rows()),
                     written.crc, static_cast<uint32_t>(split), 0});
  pending.clear();
}

void CacheWriter::flush() {
  for (int split = 0; split < kCtrSplits; ++split) flush(split);
}

void CacheWriter::finish() {
  index_.blocks = section(std::span<const CtrBlock>(blocks_));
  const std::string json = to_json(index_).dump();
  const CacheSection written = write(json.data(), json.size());
  CacheTail tail;
  tail.index_offset = written.offset;
  tail.index_bytes = written.bytes;
  tail.index_crc = written.crc;
  std::memcpy(tail.mark, kCacheMark, sizeof tail.mark);
  write(&tail, sizeof tail);
  file_.commit();
}

}  // namespace mgqe
