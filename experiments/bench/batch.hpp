// Batches of ids as recommenders see them, and their distinct ids on the device.
#pragma once

#include <string>
#include <vector>

#include "host/engine/backend.hpp"

namespace mgqe::bench {

/// B ids of [0, n): "uniform", or "zipf": id i with probability proportional to 1 / (i + 1).
std::vector<int32_t> draw_ids(const std::string& law, int64_t rows, int64_t count, uint64_t seed);

/// (rows, cols) of standard normals; arrays of one case have numbers of their own.
Tensor<float> normals(Backend& backend, uint64_t seed, uint64_t number, int64_t rows, int64_t cols);

/// The first tenth of n rows may use 256 centroids, the others 64.
Tiers head_and_tail(int64_t rows);

/// Sum of K_i over the given ids.
int64_t searched_centroids(const Tiers& tiers, const std::vector<int32_t>& ids);

/// A batch on the device, sorted.
struct Batch {
  Batch(Backend& backend, const std::string& law, int64_t rows, int64_t count, uint64_t seed);
  UniqueIds unique() const { return {ids, offsets, order, inverse, unique_count}; }
  /// Sorts anew.
  void deduplicate(Backend& backend) const { backend.deduplicate(lookups, rows, unique()); }

  int64_t rows;                        // n
  std::vector<int32_t> host_lookups;   // (B)
  std::vector<int32_t> host_distinct;  // (U)
  Tensor<int32_t> lookups;             // (B)
  Tensor<int32_t> ids, offsets, order, inverse, unique_count;
};

}  // namespace mgqe::bench
