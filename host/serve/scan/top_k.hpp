#pragma once
#include <span>

#include "host/base/tensor.hpp"
#include "host/packed/packed_tiers.hpp"
namespace mgqe {
inline constexpr int64_t kMaxTopK = 10'000;
struct RowFilter {
  std::span<const int32_t> sorted;
  std::span<const uint8_t> bitmap;
};
struct TopKOptions {
  int64_t k = 10;
  int threads = 1;
  RowFilter allow, block;
  std::span<const RowFilter> block_each;
};
struct TopKResult {
  View<int32_t> rows;
  View<float> scores;
  std::span<int64_t> counts;
};
class PreparedTiers {
 public:
  explicit PreparedTiers(const PackedTiers& t, int = 1) : t(t) {}
  PackedTiers t;
};
void check_top_k(int64_t rows, View<const float> queries, const TopKOptions&, TopKResult);
void top_k(const PackedTiers&, View<const float>, const TopKOptions&, TopKResult);
void top_k(const PreparedTiers&, View<const float>, const TopKOptions&, TopKResult);
}  // namespace mgqe
