#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "host/comm/launch.hpp"
#include "host/config/choices.hpp"
#include "host/config/scheme_traits.hpp"
#include "host/data/ctr/load_ctr_rows.hpp"
#include "host/train/ctr_metrics.hpp"
#include "host/train/task.hpp"
#include "host/train/uploaded_rows.hpp"
#include "models/features/placement.hpp"
#include "models/packing/packed_share.hpp"

namespace mgqe {
namespace {

std::vector<FeatureSpec> feature_specs(const CtrRows& rows) {
  std::vector<FeatureSpec> specs;
  for (const CtrField& field : rows.shape().fields)
    specs.push_back({field.name, field.rows, rows.counts(specs.size())});
  for (const CtrField& bag : rows.shape().bags)
    specs.push_back({bag.name, bag.rows, rows.counts(specs.size()), true});
  return specs;
}

CtrSplit ctr_split(Split split) {
  return split == Split::kValid ? CtrSplit::kValid : CtrSplit::kTest;
}

class CtrTask final : public Task {
 public:
  CtrTask(Backend& backend, std::unique_ptr<const CtrRows> rows, const Config& config)
      : Task(backend, config),
        rows_(std::move(rows)),
        layout_(std::make_shared<FeatureLayout>(
            arrange_features(config.embedding, feature_specs(*rows_),
                             static_cast<int64_t>(rows_->shape().dense.size())))) {
    if (backend.communicator().alone()) return;
    for (const FeatureGroup& group : layout_->groups)
      if (!config.embedding.field_sizes.empty() &&
          !traits_of_scheme(group.embedding().scheme).sharded &&
          shards_rows(backend.communicator().size(), config, group.rows()))
        input_error("--field-sizes: table ", group.table(), " of ", group.embedding().scheme,
                    " cannot be sharded over ranks: give --shard none");
  }

  Catalogue catalogue() const override { return {0, 0, 0.0, layout_}; }
  /// Who trains needs all splits, who evaluates one.
  std::unique_ptr<BatchSource> make_batch_source() const override {
    for (const CtrSplit split : {CtrSplit::kTrain, CtrSplit::kValid, CtrSplit::kTest})
      require_rows(split);
    return make_row_batches(backend_, *rows_, *layout_, config_);
  }
  Split selection() const override { return Split::kValid; }

  /// Chosen by AUC; where there is but one label, by the loss.
  EvaluationResult evaluate(const DevicePackedModel& model, Split split) override {
    CtrMetrics metrics = score(model, ctr_split(split), [](auto, auto) {});
    const double none = std::numeric_limits<double>::quiet_NaN();
    const std::optional<double> auc = metrics.auc(), logloss = metrics.logloss();
    return {metrics.json(),
            auc.value_or(-logloss.value_or(0.0)),
            {auc.value_or(none), logloss.value_or(none)}};
  }

  std::vector<std::string> columns() const override { return {"AUC", "log loss"}; }

  std::string summary(const nlohmann::ordered_json& test) const override {
    const auto shown = [&](const char* figure) {
      return test[figure].is_null() ? std::string("-")
                                    : fmt::format("{:.5f}", test[figure].get<double>());
    };
    return fmt::format("test    AUC {}  log loss {} over {} rows, {} of them positive\n",
                       shown("auc"), shown("logloss"), test["rows"].get<int64_t>(),
                       test["positives"].get<int64_t>());
  }

  std::string description() const override {
    const CtrShape& shape = rows_->shape();
    return fmt::format(
               "{}: {} fields{} of {} values together{}, {} training, {} validation and {} test "
               "rows",
               ctr_rows_name(config_.data), shape.fields.size(),
               shape.bags.empty()
                   ? ""
                   : fmt::format(" and {} of several values a row", shape.bags.size()),
               shape.table_rows(),
               shape.dense.empty() ? "" : fmt::format(" and {} numbers", shape.dense.size()),
               rows_->rows(CtrSplit::kTrain), rows_->rows(CtrSplit::kValid),
               rows_->rows(CtrSplit::kTest)) +
           cut_bags();
  }
  /// Which fields share a table, and which are full.
  std::string reading() const override {
    std::string text;
    for (const FeatureGroup& group : layout_->groups)
      text += fmt::format("{}table {} of {} rows: {} field{}, {}", text.empty() ? "" : "; ",
                          group.table(), group.rows(), group.count(), group.count() == 1 ? "" : "s",
                          group.embedding().scheme);
    return text;
  }
  nlohmann::ordered_json data() const override {
    const CtrShape& shape = rows_->shape();
    nlohmann::ordered_json fields = nlohmann::ordered_json::object();
    for (const auto* all : {&shape.fields, &shape.bags})
      for (const CtrField& field : *all) fields[field.name] = field.rows;
    return {{"name", ctr_rows_name(config_.data)},
            {"fields", fields},
            {"dense", shape.dense},
            {"rows",
             {{"train", rows_->rows(CtrSplit::kTrain)},
              {"valid", rows_->rows(CtrSplit::kValid)},
              {"test", rows_->rows(CtrSplit::kTest)}}}};
  }
  /// A table's row is what it is asked for by: the cache has the values.
  std::map<std::string, OriginalIds> ids() const override {
    std::map<std::string, OriginalIds> ids;
    for (const FeatureGroup& group : layout_->groups) {
      std::vector<int64_t>& rows = ids[group.table()].integers;
      rows.resize(static_cast<size_t>(group.rows()));
      std::iota(rows.begin(), rows.end(), int64_t{0});
    }
    return ids;
  }
  nlohmann::json fields() const override {
    const CtrShape& shape = rows_->shape();
    std::vector<nlohmann::json> fields(static_cast<size_t>(layout_->features));
    for (const FeatureGroup& group : layout_->groups)
      for (int64_t k = 0; k < group.count(); ++k) {
        const auto place = static_cast<size_t>(group.place(k));
        const CtrField& field = shape.with_ids(place);
        nlohmann::json runs = nlohmann::json::array();
        for (size_t t = 0; t < group.runs(k).ends.size(); ++t)
          runs.push_back({group.runs(k).ends[t], group.runs(k).shifts[t]});
        fields[place] = {{"name", field.name},
                         {"table", group.table()},
                         {"ids", field.rows},
                         {"bag", k >= group.singles()},
                         {"runs", runs}};
      }
    return {{"features", fields}, {"dense", shape.dense}};
  }
  uint64_t fingerprint() const override { return rows_->fingerprint(); }
  uint64_t ids_fingerprint() const override { return rows_->ids_fingerprint(); }

  void predict(const PackedModel& model, Split split, const TakePredictions& take) override {
    MGQE_CHECK(backend_.communicator().alone(), "rows are shared among ranks");
    const auto placed = placed_tables(backend_.communicator(), config_, model);
    score(upload(backend_, share_of(model, placed)), ctr_split(split), take);
  }

 private:
  /// Bags that have rows of more values than are read.
  std::string cut_bags() const {
    const int most = config_.embedding.bag_length;
    std::string text;
    for (const CtrField& bag : rows_->shape().bags)
      if (bag.longest > most)
        text +=
            fmt::format("; rows have up to {} values of {}, and --bag-length {} reads the first",
                        bag.longest, bag.name, most);
    return text;
  }
  void require_rows(CtrSplit split) const {
    if (rows_->rows(split) == 0)
      input_error("--data ", config_.data.name, ": has no rows of split ", name_of(split),
                  ": prepare it with --split, or with --train, --valid and --test");
  }
  CtrMetrics score(const DevicePackedModel& model, CtrSplit split, const TakePredictions& take);

  std::unique_ptr<const CtrRows> rows_;
  std::shared_ptr<const FeatureLayout> layout_;
};

/// Of all ranks: each scores rows of its own, or, where a table is sharded, all of them.
CtrMetrics CtrTask::score(const DevicePackedModel& model, CtrSplit split,
                          const TakePredictions& take) {
  require_rows(split);
  Communicator& ranks = backend_.communicator();
  const Backbone& backbone = find_backbone(model.backbone);
  if (backbone.make_ctr_scorer == nullptr)
    input_error("a ", model.backbone, " artifact cannot score rows of many fields");
  const auto scorer = backbone.make_ctr_scorer(backend_, config_, *layout_, model);
  const int64_t all = rows_->rows(split), most = scorer->max_rows();
  BatchShare share{0, all};
  if (!scorer->together()) share = BatchShare::of(ranks, all);
  UploadedRows uploaded(backend_, *layout_, std::min(most, std::max<int64_t>(share.count, 1)));
  Tensor<float> logits(backend_, most);
  std::vector<float> scored;
  CtrBatch batch;
  CtrMetrics metrics;
  std::string defect;
  for (int64_t done = 0; done < share.count; done += most) {
    const int64_t count = std::min(most, share.count - done);
    rows_->range(split, share.first + done, count, batch);
    const FeatureBatch here = uploaded.upload(backend_, batch);
    scorer->score(here.rows, here.dense, logits.view().slice(0, count));
    scored.resize(static_cast<size_t>(count));
    backend_.download(scored.data(), logits.data(), scored.size() * sizeof(float));
    const auto bad = std::find_if(scored.begin(), scored.end(),
                                  [](float logit) { return !std::isfinite(logit); });
    if (bad != scored.end()) {
      defect = fmt::format(
          "row {} of the {} rows has no finite logit: lower --lr, or prepare large numbers by "
          "their logarithm, as --dense NAME:log",
          share.first + done + (bad - scored.begin()), name_of(split));
      break;
    }
    metrics.add(scored, batch.labels);
    take(scored, batch.labels);
  }
  for (const std::string& one : ranks.gather(defect))
    if (!one.empty()) throw AgreedError(one);
  if (ranks.alone() || scorer->together()) return metrics;
  CtrMetrics joined;
  for (const std::string& one : ranks.gather(metrics.to_bytes())) joined.join(CtrMetrics::of(one));
  return joined;
}

}  // namespace

std::unique_ptr<Task> make_ctr_task(Backend& backend, std::unique_ptr<const CtrRows> rows,
                                    const Config& config) {
  return std::make_unique<CtrTask>(backend, std::move(rows), config);
}

}  // namespace mgqe
