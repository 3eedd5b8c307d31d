#include "host/data/interactions/popularity.hpp"

#include <span>

#include "host/base/tensor.hpp"

namespace mgqe {

std::vector<int32_t> frequency_order(const std::vector<int64_t>& counts, Backend& backend) {
  const Tensor<int64_t> device_counts(backend, std::span<const int64_t>(counts));
  Tensor<int32_t> order(backend, device_counts.rows());
  backend.frequency_order(device_counts.view(), order);
  return order.to_host();
}

std::vector<int32_t> invert(const std::vector<int32_t>& order) {
  std::vector<int32_t> rank(order.size());
  for (size_t i = 0; i < order.size(); ++i) rank[order[i]] = static_cast<int32_t>(i);
  return rank;
}

}  // namespace mgqe
