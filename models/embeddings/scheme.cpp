#include "models/embeddings/scheme.hpp"

#include <algorithm>
#include <numeric>

#include "host/config/choices.hpp"
#include "models/embeddings/dpq_sx.hpp"
#include "models/embeddings/full.hpp"
#include "models/embeddings/hashed.hpp"
#include "models/embeddings/low_rank.hpp"
#include "models/embeddings/lsq.hpp"
#include "models/embeddings/memcom.hpp"
#include "models/embeddings/mgqe.hpp"
#include "models/embeddings/mixed_dim.hpp"
#include "models/embeddings/quotient_remainder.hpp"
#include "models/embeddings/scalar_quantized.hpp"

namespace mgqe {
namespace {

constexpr int64_t kFloat = sizeof(float), kId = sizeof(int32_t);
constexpr int64_t kSortedId = 5 * kId;  // an id of another table and its place in a UniqueBuffer

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
    .stored =
        [](const EmbeddingConfig& e, int64_t rows, int64_t) {
          return std::vector<StoredTable>{{rows, e.rank}};
        },
    .decode_bytes = [](const EmbeddingConfig& e, int64_t) { return e.rank * kFloat; },
    .lookup_bytes = [](const EmbeddingConfig& e,
                       int64_t dim) { return (dim + 2 * int64_t{e.rank}) * kFloat; },
    .dense_floats = [](const EmbeddingConfig& e, int64_t dim) { return e.rank * dim; },
};

constexpr EmbeddingScheme kScalarQuantized = {
    .name = "scalar_quantized",
    .make = make<ScalarQuantizedEmbedding>,
    .packed_bytes =
        [](const EmbeddingConfig& e, int64_t rows, int64_t dim) {
          return rows * packed_row_bytes(static_cast<int>(dim), e.bits) + 2 * dim * kFloat;
        },
};

/// Rows rounded, gradients of both.
constexpr EmbeddingScheme kLsq = [] {
  EmbeddingScheme scheme = kScalarQuantized;
  scheme.name = "lsq";
  scheme.make = make<LsqEmbedding>;
  scheme.lookup_bytes = [](const EmbeddingConfig&, int64_t dim) { return 3 * dim * kFloat; };
  return scheme;
}();

constexpr EmbeddingScheme hashed(const char* name) {
  return {
      .name = name,
      .make = make<HashedEmbedding>,
      .stored =
          [](const EmbeddingConfig& e, int64_t, int64_t dim) {
            return std::vector<StoredTable>{{e.buckets, dim}};
          },
      .shared_rows = true,
      .decode_bytes = [](const EmbeddingConfig&, int64_t) { return kId; },
  };
}
constexpr EmbeddingScheme kHashed = hashed("hashed");
constexpr EmbeddingScheme kMultiplexed = hashed("multiplexed");

constexpr EmbeddingScheme kQuotientRemainder = {
    .name = "quotient_remainder",
    .make = make<QuotientRemainderEmbedding>,
    .stored =
        [](const EmbeddingConfig& e, int64_t rows, int64_t dim) {
          return std::vector<StoredTable>{{(rows + e.buckets - 1) / e.buckets, dim},
                                          {e.buckets, dim}};
        },
    .shared_rows = true,
    .decode_bytes = [](const EmbeddingConfig&, int64_t) { return 2 * kId; },
    .lookup_bytes = [](const EmbeddingConfig&,
                       int64_t dim) { return 3 * dim * kFloat + 2 * kSortedId + kId; },
};

constexpr EmbeddingScheme kMemcom = {
    .name = "memcom",
    .make = make<MemcomEmbedding>,
    .stored =
        [](const EmbeddingConfig& e, int64_t rows, int64_t dim) {
          return std::vector<StoredTable>{{e.buckets, dim}, {rows, 1}};
        },
    .shared_rows = true,
    .decode_bytes = [](const EmbeddingConfig&, int64_t) { return kId + kFloat; },
    .lookup_bytes = [](const EmbeddingConfig&,
                       int64_t dim) { return (2 * dim + 2) * kFloat + kSortedId + kId; },
};

int64_t widest(const EmbeddingConfig& embedding) {
  return *std::max_element(embedding.widths.begin(), embedding.widths.end());
}

constexpr EmbeddingScheme kMixedDim = {
    .name = "mixed_dim",
    .make = make<MixedDimEmbedding>,
    .stored =
        [](const EmbeddingConfig& e, int64_t rows, int64_t) {
          const Tiers tiers = make_tiers(e, rows);
          std::vector<StoredTable> tables;
          tables.reserve(static_cast<size_t>(tiers.count));
          for (int t = 0; t < tiers.count; ++t)
            tables.push_back({tiers.rows(t), e.widths[static_cast<size_t>(t)]});
          return tables;
        },
    .shared_rows = true,
    .decode_bytes = [](const EmbeddingConfig& e, int64_t) { return widest(e) * kFloat; },
    .lookup_bytes =
        [](const EmbeddingConfig& e, int64_t dim) {
          const int64_t widths = std::accumulate(e.widths.begin(), e.widths.end(), int64_t{0});
          const auto tiers = static_cast<int64_t>(e.widths.size());
          return (dim + 2 * widths) * kFloat + tiers * kSortedId + kId;
        },
    .dense_floats =
        [](const EmbeddingConfig& e, int64_t dim) {
          int64_t floats = 0;
          for (const int width : e.widths) floats += width < dim ? width * dim : 0;
          return floats;
        },
};

constexpr EmbeddingScheme kMgqe = {
    .name = "mgqe",
    .make = make<MgqeEmbedding>,
    .lookup_bytes = vector_quantized,
    .wire_bytes = code_bytes,
    .dense_floats = codebooks,
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
    .dense_floats = [](const EmbeddingConfig& e,
                       int64_t dim) { return 2 * dim * e.centroids[0]; },  // keys and values
};

/// A new scheme is one line here.
std::vector<const EmbeddingScheme*>& registry() {
  static std::vector<const EmbeddingScheme*> all = {
      &kFull, &kLowRank,     &kScalarQuantized,   &kHashed, &kDpqVq,    &kDpqSx, &kMgqe,
      &kLsq,  &kMultiplexed, &kQuotientRemainder, &kMemcom, &kMixedDim,
  };
  return all;
}

}  // namespace

std::vector<StoredTable> stored_tables(const EmbeddingConfig& embedding, int64_t rows,
                                       int64_t dim) {
  const EmbeddingScheme& scheme = find_embedding_scheme(embedding.scheme);
  if (scheme.stored == nullptr) return {{rows, dim}};
  return scheme.stored(embedding, rows, dim);
}

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
