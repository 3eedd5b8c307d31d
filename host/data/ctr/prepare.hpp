// From text to a cache: text is read once, into numbered values on disk; what is frequent in
// training decides the ids; then those are written. Memory holds the distinct values, never the
// rows.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "host/data/ctr/cache_index.hpp"
#include "host/data/ctr/split_rule.hpp"

namespace mgqe {

struct CtrSource {
  std::string path;
  CtrSplit split = CtrSplit::kTrain;
};

struct PrepareOptions {
  static constexpr int64_t kBlockRows = 16384;

  std::vector<CtrSource> sources;
  std::string format = "auto";       // parse_ctr_format
  std::vector<std::string> columns;  // of files without a header
  std::vector<FieldSpec> fields;     // those that were named; a name may be a pattern
  FieldDefaults defaults;
  SplitRule split;              // kFiles: as the sources say
  std::string missing;          // a word that means the same as an empty field; empty: none
  bool drop_unlabeled = false;  // rows without a label are left out, else refused
  std::string vocabulary;       // a cache, to whose ids values are mapped; its fields are read
  bool refuse_unseen = false;   // values that it does not know are an error, else OOV
  std::string out;
  int64_t block_rows = kBlockRows;
};

/// What is done, and how far: of bytes or chunks.
using PrepareProgress = std::function<void(const std::string& task, int64_t done, int64_t all)>;

/// Writes the cache `out`; what stands in it. InputErrors name the file and line, or the option.
CacheIndex prepare(const PrepareOptions& options, const PrepareProgress& progress);

/// The fingerprint of the cache that prepare() would write, from the bytes of the files alone.
uint64_t prepared_fingerprint(const PrepareOptions& options, const PrepareProgress& progress);

}  // namespace mgqe
