#include "models/embeddings/scheme.hpp"

#include <algorithm>
#include <numeric>

#include "host/config/choices.hpp"
#include "models/embeddings/dpq_sx.hpp"
#include "models/embeddings/full.hpp"
#include "models/embeddings/hashed.hpp"
#include "models/embeddings/low_rank.hpp"
#include "models/embeddings/mgqe.hpp"
#include "models/embeddings/scalar_quantized.hpp"

namespace mgqe {
namespace {

constexpr int64_t kFloat = sizeof(float);

template <class Type>
std::unique_ptr<Embedding> make(Backend& backend, const EmbeddingSpec& spec) {
  return std::make_unique<Type>(backend, spec);
}

/// Codes of a row, a byte each.
int64_t codes(const EmbeddingConfig& embedding) {
  return *std::max_element(embedding.subspaces.begin(), embedding.subspaces.end());
}

int64_t code_bytes(const EmbeddingConfig& embedding, int64_t /*dim*/) { return codes(embedding); }

/// K_1 d of the codebook that tiers share, or d times the sum of K_i.
int64_t codebooks(const EmbeddingConfig& embedding, int64_t dim) {
  const auto& centroids = embedding.centroids;
  switch (embedding.variant) {
    case Variant::kSharedK:
      break;
    case Variant::kPrivateK:
      return dim * std::accumulate(centroids.begin(), centroids.end(), int64_t{0});
    case Variant::kPrivateD:
      return dim * centroids[0] * static_cast<int64_t>(embedding.tiers.size() + 1);
  }
  return dim * centroids[0];
}

/// Decoded rows and codes, and the gradient of a commitment.
int64_t vector_quantized(const EmbeddingConfig& embedding, int64_t dim) {
  return (embedding.commitment_weight > 0.0 ? 2 : 1) * dim * kFloat + codes(embedding);
}

constexpr EmbeddingScheme kFull = {.name = "full", .make = make<FullEmbedding>};

constexpr EmbeddingScheme kLowRank = {
    .name = "low_rank",
    .make = make<LowRankEmbedding>,
    .stored_width = [](const EmbeddingConfig& e, int64_t) { return int64_t{e.rank}; },
    .lookup_bytes = [](const EmbeddingConfig& e,
                       int64_t dim) { return (dim + 2 * int64_t{e.rank}) * kFloat; },
};

constexpr EmbeddingScheme kScalarQuantized = {
    .name = "scalar_quantized",
    .make = make<ScalarQuantizedEmbedding>,
    .packed_bytes =
        [](const EmbeddingConfig& e, int64_t rows, int64_t dim) {
          return rows * packed_row_bytes(static_cast<int>(dim), e.bits) + 2 * dim * kFloat;
        },
};

constexpr EmbeddingScheme kHashed = {
    .name = "hashed",
    .make = make<HashedEmbedding>,
    .stored_rows = [](const EmbeddingConfig& e, int64_t) { return e.buckets; },
};

constexpr EmbeddingScheme kMgqe = {
    .name = "mgqe",
    .make = make<MgqeEmbedding>,
    .lookup_bytes = vector_quantized,
    .wire_bytes = code_bytes,
    .codebook_floats = codebooks,
};

constexpr EmbeddingScheme kDpqVq = [] {  // mgqe of one tier
  EmbeddingScheme scheme = kMgqe;
  scheme.name = "dpq_vq";
  return scheme;
}();

constexpr EmbeddingScheme kDpqSx = {
    .name = "dpq_sx",
    .make = make<DpqSxEmbedding>,
    .lookup_bytes = [](const EmbeddingConfig& e,
                       int64_t dim) { return 4 * dim * kFloat + codes(e); },
    .wire_bytes = code_bytes,
    .codebook_floats = [](const EmbeddingConfig& e,
                          int64_t dim) { return 2 * dim * e.centroids[0]; },  // keys and values
};

/// A new scheme is one line here.
std::vector<const EmbeddingScheme*>& registry() {
  static std::vector<const EmbeddingScheme*> all = {
      &kFull, &kLowRank, &kScalarQuantized, &kHashed, &kDpqVq, &kDpqSx, &kMgqe,
  };
  return all;
}

}  // namespace

const EmbeddingScheme& find_embedding_scheme(const std::string& name) {
  for (const EmbeddingScheme* scheme : registry())
    if (name == scheme->name) return *scheme;
  traits_of_scheme(name);  // which lists the known ones
  throw Error("the scheme " + name + " is known by name alone");
}

void register_scheme(const SchemeTraits& traits, const PackedScheme& packed, MakeDecoder decoder,
                     const EmbeddingScheme& scheme) {
  MGQE_CHECK(packed.name() == traits.name && std::string(scheme.name) == traits.name,
             "a scheme of three names: ", traits.name, ", ", packed.name(), ", ", scheme.name);
  add_scheme_traits(traits);
  add_packed_scheme(packed);
  add_decoder(scheme.name, decoder);
  registry().push_back(&scheme);
}

std::unique_ptr<Embedding> make_embedding(Backend& backend, const EmbeddingSpec& spec) {
  return find_embedding_scheme(spec.config.scheme).make(backend, spec);
}

}  // namespace mgqe
