// A coded table to be served: drawn at random, or one of an artifact.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "host/packed/packed_model.hpp"
#include "host/serve/row_reader.hpp"

namespace mgqe::bench {

/// Tiers: the first tenth of the rows with 256 centroids, the others with their first 64.
struct TableShape {
  int64_t rows = 0;
  int64_t dim = 64;
  int subspaces = 8;  // a multiple of 4 that divides dim
};

class ServedTable {
 public:
  /// Codes uniform, centroids normal.
  static ServedTable draw(const TableShape& shape, uint64_t seed);
  /// InputError where the table has no codes; `name` empty: "item", or the only one.
  static ServedTable open(const std::filesystem::path& path, const std::string& name);

  const RowReader& reader() const { return *reader_; }
  const PackedTiers& tiers() const { return reader_->tiers(); }
  int64_t rows() const { return reader_->rows(); }
  int64_t dim() const { return reader_->dim(); }
  int subspaces() const { return tiers().tiers[0].subspaces; }
  int64_t code_bytes() const;
  /// The file as `mgqe train` would leave it, rows as their own ids; only of a drawn one. Its
  /// bytes.
  int64_t write(const std::filesystem::path& path) const;
  /// codes.npy (n, D) u8, codebook.npy (256, d), queries.npy (m, d): what other programs are given;
  /// and the file, model.safetensors.
  void dump(const std::filesystem::path& folder, View<const float> queries) const;

 private:
  std::unique_ptr<PackedTable> drawn_;  // whose arrays the reader looks at; else those of the file
  std::optional<ArtifactView> artifact_;
  std::unique_ptr<RowReader> reader_;
};

/// (n, D): a byte a code.
std::vector<uint8_t> unpacked_codes(const PackedTiers& table);

}  // namespace mgqe::bench
