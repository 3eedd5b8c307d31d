// CacheWriter: rows of ids into the blocks of a cache.
//
// A block is the columns of up to block_rows rows of one split, each padded to 8 bytes: u8 labels;
// then, field by field, f32 of a dense one, ids of 1, 2 or 4 bytes of one with ids, of a bag u32
// offsets (rows + 1) before them.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "host/data/ctr/cache_index.hpp"
#include "host/data/ctr/raw_rows.hpp"
#include "host/io/atomic_file.hpp"

namespace mgqe {

/// The bytes that ids below `rows` take in a block.
int id_width(int64_t rows);

class CacheWriter {
 public:
  /// `index` is filled in as rows and sections come; its fields and block_rows are set.
  CacheWriter(const std::filesystem::path& path, CacheIndex& index);

  /// Some rows of a chunk whose numbers are ids by now (numbers: single ids and those of bags;
  /// floats: dense), a column for each field of the index that is kept. `starts`: for each column
  /// that is a bag, where each row's values begin.
  void add(CtrSplit split, const RawChunk& chunk, std::span<const uint32_t> rows,
           const std::vector<std::vector<uint32_t>>& starts);

  template <class T>
  CacheSection section(std::span<const T> values) {
    return write(values.data(), values.size_bytes());
  }

  /// Writes blocks of the rows that are pending: the last ones.
  void flush();
  /// Writes the index, and gives the file its name.
  void finish();

 private:
  void flush(int split);
  CacheSection write(const void* data, size_t bytes);

  AtomicFile file_;
  CacheIndex& index_;
  int64_t end_ = 0;
  RawChunk pending_[kCtrSplits];
  std::vector<CtrBlock> blocks_;
  std::vector<uint8_t> packed_;
};

}  // namespace mgqe
