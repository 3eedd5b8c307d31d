// Rows between text and cache: numbered values, before it is known which are frequent. A chunk of
// them lies in memory, the rest in a file without a name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "host/io/descriptor.hpp"

namespace mgqe {

/// One field of a chunk's rows; what its kind does not use is empty.
struct RawColumn {
  std::vector<uint32_t> numbers;  // of values, as a ByteTable or a hash numbers them; of a bag,
                                  // those of all rows one after the other
  std::vector<uint32_t> lengths;  // of bags: values of each row
  std::vector<double> reals;      // quantile buckets, dense; NaN: missing
  std::vector<float> floats;      // dense, as they are written
};

struct RawChunk {
  static constexpr int64_t kRows = 16384;

  std::vector<uint8_t> labels;     // (rows)
  std::vector<RawColumn> columns;  // a field each

  int64_t rows() const { return static_cast<int64_t>(labels.size()); }
  void clear();
};

/// Chunks in order, each of kRows rows but the last. Written once, read as often as need be.
class RawRows {
 public:
  /// Has its file in `folder`, without a name, so that nothing is left of it whatever happens.
  explicit RawRows(const std::filesystem::path& folder);

  void append(const RawChunk& chunk);
  int64_t chunks() const { return static_cast<int64_t>(places_.size()); }
  int64_t rows() const { return rows_; }
  int64_t first_row(int64_t chunk) const { return chunk * RawChunk::kRows; }
  void read(int64_t chunk, RawChunk& to) const;

 private:
  struct Place {
    int64_t offset = 0;
    std::vector<uint32_t> counts;  // of every array
  };

  std::filesystem::path folder_;
  Descriptor file_;
  std::vector<Place> places_;
  int64_t rows_ = 0, end_ = 0;
};

}  // namespace mgqe
