// DeviceTiers: a coded table that is searched on a device other than the CPU, with the results of
// host/serve/scan/top_k.hpp to the bit.
#pragma once

#include <memory>

#include "host/engine/coded_top_k.hpp"
#include "host/serve/scan/top_k.hpp"

namespace mgqe {

/// Const members may be called from many threads at once. Copies share the device's memory.
class DeviceTiers {
 public:
  /// table: what `search` was made of (make_coded_top_k); only its shape is kept.
  DeviceTiers(const PackedTiers& table, std::unique_ptr<CodedTopK> search);

  int64_t rows() const { return rows_; }
  int64_t dim() const { return dim_; }
  CodedTopK& search() const { return *search_; }

 private:
  int64_t rows_, dim_;
  std::shared_ptr<CodedTopK> search_;
};

/// `threads` and `level` of the options say nothing to a device.
void top_k(const DeviceTiers& table, View<const float> queries, const TopKOptions& options,
           TopKResult result);

}  // namespace mgqe
