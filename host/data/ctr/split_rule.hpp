// Which rows train, which validate and which test.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/data/ctr/ctr_rows.hpp"

namespace mgqe {

struct SplitRule {
  enum class Kind {
    kFiles,   // each file is of one split
    kRandom,  // each row by itself, by the seed and its number
    kLast,    // by order: train, then validation, then test
  };
  Kind kind = Kind::kRandom;
  double valid = 0.1, test = 0.1;  // fractions of the rows
  uint64_t seed = 1;

  /// "files", "random:0.1,0.1 seed 1"
  std::string name() const;
};

/// "random:V,T" or "last:V,T", fractions as 0.1 or 1/14; InputError for anything else.
SplitRule parse_split_rule(const std::string& text, uint64_t seed);

class RowSplits {
 public:
  /// `files`: the split of each file, and the number of the row behind its last.
  struct FileRows {
    CtrSplit split;
    int64_t end;
  };
  RowSplits(const SplitRule& rule, std::vector<FileRows> files);

  CtrSplit of(int64_t row) const;

 private:
  SplitRule rule_;
  std::vector<FileRows> files_;
  int64_t valid_begin_ = 0, test_begin_ = 0;  // kLast
  uint64_t key_ = 0;                          // kRandom
};

}  // namespace mgqe
