// That a run is what it reads: a field that canonical() leaves out changes no figure, and runs that
// differ in such fields alone are one row of a table.
#include "host/engine/backend.hpp"
#include "host/io/console/run_table.hpp"
#include "host/train/training_loop.hpp"
#include "models/backbones/canonical.hpp"
#include "tests/support/grid_testing.hpp"

namespace mgqe::testing {
namespace {

Config tiny_config(const std::string& backbone, const std::string& task,
                   const std::string& scheme) {
  Config config = default_config(backbone, choice<TaskKind>(task));
  config.data.name = task == "relevance" ? "relevance-synthetic" : "synthetic";
  config.data.synthetic_users = 80;
  config.data.synthetic_items = 60;
  config.data.synthetic_actions = 8;
  config.data.synthetic_pair_items = 60;
  config.data.synthetic_pairs = 400;
  config.embedding.scheme = scheme;
  config.embedding.dim = 8;
  config.embedding.rank = 3;
  config.embedding.buckets = 20;
  config.embedding.subspaces = {4};
  config.model.max_length = 8;
  config.run.device = "cpu";
  resolve(config);
  return config;
}

/// The loss of an epoch and all that is measured of the packed model.
std::string figures_of(Config config) {
  const auto backend = make_backend("cpu");
  const auto task = make_task(*backend, config);
  TrainingLoop loop(*backend, *task, config);
  loop.begin_epoch(1);
  for (int64_t step = 0; step < loop.steps_per_epoch();)
    step += loop.advance(loop.steps_per_epoch() - step);
  return fmt::format("{} {}", loop.mean_loss(),
                     task->evaluate(loop.model().pack(), Split::kTest).json.dump());
}

/// Another value that a run may have.
void change(const std::string& name, Config& config) {
  auto& [data, model, embedding, train, run] = config;
  if (name == "data.synthetic_users") data.synthetic_users = 70;
  if (name == "data.synthetic_items") data.synthetic_items = 50;
  if (name == "data.synthetic_actions") data.synthetic_actions = 9;
  if (name == "data.synthetic_pair_items") data.synthetic_pair_items = 50;
  if (name == "data.synthetic_pairs") data.synthetic_pairs = 300;
  if (name == "model.blocks") model.blocks = 1;
  if (name == "model.heads") model.heads = 2;
  if (name == "model.max_length") model.max_length = 5;
  if (name == "model.dropout") model.dropout = 0.5;
  if (name == "embedding.rank") embedding.rank = 2;
  if (name == "embedding.bits") embedding.bits = 2;
  if (name == "embedding.buckets") embedding.buckets = 10;
  if (name == "embedding.subspaces") embedding.subspaces = {2};
  if (name == "embedding.centroids") embedding.centroids = {16};
  if (name == "embedding.tiers") embedding.tiers = {0.3};
  if (name == "embedding.codebook_weight") embedding.codebook_weight = 0.5;
  if (name == "embedding.commitment_weight") embedding.commitment_weight = 0.5;
  if (name == "embedding.distance_bn") embedding.distance_bn = DistanceBn::kTf;
  if (name == "embedding.softmax_temperature") embedding.softmax_temperature = 0.5;
  if (name == "embedding.kmeans_start") embedding.kmeans_start = 2;
  if (name == "embedding.grouping") embedding.grouping = Grouping::kLookup;
  if (name == "embedding.faithful") embedding.faithful = Faithful::kDpqCode;
  if (name == "train.negatives") train.negatives = 2;
  if (name == "run.candidates") run.candidates = 20;
  if (name == "run.evaluate_users") run.evaluate_users = 10;
}

constexpr const char* kVaried[] = {
    "data.synthetic_users",
    "data.synthetic_items",
    "data.synthetic_actions",
    "data.synthetic_pair_items",
    "data.synthetic_pairs",
    "model.blocks",
    "model.heads",
    "model.max_length",
    "model.dropout",
    "embedding.rank",
    "embedding.bits",
    "embedding.buckets",
    "embedding.subspaces",
    "embedding.centroids",
    "embedding.tiers",
    "embedding.codebook_weight",
    "embedding.distance_bn",
    "embedding.softmax_temperature",
    "embedding.kmeans_start",
    "embedding.commitment_weight",
    "embedding.grouping",
    "embedding.faithful",
    "train.negatives",
    "run.candidates",
    "run.evaluate_users",
};

bool same_run(const Config& a, const Config& b) {
  return to_json(canonical(a)) == to_json(canonical(b));
}

/// All fields at once that this run is said not to read: were one of them read, figures would move.
TEST(RunIdentity, WhatIsLeftOutChangesNoFigure) {
  const std::vector<std::array<std::string, 3>> runs = {
      {"gmf", "ranking", "full"},     {"gmf", "ranking", "low_rank"},
      {"gmf", "ranking", "hashed"},   {"gmf", "ranking", "scalar_quantized"},
      {"gmf", "ranking", "dpq_vq"},   {"gmf", "ranking", "dpq_sx"},
      {"gmf", "ranking", "mgqe"},     {"neumf", "ranking", "full"},
      {"sasrec", "ranking", "full"},  {"gmf", "relevance", "full"},
      {"neumf", "relevance", "mgqe"},
  };
  for (const auto& [backbone, task, scheme] : runs) {
    const Config config = tiny_config(backbone, task, scheme);
    Config other = config;
    std::string changed;
    for (const char* name : kVaried) {
      Config tried = other;
      change(name, tried);
      ASSERT_NE(to_json(tried), to_json(other)) << name << " was not changed";
      if (!same_run(tried, config)) continue;
      other = tried;
      changed += std::string(changed.empty() ? "" : ", ") + name;
    }
    ASSERT_NE(changed, "") << backbone << " " << task << " " << scheme;
    EXPECT_EQ(figures_of(other), figures_of(config))
        << backbone << " " << task << " " << scheme << " reads one of " << changed;
  }
}

TEST(RunIdentity, OfAnUnknownNameIsRefused) {
  Config unknown = tiny_config("gmf", "ranking", "full");
  unknown.embedding.scheme = "toy";
  EXPECT_THROW(canonical(unknown), InputError);
  unknown = tiny_config("gmf", "ranking", "full");
  unknown.model.name = "toy";
  EXPECT_THROW(canonical(unknown), InputError);
}

TEST(RunTable, RunsThatDifferInUnreadFieldsAreOneRow) {
  const auto rows_of = [](const std::vector<nlohmann::ordered_json>& results) {
    const std::string text = report_table(results, canonical, /*markdown=*/true);
    return std::count(text.begin(), text.end(), '\n') - 2;  // but for the header and its rule
  };
  Config config = tiny_config("gmf", "ranking", "full"), other = config;
  other.run.seed = 2;
  other.embedding.centroids = {256, 64};
  other.embedding.tiers = {0.1};
  const RunRecord first = made_up_result(config, {}), second = made_up_result(other, {});
  EXPECT_EQ(rows_of({first, second}), 1);
  RunRecord older = second;
  older["numerics_version"] = 0;
  EXPECT_EQ(rows_of({first, older}), 2) << "of other numerics";
  RunRecord by_two = second;
  by_two["ranks"] = 2;
  EXPECT_EQ(rows_of({first, by_two}), 2) << "by two ranks";
  other.embedding.dim = 4;
  EXPECT_EQ(rows_of({first, made_up_result(other, {})}), 2);
}

}  // namespace
}  // namespace mgqe::testing
