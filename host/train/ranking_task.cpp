#include <limits>

#include <fmt/format.h>

#include "host/config/choices.hpp"
#include "host/data/ctr/load_ctr_rows.hpp"
#include "host/io/console/logging.hpp"
#include "host/train/task.hpp"
#include "models/features/placement.hpp"
#include "models/packing/packed_share.hpp"

namespace mgqe {
namespace {

OriginalIds original_ids(const DataIds& map) { return {map.integers, map.strings}; }

bool reads_sequences(const Config& config) {
  return find_backbone(config.model.name).batch == BatchKind::kSequences;
}

class RankingTask final : public Task {
 public:
  RankingTask(Backend& backend, Dataset dataset, const Config& config)
      : Task(backend, config),
        dataset_(std::move(dataset)),
        evaluator_(backend, dataset_, evaluator_options(config)) {}

  Catalogue catalogue() const override { return {dataset_.users, dataset_.items, 0.0}; }
  std::unique_ptr<BatchSource> make_batch_source() const override {
    return reads_sequences(config_) ? make_sequence_batches(backend_, dataset_, config_)
                                    : make_pair_batches(backend_, dataset_, config_);
  }
  Split selection() const override {
    return dataset_.has_validation ? Split::kValid : Split::kTest;
  }

  /// Chosen by full-ranking NDCG@10 on validation; without validation items by sampled HR@10 on
  /// test, as the NCF authors do.
  EvaluationResult evaluate(const DevicePackedModel& model, Split split) override {
    const auto ranker = make_ranker(backend_, model);
    const Evaluation figures = evaluator_.evaluate(*ranker, split);
    const MeanMetrics &full = figures.full.all, &sampled = figures.sampled.all;
    const double none = std::numeric_limits<double>::quiet_NaN();  // no figure is made of no users
    return {to_json(figures),
            split == Split::kValid ? full.ndcg : sampled.hr,
            {full.users > 0 ? full.hr : none, full.users > 0 ? full.ndcg : none,
             sampled.users > 0 ? sampled.hr : none},
            figures.full_hits};
  }

  std::vector<std::string> columns() const override {
    return {"HR@10", "NDCG@10", "sampled HR@10"};
  }

  std::string summary(const nlohmann::ordered_json& test) const override {
    const auto shown = [](const nlohmann::ordered_json& figure) {
      return figure.is_null() ? std::string("-") : fmt::format("{:.4f}", figure.get<double>());
    };
    std::string text;
    for (const char* protocol : {"sampled", "full"}) {
      const auto& metrics = test[protocol];
      text += fmt::format("test    {:<8} HR@10 {}  NDCG@10 {}  (HR@10 of head items {}, tail {})\n",
                          protocol, shown(metrics["hr@10"]), shown(metrics["ndcg@10"]),
                          shown(metrics["head"]["hr@10"]), shown(metrics["tail"]["hr@10"]));
    }
    return text;
  }

  std::string description() const override {
    return fmt::format("{}: {} users, {} items, {} actions", dataset_.name, dataset_.users,
                       dataset_.items, dataset_.actions);
  }
  std::string reading() const override { return describe(dataset_.reading); }
  nlohmann::ordered_json data() const override {
    return {{"name", dataset_.name},
            {"users", dataset_.users},
            {"items", dataset_.items},
            {"actions", dataset_.actions}};
  }
  std::map<std::string, OriginalIds> ids() const override {
    std::map<std::string, OriginalIds> ids = {{"item", original_ids(dataset_.item_ids)}};
    if (!reads_sequences(config_)) ids["user"] = original_ids(dataset_.user_ids);
    return ids;
  }
  uint64_t fingerprint() const override { return dataset_.fingerprint; }

 private:
  Dataset dataset_;
  Evaluator evaluator_;
};

/// Users whose figures say nothing of a model.
void warn_of_few_competitors(const Dataset& dataset) {
  int64_t tested = 0, few = 0, none = 0;
  for (int32_t user = 0; user < dataset.users; ++user) {
    if (dataset.test_item[user] < 0) continue;
    const int64_t others = competitors(dataset, Split::kTest, user);
    ++tested;
    none += others == 0;
    few += others > 0 && others < kCutoff;
  }
  if (none > 0)
    log().warn(
        "{} of {} users have had every item, so that nothing is left to rank their test item "
        "against: no figure counts them",
        none, tested);
  if (few > 0)
    log().warn(
        "{} of {} users have fewer than {} items left to rank their test item against: it is "
        "among the first {} whatever the model",
        few, tested, kCutoff, kCutoff);
}

}  // namespace

EvaluationResult Task::evaluate(const PackedModel& model, Split split) {
  const PackedShare share = share_of(model, placed_tables(backend_.communicator(), config_, model));
  return evaluate(upload(backend_, share), split);
}

bool Task::has_features_of(const nlohmann::json& trained_on) const {
  if (trained_on.is_null()) return true;
  const nlohmann::json here = fields();
  if (here.is_null() || trained_on.at("dense") != here.at("dense")) return false;
  const auto same = [](const nlohmann::json& a, const nlohmann::json& b) {
    return a.at("name") == b.at("name") && a.at("ids") == b.at("ids") && a.at("bag") == b.at("bag");
  };
  const nlohmann::json &theirs = trained_on.at("features"), &ours = here.at("features");
  return std::equal(theirs.begin(), theirs.end(), ours.begin(), ours.end(), same);
}

void Task::predict(const PackedModel&, Split, const TakePredictions&) {
  input_error("--task ", name_of(config_.model.task),
              " has no labels to predict: predictions are of rows, --task ctr");
}

EvaluatorOptions evaluator_options(const Config& config) {
  return {config.run.seed, config.run.candidates, config.run.evaluate_users,
          reads_sequences(config) ? config.model.max_length : 0};
}

std::unique_ptr<Task> make_ranking_task(Backend& backend, Dataset dataset, const Config& config) {
  return std::make_unique<RankingTask>(backend, std::move(dataset), config);
}

std::unique_ptr<Task> make_task(Backend& backend, Config& config) {
  if (config.model.task == TaskKind::kCtr) {
    if (config.data.name == "auto")
      log().warn("no --data, so the rows are synthetic: give the cache that `mgqe prepare` wrote");
    std::unique_ptr<const CtrRows> rows = load_ctr_rows(config.data);
    return make_ctr_task(backend, std::move(rows), config);
  }
  if (config.model.task == TaskKind::kRelevance) {
    RelevanceDataset dataset = load_relevance(config.data, backend);
    if (config.data.name == "auto") config.data.name = dataset.name;
    return make_relevance_task(backend, std::move(dataset), config);
  }
  Dataset dataset = load_dataset(config.data, backend);
  if (config.data.name == "auto") {
    config.data.name = dataset.name;
    if (dataset.name == "synthetic")
      log().warn(
          "no MovieLens-1M here, so the data is synthetic: see experiments/scripts/fetch_data.sh");
  }
  if (dataset.short_users > 0)
    log().warn("{} users have too few actions to hold one out: they train and are not evaluated",
               dataset.short_users);
  warn_of_few_competitors(dataset);
  return make_ranking_task(backend, std::move(dataset), config);
}

}  // namespace mgqe
