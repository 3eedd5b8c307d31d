#include "models/embedding.hpp"

#include <cmath>

#include "models/embeddings/full.hpp"
#include "models/embeddings/mgqe.hpp"

namespace mgqe {

std::unique_ptr<Embedding> make_embedding(Backend& backend, const EmbeddingSpec& spec) {
  if (spec.config.scheme == "full") return std::make_unique<FullEmbedding>(backend, spec);
  if (spec.config.scheme == "mgqe") return std::make_unique<MgqeEmbedding>(backend, spec);
  input_error("--embedding ", spec.config.scheme, " is unknown: choose full or mgqe");
}

Tiers make_tiers(const EmbeddingConfig& config, int64_t rows) {
  Tiers tiers;
  tiers.count = static_cast<int>(config.centroids.size());
  for (int i = 0; i < tiers.count; ++i) {
    // The nudge keeps 0.1 * 1000 from rounding up to 101.
    tiers.end[i] =
        i + 1 == tiers.count
            ? rows
            : static_cast<int64_t>(std::ceil(config.tiers[i] * static_cast<double>(rows) - 1e-6));
    tiers.centroids[i] = config.centroids[i];
  }
  return tiers;
}

}  // namespace mgqe
