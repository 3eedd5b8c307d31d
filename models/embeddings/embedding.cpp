#include "models/embeddings/embedding.hpp"

#include <cmath>
#include <numeric>

namespace mgqe {
Embedding::Embedding(Backend& backend, int64_t dim, std::unique_ptr<WireCodec> wire)
    : backend_(backend),
      wire_(wire != nullptr ? std::move(wire) : std::make_unique<FloatCodec>(backend, dim)) {}

Tensor<int32_t> number_lookups(Backend& backend, int64_t lookups) {
  std::vector<int32_t> numbers(static_cast<size_t>(lookups));
  std::iota(numbers.begin(), numbers.end(), 0);
  return Tensor<int32_t>(backend, std::span<const int32_t>(numbers));
}

Tiers make_tiers(const EmbeddingConfig& config, int64_t rows) {
  Tiers tiers;
  tiers.count = static_cast<int>(config.tiers.size()) + 1;
  for (int i = 0; i < tiers.count; ++i) {
    // The nudge keeps 0.1 * 1000 from rounding up to 101.
    tiers.end[i] =
        i + 1 == tiers.count
            ? rows
            : static_cast<int64_t>(std::ceil(config.tiers[i] * static_cast<double>(rows) - 1e-6));
    tiers.centroids[i] = config.centroids.size() == 1 ? config.centroids[0] : config.centroids[i];
  }
  return tiers;
}

}  // namespace mgqe
