// CtrCache: what `mgqe prepare` wrote, read where it lies.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "host/data/ctr/cache_index.hpp"
#include "host/io/bytes.hpp"

namespace mgqe {

/// A mapped file: what no batch asks for is not read. A block is compared with its checksum when
/// rows of it are first asked for.
class CtrCache : public CtrRows {
 public:
  /// InputError, one line with the path and what to do, where the file is no cache, of another
  /// version, cut or damaged.
  explicit CtrCache(const std::filesystem::path& path);

  const std::string& path() const { return bytes_.name(); }
  const CacheIndex& index() const { return index_; }
  uint64_t fingerprint() const override { return index_.fingerprint; }
  uint64_t ids_fingerprint() const override { return index_.ids_fingerprint(); }
  int64_t block_rows() const override { return index_.block_rows; }

  /// InputError where a block of them is damaged.
  void gather(CtrSplit split, std::span<const int64_t> rows, CtrBatch& batch) const override;
  void will_need(CtrSplit split, int64_t first, int64_t count) const override;
  std::vector<int64_t> counts(size_t field) const override;
  /// Reads all of it; InputError where anything is damaged.
  void verify() const;

  /// The field of that name, or null.
  const CachedField* find(std::string_view name) const;
  /// The bytes of a section, which are compared with their checksum each time.
  std::span<const uint8_t> section(const CacheSection& section) const;

 private:
  struct OpenBlock {
    std::once_flag once;
    const uint8_t* data = nullptr;
    std::vector<uint32_t> starts;  // bytes to each column: labels, then the fields that are kept;
                                   // of a bag, its offsets, then its ids
  };
  struct Column {
    size_t start;  // of starts
    int width;
    int64_t rows;  // ids are below
  };

  [[noreturn]] void fail(const char* what) const;
  CacheIndex read_index() const;
  void lay_out();
  void read_block_table();
  const OpenBlock& block(int split, int64_t number) const;
  void open_block(const CtrBlock& block, OpenBlock& open) const;
  void check_values(const CtrBlock& block, const OpenBlock& open) const;

  Bytes bytes_;
  CacheIndex index_;
  std::vector<Column> ids_, bags_, dense_;  // as the shape has them
  std::vector<CtrBlock> blocks_[kCtrSplits];
  std::unique_ptr<OpenBlock[]> open_[kCtrSplits];
};

/// Whether a file begins as a cache does.
bool is_ctr_cache(const std::filesystem::path& path);

}  // namespace mgqe
