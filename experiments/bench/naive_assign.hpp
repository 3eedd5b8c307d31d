// What one writes without thinking about the machine: for every row and subspace, the squared
// distance to every centroid. Rows are split over threads; -O3 does what it can with the rest.
#pragma once

#include <cstdint>
#include <vector>

namespace mgqe::bench {

class NaiveAssign {
 public:
  /// queries (n, d), codebook (K, d), D subspaces.
  NaiveAssign(std::vector<float> queries, std::vector<float> codebook, int64_t d, int64_t D);
  void run();
  const std::vector<uint8_t>& codes() const { return codes_; }    // (n, D)
  const std::vector<float>& decoded() const { return decoded_; }  // (n, d)

 private:
  std::vector<float> queries_, codebook_;
  int64_t d_, subspaces_;
  std::vector<uint8_t> codes_;
  std::vector<float> decoded_;
};

}  // namespace mgqe::bench
