#include "host/train/warm_start.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "host/base/philox.hpp"
#include "host/io/artifact_description.hpp"
#include "host/io/checkpoint.hpp"
#include "host/io/mapped_arrays.hpp"
#include "host/packed/dense_arrays.hpp"
#include "models/embeddings/lsq.hpp"
#include "models/embeddings/quantizer.hpp"
#include "models/features/table_group.hpp"

namespace mgqe {
namespace {

constexpr const char* kFields = "fields";  // the table of a full run's features
constexpr int kIterations = 10;            // of k-means, where --kmeans-start does not say
constexpr int64_t kMostSampled = 1 << 16;
constexpr int64_t kChunkRows = 1 << 16;  // that are on their way to the device at once

/// One trained table, and the full one whose rows it begins with.
struct Source {
  EmbeddingConfig embedding;
  std::span<const float> values;  // of the full one, d a row, where they lie in the file
  std::vector<int64_t> rows;      // of these, by row; empty: the same
  int64_t count = 0;              // n

  std::span<const float> row(int64_t i) const {
    const int64_t at = rows.empty() ? i : rows[static_cast<size_t>(i)];
    const auto dim = static_cast<size_t>(embedding.dim);
    return values.subspan(static_cast<size_t>(at) * dim, dim);
  }
};

/// Refuses schemes that do not keep a row of --dim an id in training.
void require_rows(const std::string& scheme) {
  static const std::set<std::string> kSchemes = {"full", "scalar_quantized", "lsq", "dpq_vq",
                                                 "mgqe"};
  if (!kSchemes.contains(scheme))
    input_error("--warm-start begins with a row an id, which the scheme ", scheme,
                " does not train: choose full, scalar_quantized, lsq, dpq_vq or mgqe");
}

MappedArrays map_arrays(const Config& config) {
  Bytes bytes = Bytes::map(config.train.warm_start);
  SafetensorsHeader header = read_safetensors_header(bytes);
  return {std::move(bytes), std::move(header)};
}

HostArray copy_of(const ArrayView& view) {
  HostArray array;
  array.dtype = view.dtype;
  array.shape = view.shape;
  array.bytes.assign(view.bytes.begin(), view.bytes.end());
  return array;
}

ArtifactDescription describe(const Config& config, const MappedArrays& file) {
  return describe_artifact(config.train.warm_start, file.header());
}

template <class... Parts>
[[noreturn]] void refuse_artifact(const Config& config, const Parts&... parts) {
  input_error("--warm-start ", config.train.warm_start, " ", parts...);
}

/// The artifact is of full tables of the run's model and data.
void require_like(const Config& config, const Task& task, const ArtifactDescription& full) {
  if (full.backbone != config.model.name || full.task != name_of(config.model.task))
    refuse_artifact(config, "is of --model ", full.backbone, " --task ", full.task,
                    ", this run of --model ", config.model.name, " --task ",
                    name_of(config.model.task));
  if (!task.has_ids_of(full.data_fingerprint))
    refuse_artifact(
        config,
        "was trained on other data: give the --data that it had, or rows that `mgqe prepare "
        "--vocabulary-of` gave its ids");
  if (!task.has_features_of(full.fields))
    refuse_artifact(
        config,
        "was trained on other fields, or in another order, than --data has: prepare the rows "
        "anew by `mgqe prepare --overwrite`");
  for (const auto& [name, table] : full.tables)
    if (table.scheme != "full")
      refuse_artifact(config, "has ", table.scheme, " rows of ", name,
                      ": a run begins at full ones (--embedding full)");
}

class WarmStart {
 public:
  WarmStart(Backend& backend, const Config& config, const Task& task)
      : backend_(backend),
        config_(config),
        file_(map_arrays(config)),
        full_(describe(config, file_)) {
    verify_safetensors(file_.bytes());
    require_like(config, task, full_);
    const Catalogue catalogue = task.catalogue();
    Config theirs;
    update_from_json(theirs, full_.config, config.train.warm_start);
    for (const std::string& name : full_.dense) dense_.emplace(name, copy_of(file_.at(name)));
    if (catalogue.layout != nullptr && theirs.embedding.bag_pooling != config.embedding.bag_pooling)
      refuse("was trained by --bag-pooling ", name_of(theirs.embedding.bag_pooling), ", not ",
             name_of(config.embedding.bag_pooling));
    std::map<std::string, std::vector<int64_t>> rows;  // of the artifact's, by table
    if (catalogue.layout != nullptr) rows = feature_rows(*catalogue.layout);
    for (const TableGroup& group : table_groups(config, catalogue))
      for (const TableSpec& table : group.tables) add(group, table, rows[table.name]);
  }

  void set(Model& model) {
    model.visit(
        [&]<class T>(const std::string& name, Tensor<T>& tensor, const RowSharding& sharding) {
          if constexpr (std::is_same_v<T, float>) {
            if (is_state(name)) return;
            if (const auto found = sources_.find(table_of(name)); found != sources_.end())
              set_array(name, found->second, sharding, tensor);
            else
              set_weights(name, tensor);
          }
        });
    for (const auto& [name, weights] : dense_)
      if (!used_.contains(name) && !name.ends_with(".scale") && weights.size() > 1)  // no setting
        refuse("has weights ", name,
               ", for which this run has no layer: give the layers that it was trained with");
  }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    refuse_artifact(config_, parts...);
  }

  /// What an optimizer or a search keeps of an array of weights.
  static bool is_state(const std::string& name) {
    return name.ends_with(".adam_first") || name.ends_with(".adam_second") ||
           name.ends_with(".adagrad") || name.ends_with(".distance_moments");
  }

  /// "user" of "user.queries" and "gmf.user" of "gmf.user.table"; of other arrays nothing known.
  static std::string table_of(const std::string& array) {
    for (const char* part : {".queries", ".table", ".codebook", ".log_steps"})
      if (const size_t at = array.rfind(part); at != std::string::npos) return array.substr(0, at);
    return "";
  }

  /// rows: of the artifact's table, by row; empty: the same.
  void add(const TableGroup& group, const TableSpec& table, std::vector<int64_t> rows) {
    require_rows(group.embedding.scheme);
    const std::string from = rows.empty() ? table.name : kFields;
    const auto found = full_.tables.find(from);
    if (found == full_.tables.end()) refuse("has no table ", from);
    const PackedTable& full = found->second;
    if (full.dim != table.dim)
      refuse("has rows of ", full.dim, " in table ", from, ", this run of ", table.dim);
    MGQE_CHECK(!rows.empty() || full.rows == group.rows, from, " has ", full.rows, " rows");
    Source source{group.embedding, file_.at(from + ".table").as<float>(), std::move(rows),
                  group.rows};
    source.embedding.dim = table.dim;
    sources_.emplace(table.name, std::move(source));
  }

  /// By table, the row of each of its rows in the one of a full run, where features lie one after
  /// the other, by id.
  std::map<std::string, std::vector<int64_t>> feature_rows(const FeatureLayout& layout) const {
    std::map<int, int64_t> ids;  // by feature
    for (const FeatureGroup& group : layout.groups)
      for (int64_t k = 0; k < group.count(); ++k)
        ids[group.features()[static_cast<size_t>(k)]] =
            static_cast<int64_t>(group.counts(k).size());
    std::map<int, int64_t> first;
    int64_t rows = 0;
    for (const auto& [feature, count] : ids) {
      first[feature] = rows;
      rows += count;
    }
    const auto full = full_.tables.find(kFields);
    if (full != full_.tables.end() && full->second.rows != rows)
      refuse("has ", full->second.rows, " rows of fields, this run ", rows);
    std::map<std::string, std::vector<int64_t>> by_table;
    for (const FeatureGroup& group : layout.groups) {
      std::vector<int64_t>& from = by_table[group.table()];
      from.resize(static_cast<size_t>(group.rows()));
      for (int64_t k = 0; k < group.count(); ++k) {
        const int feature = group.features()[static_cast<size_t>(k)];
        for (int64_t id = 0; id < ids[feature]; ++id)
          from[static_cast<size_t>(group.row(k, static_cast<int32_t>(id)))] = first[feature] + id;
      }
    }
    return by_table;
  }

  void set_array(const std::string& name, const Source& source, const RowSharding& sharding,
                 Tensor<float>& tensor) {
    if (name.ends_with(".queries") || name.ends_with(".table"))
      set_rows(source, sharding, tensor);
    else if (name.ends_with(".log_steps"))
      set_steps(source, tensor);
    else
      set_codebook(name, source, tensor);
  }

  void set_weights(const std::string& name, Tensor<float>& tensor) {
    if (!dense_.contains(name))
      refuse("has no weights ", name, ": give the layers that it was trained with");
    used_.insert(name);
    const std::vector<float> values = wide_dense(dense_, name);
    if (static_cast<int64_t>(values.size()) != tensor.size())
      refuse("has ", values.size(), " weights ", name, ", this run ", tensor.size(),
             ": give the layers the sizes that they had");
    tensor.assign(values);
  }

  /// By chunks, so that no second table stands beside the file and the device's.
  void set_rows(const Source& source, const RowSharding& sharding, Tensor<float>& tensor) const {
    std::vector<float> values;
    for (int64_t first = 0; first < tensor.rows(); first += kChunkRows) {
      const int64_t rows = std::min(kChunkRows, tensor.rows() - first);
      values.clear();
      for (int64_t r = first; r < first + rows; ++r) {
        const std::span<const float> row = source.row(sharding.global(r));
        values.insert(values.end(), row.begin(), row.end());
      }
      backend_.upload(tensor.view().slice(first, rows).data, values.data(),
                      values.size() * sizeof(float));
      backend_.synchronize();
    }
  }

  static void set_steps(const Source& source, Tensor<float>& tensor) {
    std::vector<double> sums(static_cast<size_t>(tensor.size()), 0.0);
    for (int64_t i = 0; i < source.count; ++i)
      for (size_t c = 0; c < sums.size(); ++c) sums[c] += std::fabs(source.row(i)[c]);
    std::vector<float> values;
    for (const double sum : sums) {
      const double step =
          first_lsq_step(sum / static_cast<double>(source.count), source.embedding.bits);
      values.push_back(static_cast<float>(std::log(std::max(step, 1e-20))));
    }
    tensor.assign(values);
  }

  /// Every rank has all rows of the file, so all make the same codebook, of whole tables.
  void set_codebook(const std::string& name, const Source& source, Tensor<float>& tensor) {
    const EmbeddingConfig& embedding = source.embedding;
    Tiers tiers = make_tiers(embedding, source.count);
    int subspaces = embedding.subspaces[0];
    if (const size_t dot = name.rfind('.'); name.substr(dot) != ".codebook") {
      const int own = std::stoi(name.substr(dot + 1));  // a codebook a tier
      for (int t = 0; t < tiers.count; ++t)
        if (t != own) tiers.centroids[t] = 0;
      if (embedding.subspaces.size() > 1) subspaces = embedding.subspaces[static_cast<size_t>(own)];
    }
    const Sample sample(source, tiers);
    if (sample.encoded.empty()) return;  // a tier without ids: nothing is encoded by it
    std::vector<int64_t> encoded = sample.encoded;
    // Different rows as long as there are any: the first of a shuffle.
    const uint64_t key = stream_key(config_.run.seed, RandomStream::kItemCodebook);
    const auto count = static_cast<int64_t>(encoded.size());
    std::vector<float> first;
    for (int64_t k = 0; k < tensor.rows(); ++k) {
      const int64_t from = k % count;
      const auto other = static_cast<int64_t>(random_below(
          random_u64(key, static_cast<uint64_t>(k)), static_cast<uint64_t>(count - from)));
      std::swap(encoded[static_cast<size_t>(from)], encoded[static_cast<size_t>(from + other)]);
      const std::span<const float> row = source.row(encoded[static_cast<size_t>(from)]);
      first.insert(first.end(), row.begin(), row.end());
    }
    tensor.assign(first);
    const Tensor<float> queries(backend_, sample.rows, tensor.cols());
    kmeans(backend_, queries, sample.tiers, subspaces,
           embedding.kmeans_start > 0 ? embedding.kmeans_start : kIterations, false, tensor);
  }

  /// At most kMostSampled rows, evenly spaced, which k-means goes by.
  struct Sample {
    Sample(const Source& source, const Tiers& all) : tiers(all) {
      const int64_t taken = std::min(source.count, kMostSampled);
      for (int t = 0; t < tiers.count; ++t) tiers.end[t] = 0;
      for (int64_t k = 0; k < taken; ++k) {
        const int64_t i = k * source.count / taken;
        const std::span<const float> row = source.row(i);
        rows.insert(rows.end(), row.begin(), row.end());
        if (all.limit(i) > 0) encoded.push_back(i);
        for (int t = all.tier_of(i); t < tiers.count; ++t) ++tiers.end[t];
      }
    }

    std::vector<float> rows;
    std::vector<int64_t> encoded;  // those of tiers with centroids here
    Tiers tiers;                   // of these rows
  };

  Backend& backend_;
  const Config& config_;
  MappedArrays file_;
  ArtifactDescription full_;
  ArrayMap dense_;
  std::map<std::string, Source> sources_;  // by table
  std::set<std::string> used_;             // arrays of weights
};

}  // namespace

void check_warm_start(const Config& config, bool resume) {
  if (config.train.warm_start.empty()) return;
  require_rows(config.embedding.scheme);
  if (config.train.row_type != RowType::kF32)
    input_error("--warm-start is without --row-type ", name_of(config.train.row_type));
  if (config.model.pretrain_epochs > 0)
    input_error("--warm-start is without --pretrain-epochs: it begins behind them");
  // What goes on from a checkpoint needs the file no more.
  if (resume && !find_checkpoints(std::filesystem::path(config.run.out) / "checkpoints").empty())
    return;
  if (!std::filesystem::exists(config.train.warm_start))
    input_error("--warm-start ", config.train.warm_start,
                ": no such file: give the model.safetensors of a finished run");
  describe(config, map_arrays(config));
}

void check_warm_start(const Config& config, const Task& task) {
  if (!config.train.warm_start.empty())
    require_like(config, task, describe(config, map_arrays(config)));
}

void warm_start(Backend& backend, const Config& config, const Task& task, Model& model) {
  WarmStart(backend, config, task).set(model);
}

}  // namespace mgqe
