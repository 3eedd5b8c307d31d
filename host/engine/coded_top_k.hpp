// CodedTopK: a coded table on a device that is no CPU, which answers with exact top-k lists
// straight from its codes. What a list is stands in host/serve/scan/top_k.hpp; the bits are the
// CPU's. Callers use host/serve/scan/device_tiers.hpp, which checks what it is asked.
#pragma once

#include <memory>
#include <string>

#include "host/packed/packed_tiers.hpp"

namespace mgqe {

/// A set of rows, sorted ascending or as a bitmap (bit r % 8 of byte r / 8); where both pointers
/// are null it stands for no filter. Kernels take it, too.
struct RowSelection {
  const int32_t* sorted = nullptr;
  int64_t count = 0;  // of sorted
  const uint8_t* bitmap = nullptr;

  MGQE_HD bool given() const { return sorted != nullptr || bitmap != nullptr; }
  MGQE_HD bool contains(int32_t row) const {
    if (bitmap != nullptr) return bitmap[row / 8] >> (row % 8) & 1;
    int64_t low = 0, high = count;
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (sorted[middle] < row)
        low = middle + 1;
      else
        high = middle;
    }
    return low < count && sorted[low] == row;
  }
};

/// How the rows that may enter are found. Results do not depend on it.
enum class TopKWay {
  kChosen,    // by the number of queries
  kTables,    // sums of 16-bit deficits
  kProducts,  // products of rounded rows and queries
};

struct CodedTopKCall {
  View<const float> queries;  // (M, d), finite; on the host, as all that follows
  int64_t k = 0;
  RowSelection allow, block;
  const RowSelection* block_each = nullptr;  // (M), or null

  View<int32_t> rows;         // (M, k)
  View<float> scores;         // (M, k)
  int64_t* counts = nullptr;  // (M)

  // For tests; 0: chosen.
  TopKWay way = TopKWay::kChosen;
  int64_t first_rows = 0;  // that set the first thresholds
  int64_t capacity = 0;    // candidates that a query may have between two selections
};

class CodedTopK {
 public:
  virtual ~CodedTopK() = default;
  /// "cuda:0".
  virtual std::string device() const = 0;
  /// May be called from several threads: they take turns.
  virtual void top_k(const CodedTopKCall& call) = 0;
};

/// The table, copied to the device; null where `device`, as make_backend() takes it, means the CPU.
/// InputError for a GPU that is named and cannot be used, in one line.
std::unique_ptr<CodedTopK> make_coded_top_k(const std::string& device, const PackedTiers& table);

}  // namespace mgqe
