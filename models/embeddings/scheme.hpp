// EmbeddingScheme: how tables of a scheme are made and what they take. With its SchemeTraits and
// its PackedScheme it is all there is to know of a scheme.
//
// A new scheme is a pair of files with its Embedding, and a line each in scheme.cpp,
// host/config/scheme_traits.cpp, host/packed/packed_scheme.cpp and models/packing/decoder.cpp; or,
// from without, one call of register_scheme.
#pragma once

#include "host/config/scheme_traits.hpp"
#include "host/packed/packed_scheme.hpp"
#include "models/embeddings/embedding.hpp"
#include "models/packing/decoder.hpp"

namespace mgqe {

struct EmbeddingScheme {
  const char* name;
  std::unique_ptr<Embedding> (*make)(Backend& backend, const EmbeddingSpec& spec);
  // What the memory plan counts; null where it is as for a full table of floats.
  /// Rows that a table of `rows` ids stores.
  int64_t (*stored_rows)(const EmbeddingConfig& embedding, int64_t rows) = nullptr;
  /// Their floats.
  int64_t (*stored_width)(const EmbeddingConfig& embedding, int64_t dim) = nullptr;
  /// Scratch bytes of a look-up.
  int64_t (*lookup_bytes)(const EmbeddingConfig& embedding, int64_t dim) = nullptr;
  /// Bytes of a row on its way between ranks.
  int64_t (*wire_bytes)(const EmbeddingConfig& embedding, int64_t dim) = nullptr;
  /// Bytes of so many packed rows; where it is null, rows are served as they are stored, or are
  /// codes.
  int64_t (*packed_bytes)(const EmbeddingConfig& embedding, int64_t rows, int64_t dim) = nullptr;
  /// Weights of dense arrays beside the rows: codebooks.
  int64_t (*codebook_floats)(const EmbeddingConfig& embedding, int64_t dim) = nullptr;
};

/// InputError that lists the known ones.
const EmbeddingScheme& find_embedding_scheme(const std::string& name);

/// Adds a scheme of one name to all that know schemes; each must outlive every use.
void register_scheme(const SchemeTraits& traits, const PackedScheme& packed, MakeDecoder decoder,
                     const EmbeddingScheme& scheme);

}  // namespace mgqe
