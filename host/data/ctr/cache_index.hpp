// What stands at the end of a cache: its fields, their vocabularies, and where everything lies.
//
//   bytes 0..63      "MGQECTR\n", u32 version, zeros
//   blocks           of up to block_rows rows of one split each, by columns (cache_writer.hpp)
//   sections         of each field: texts and where they end, counts, ids of numbers, bounds
//   block table      a CtrBlock each
//   index            JSON
//   last 32 bytes    i64 offset and i64 bytes of the index, u32 its CRC-32, u32 version, the mark
//
// All integers are little-endian. Every block, every section and the index have a CRC-32.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "host/data/ctr/ctr_rows.hpp"
#include "host/data/ctr/field_spec.hpp"

namespace mgqe {

inline constexpr char kCacheMark[8] = {'M', 'G', 'Q', 'E', 'C', 'T', 'R', '\n'};
inline constexpr uint32_t kCacheVersion = 1;

struct CacheHead {
  char mark[8];
  uint32_t version = kCacheVersion;
  uint8_t zeros[52] = {};
};
static_assert(sizeof(CacheHead) == 64);

struct CacheTail {
  int64_t index_offset = 0, index_bytes = 0;
  uint32_t index_crc = 0, version = kCacheVersion;
  char mark[8];
};
static_assert(sizeof(CacheTail) == 32);

struct CacheSection {
  int64_t offset = 0, bytes = 0;
  uint32_t crc = 0;
};

struct CtrBlock {
  int64_t offset = 0, bytes = 0;
  uint32_t rows = 0, crc = 0, split = 0, zero = 0;
};
static_assert(sizeof(CtrBlock) == 32);

struct CachedField {
  FieldSpec spec;
  int64_t rows = 0;  // of its table; 0: it has no ids
  int64_t oov = -1;
  int width = 0;                        // bytes of an id in a block: 1, 2 or 4
  int64_t values[kCtrSplits] = {};      // ids in each split: rows, or what bags hold together
  int64_t oov_values[kCtrSplits] = {};  // of those, the OOV row's
  int64_t trained_values = 0;           // values that counts are of, and of those id 0's
  int64_t top_values = 0;
  int64_t longest = 0;               // bags: values of a row at most; 0: an older cache
  double center = 0.0, scale = 1.0;  // dense: (x - center) / scale is what blocks have
  CacheSection texts, ends;  // of the kept texts, in the order of ids without the OOV row; u64 ends
  CacheSection counts;       // i64 (rows), in training
  CacheSection ids;          // i32: of each cell of a hash, or bucket
  CacheSection bounds;       // f64, of quantile buckets

  /// Whether blocks have a column of it.
  bool kept() const { return spec.has_ids() || spec.kind == FieldKind::kDense; }
};

struct CachedSource {
  std::string file;
  CtrSplit split = CtrSplit::kTrain;
  int64_t bytes = 0;
  uint64_t hash = 0;  // of its bytes
};

struct CacheIndex {
  std::vector<CachedField> fields;  // every column, in order: label and ignored ones too
  int64_t rows[kCtrSplits] = {};
  int64_t positives[kCtrSplits] = {};  // rows with label 1
  int64_t unlabeled = 0;               // rows that were left out
  int64_t block_rows = 0;
  CacheSection blocks;
  std::vector<CachedSource> sources;
  std::string options;  // how the sources were read and split: canonical JSON
  uint64_t fingerprint = 0;
  uint64_t vocabulary = 0;  // the fingerprint of the cache that gave the ids; 0: it is its own
  std::string commit;

  uint64_t ids_fingerprint() const { return vocabulary != 0 ? vocabulary : fingerprint; }
};

/// Of sources and options.
uint64_t cache_fingerprint(const std::vector<CachedSource>& sources, const std::string& options);

nlohmann::ordered_json to_json(const CacheIndex& index);
/// Throws nlohmann's exceptions, or Error, where it is not one.
CacheIndex cache_index_from_json(const nlohmann::ordered_json& json);

}  // namespace mgqe
