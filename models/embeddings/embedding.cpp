#include "models/embeddings/embedding.hpp"

#include <cmath>

#include "models/embeddings/dpq_sx.hpp"
#include "models/embeddings/full.hpp"
#include "models/embeddings/hashed.hpp"
#include "models/embeddings/low_rank.hpp"
#include "models/embeddings/mgqe.hpp"
#include "models/embeddings/scalar_quantized.hpp"

namespace mgqe {
namespace {

struct Scheme {
  const char* name;
  std::unique_ptr<Embedding> (*make)(Backend& backend, const EmbeddingSpec& spec);
};

template <class Type>
std::unique_ptr<Embedding> make(Backend& backend, const EmbeddingSpec& spec) {
  return std::make_unique<Type>(backend, spec);
}

constexpr Scheme kSchemes[] = {
    {"full", make<FullEmbedding>},
    {"low_rank", make<LowRankEmbedding>},
    {"scalar_quantized", make<ScalarQuantizedEmbedding>},
    {"hashed", make<HashedEmbedding>},
    {"dpq_vq", make<MgqeEmbedding>},  // of one tier
    {"dpq_sx", make<DpqSxEmbedding>},
    {"mgqe", make<MgqeEmbedding>},
};

}  // namespace

Embedding::Embedding(Backend& backend, int64_t dim, std::unique_ptr<WireCodec> wire)
    : backend_(backend),
      wire_(wire != nullptr ? std::move(wire) : std::make_unique<FloatCodec>(backend, dim)) {}

std::unique_ptr<Embedding> make_embedding(Backend& backend, const EmbeddingSpec& spec) {
  std::string names;
  for (const Scheme& scheme : kSchemes) {
    if (spec.config.scheme == scheme.name) return scheme.make(backend, spec);
    names += (names.empty() ? "" : ", ") + std::string(scheme.name);
  }
  input_error("--embedding ", spec.config.scheme, " is unknown: choose one of ", names);
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
