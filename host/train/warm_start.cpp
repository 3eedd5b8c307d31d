#include "host/train/warm_start.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "host/base/philox.hpp"
#include "host/io/artifact.hpp"
#include "host/io/checkpoint.hpp"
#include "host/packed/dense_arrays.hpp"
#include "models/embeddings/lsq.hpp"
#include "models/embeddings/quantizer.hpp"

namespace mgqe {
namespace {

constexpr int kIterations = 10;  // of k-means, where --kmeans-start does not say
constexpr int64_t kMostSampled = 1 << 16;

/// One trained table, and the full one whose rows it begins with.
struct Source {
  EmbeddingConfig embedding;
  const PackedTable* from = nullptr;
  std::vector<int64_t> rows;  // of `from`, by row; empty: the same
  int64_t count = 0;          // n

  std::span<const float> row(int64_t i) const {
    const int64_t at = rows.empty() ? i : rows[static_cast<size_t>(i)];
    return from->arrays.at("table").as<float>().subspan(static_cast<size_t>(at * from->dim),
                                                        static_cast<size_t>(from->dim));
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

class WarmStart {
 public:
  WarmStart(Backend& backend, const Config& config, const Task& task)
      : backend_(backend), config_(config), artifact_(read_artifact(config.train.warm_start)) {
    const PackedModel& model = artifact_.model;
    if (model.backbone != config.model.name || model.task != name_of(config.model.task))
      refuse("is of --model ", model.backbone, " --task ", model.task, ", this run of --model ",
             config.model.name, " --task ", name_of(config.model.task));
    if (artifact_.data_fingerprint != task.fingerprint())
      refuse("was trained on other data: give the --data that it had");
    const Catalogue catalogue = task.catalogue();
    Config theirs;
    update_from_json(theirs, artifact_.config, config.train.warm_start);
    if (catalogue.layout != nullptr && theirs.embedding.bag_pooling != config.embedding.bag_pooling)
      refuse("was trained by --bag-pooling ", name_of(theirs.embedding.bag_pooling), ", not ",
             name_of(config.embedding.bag_pooling));
    if (catalogue.layout != nullptr) find_features(*catalogue.layout);
    for (const Entity entity : {Entity::kUser, Entity::kItem})
      for (const TableSpec& table : tables_of(config, entity))
        add(table.name, side_config(config.embedding, entity), table.name, {}, table.dim,
            entity == Entity::kUser ? catalogue.users : catalogue.items);
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
  }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    input_error("--warm-start ", config_.train.warm_start, " ", parts...);
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

  void add(const std::string& name, const EmbeddingConfig& embedding, const std::string& from,
           std::vector<int64_t> rows, int64_t dim, int64_t count) {
    require_rows(embedding.scheme);
    const auto found = artifact_.model.tables.find(from);
    if (found == artifact_.model.tables.end()) refuse("has no table ", from);
    const PackedTable& table = found->second;
    if (table.scheme != "full")
      refuse("has ", table.scheme, " rows of ", from,
             ": a run begins at full ones (--embedding full)");
    if (table.dim != dim)
      refuse("has rows of ", table.dim, " in table ", from, ", this run of ", dim);
    MGQE_CHECK(!rows.empty() || table.rows == count, from, " has ", table.rows, " rows");
    Source source{embedding, &table, std::move(rows), count};
    source.embedding.dim = dim;
    sources_.emplace(name, std::move(source));
  }

  /// Full features lie one after the other in one table, by id.
  void find_features(const FeatureLayout& layout) {
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
    for (const FeatureGroup& group : layout.groups) {
      std::vector<int64_t> from(static_cast<size_t>(group.rows()));
      for (int64_t k = 0; k < group.count(); ++k) {
        const int feature = group.features()[static_cast<size_t>(k)];
        for (int64_t id = 0; id < ids[feature]; ++id)
          from[static_cast<size_t>(group.row(k, static_cast<int32_t>(id)))] = first[feature] + id;
      }
      add(group.table(), group.embedding(), "fields", std::move(from), group.embedding().dim,
          group.rows());
      if (sources_.at(group.table()).from->rows != rows)
        refuse("has ", sources_.at(group.table()).from->rows, " rows of fields, this run ", rows);
    }
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
    if (!artifact_.model.dense.contains(name))
      refuse("has no weights ", name, ": give the layers that it was trained with");
    used_.insert(name);
    const std::vector<float> values = wide_dense(artifact_.model.dense, name);
    if (static_cast<int64_t>(values.size()) != tensor.size())
      refuse("has ", values.size(), " weights ", name, ", this run ", tensor.size(),
             ": give the layers the sizes that they had");
    tensor.assign(values);
  }

  static void set_rows(const Source& source, const RowSharding& sharding, Tensor<float>& tensor) {
    std::vector<float> values;
    values.reserve(static_cast<size_t>(tensor.size()));
    for (int64_t r = 0; r < tensor.rows(); ++r) {
      const std::span<const float> row = source.row(sharding.global(r));
      values.insert(values.end(), row.begin(), row.end());
    }
    tensor.assign(values);
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
  Artifact artifact_;
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
  read_artifact(config.train.warm_start);
}

void warm_start(Backend& backend, const Config& config, const Task& task, Model& model) {
  WarmStart(backend, config, task).set(model);
}

}  // namespace mgqe
