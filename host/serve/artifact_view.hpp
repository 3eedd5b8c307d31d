// ArtifactView: an artifact as it lies in its file, to serve from. Opening reads the header and no
// array, so ten million rows open as fast as ten, and processes that map one file share its pages.
//
// What open() has checked makes every access safe: the shapes are those of the schemes, arrays lie
// inside the file, aligned to their elements. What the arrays hold is verify()'s to look at: before
// it, a damaged file gives codes that are no centroids, or weights that are no numbers.
//
// The mapping outlives the name: a file that is replaced by rename, as all of ours are, or deleted,
// goes on being served as it was opened. A file cut in place while it is mapped is SIGBUS, as is a
// network mount that goes away: there, open with .map = false.
//
// Copies share everything. Const members may be called from many threads at once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "host/base/host_array.hpp"
#include "host/io/bytes.hpp"
#include "host/io/size_report.hpp"
#include "host/packed/packed_model.hpp"
#include "host/packed/packed_tiers.hpp"
#include "host/serve/id_map.hpp"

namespace mgqe {

struct OpenOptions {
  bool map = true;  // false: the whole file is read into memory
};

/// One embedding table of an ArtifactView, by which it is kept alive.
class TableView {
 public:
  TableView(std::string name, PackedTable form, ArrayViews arrays, std::string file);

  const std::string& name() const { return name_; }
  /// Scheme, rows, dim, fields and tiers; it holds no arrays.
  const PackedTable& form() const { return form_; }
  int64_t rows() const { return form_.rows; }
  int64_t dim() const { return form_.dim; }

  /// Arrays by the names that PackedTable lists, e.g. "codes.0", with the dtypes and shapes of
  /// expected_arrays. InputError listing those there are.
  const ArrayView& view(const std::string& array) const;
  std::span<const uint8_t> array(const std::string& array) const { return view(array).bytes; }
  template <class T>
  std::span<const T> as(const std::string& array) const {
    return view(array).as<T>();
  }
  const ArrayViews& arrays() const { return arrays_; }

  /// The coded table as kernels take it, of form().code_dim() columns and code_count() codes a row;
  /// MGQE_CHECK unless form().has_codes(). Until verify() has passed, codes may be beyond
  /// ranges.centroids. Codebooks of f16 are widened once, for all copies of this view.
  PackedTiers packed_tiers() const;

 private:
  struct Widened;
  const float* codebook(int tier) const;

  std::string name_;
  PackedTable form_;
  ArrayViews arrays_;
  std::string file_;                  // for messages
  std::shared_ptr<Widened> widened_;  // of f16 codebooks alone
};

class ArtifactView {
 public:
  /// InputError, one line with the name, unless header, metadata, shapes and offsets are those of
  /// an artifact of a version known here.
  static ArtifactView open(const std::filesystem::path& path, OpenOptions options = {});
  static ArtifactView open(Bytes bytes);

  const std::string& name() const;  // the path
  int version() const;
  const std::string& backbone() const;  // "gmf"
  const std::string& task() const;      // "ranking" or "relevance"
  const nlohmann::json& config() const;
  uint64_t seed() const;
  int best_epoch() const;
  uint64_t data_fingerprint() const;
  const std::string& commit() const;
  const std::string& device() const;

  /// InputError listing the known ones where there is none of that name.
  const TableView& table(const std::string& name) const;
  std::vector<std::string> table_names() const;
  bool has_table(const std::string& name) const;
  /// Original ids of the rows of an entity: "user" of tables "user" and "gmf.user".
  const IdMap& ids(const std::string& entity) const;
  std::vector<std::string> entities() const;
  /// Weights of the backbone, e.g. "gmf.weights".
  const ArrayView& dense(const std::string& name) const;
  const ArrayViews& dense() const;

  const SizeReport& sizes() const;
  /// Arrays that lie in the file at an address their elements cannot have, and were copied: none in
  /// a file of ours.
  const std::vector<std::string>& copied() const;

  /// Reads everything: the checksum, codes within their codebooks, finite weights, ids and their
  /// order. InputError, one line that says where, at the first thing that is wrong.
  void verify() const;

 private:
  struct State;
  explicit ArtifactView(std::shared_ptr<const State> state) : state_(std::move(state)) {}

  std::shared_ptr<const State> state_;
};

}  // namespace mgqe
