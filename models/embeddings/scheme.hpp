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

/// (rows, width) floats.
struct StoredTable {
  int64_t rows, width;
};

struct EmbeddingScheme {
  const char* name;
  std::unique_ptr<Embedding> (*make)(Backend& backend, const EmbeddingSpec& spec);
  // What the memory plan counts; null where it is as for a full table of floats.
  /// Tables that batches touch by rows, for `rows` ids.
  std::vector<StoredTable> (*stored)(const EmbeddingConfig& embedding, int64_t rows,
                                     int64_t dim) = nullptr;
  /// Whether those rows are not one an id, so that their table finds by itself which a batch has.
  bool shared_rows = false;
  /// Scratch bytes of a row on its way from packed arrays.
  int64_t (*decode_bytes)(const EmbeddingConfig& embedding, int64_t dim) = nullptr;
  /// Scratch bytes of a look-up.
  int64_t (*lookup_bytes)(const EmbeddingConfig& embedding, int64_t dim) = nullptr;
  /// Bytes of a row on its way between ranks.
  int64_t (*wire_bytes)(const EmbeddingConfig& embedding, int64_t dim) = nullptr;
  /// Bytes of so many packed rows; where it is null, rows are served as they are stored, or are
  /// codes.
  int64_t (*packed_bytes)(const EmbeddingConfig& embedding, int64_t rows, int64_t dim) = nullptr;
  /// Weights of dense arrays beside the rows: codebooks, bases.
  int64_t (*dense_floats)(const EmbeddingConfig& embedding, int64_t dim) = nullptr;
};

/// Those that a table of so many ids stores; of most schemes a row of `dim` an id.
std::vector<StoredTable> stored_tables(const EmbeddingConfig& embedding, int64_t rows, int64_t dim);

/// InputError that lists the known ones.
const EmbeddingScheme& find_embedding_scheme(const std::string& name);

/// Adds a scheme of one name to all that know schemes; each must outlive every use.
void register_scheme(const SchemeTraits& traits, const PackedScheme& packed, MakeDecoder decoder,
                     const EmbeddingScheme& scheme);

}  // namespace mgqe
