// Runs that begin at the tables of another (--warm-start).
#include "host/train/warm_start.hpp"

#include <cmath>
#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "host/data/ctr/ctr_synthetic.hpp"
#include "host/io/artifact.hpp"
#include "host/packed/decode_row.hpp"
#include "host/train/trainer.hpp"
#include "tests/support/io_testing.hpp"
#include "tests/support/step_testing.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

class WarmStart : public OnEveryBackend {
 protected:
  /// A run of full tables that leaves an artifact.
  std::string full_run(Config config) {
    config.embedding.scheme = "full";
    config.train.epochs = 2;
    config.run.out = (folder_.path() / config.model.name).string();
    const auto task = task_of(config);
    Trainer(backend(), *task, config, "test").run();
    return config.run.out + "/model.safetensors";
  }
  std::unique_ptr<Task> task_of(Config& config) {
    if (config.model.task != TaskKind::kCtr) return make_task(backend(), config);
    CtrSyntheticConfig rows;
    rows.field_rows = {40, 7, 90, 25};
    rows.dense = 2;
    rows.rows[0] = 4000;
    rows.rows[1] = rows.rows[2] = 1000;
    return make_ctr_task(backend(), std::make_unique<CtrSynthetic>(rows), config);
  }
  /// The model of a config as it begins.
  std::unique_ptr<Model> begun(Config config, Task& task) {
    auto model = make_model(backend(), config, task.catalogue());
    warm_start(backend(), config, task, *model);
    return model;
  }

  ScratchFolder folder_;
};

Config ranking_config(const std::string& backbone, const std::string& scheme) {
  Config config = step_config(backbone, scheme);
  config.model.pretrain_epochs = 0;
  config.run.device = "cpu";
  return config;
}

Config ctr_config(const std::string& model, const std::string& scheme) {
  Config config = default_config(model, TaskKind::kCtr);
  config.embedding.scheme = scheme;
  config.embedding.dim = 8;
  config.embedding.subspaces = {4};
  config.embedding.full_rows = 10;
  config.model.hidden = {16};
  config.model.cross_layers = 1;
  config.train.batch = 256;
  resolve(config);
  return config;
}

/// As many centroids as there are rows, or more, stand for every row as it is.
TEST_P(WarmStart, ServesWhatTheFullRunServedWhereEveryRowHasACentroid) {
  for (const char* backbone : {"gmf", "neumf", "sasrec"}) {
    const std::string file = full_run(ranking_config(backbone, "full"));
    const Artifact full = read_artifact(file);
    for (const char* scheme : {"full", "mgqe", "dpq_vq"}) {
      Config config = ranking_config(backbone, scheme);
      config.train.warm_start = file;
      config.embedding.tiers.clear();
      config.embedding.centroids = {128};
      const auto task = task_of(config);
      const auto model = begun(config, *task);
      EXPECT_EQ(task->evaluate(model->pack(), Split::kTest).json,
                task->evaluate(full.model, Split::kTest).json)
          << backbone << " " << scheme;
    }
  }
}

TEST_P(WarmStart, MakesCentroidsOfRowsByTier) {
  const std::string file = full_run(ranking_config("gmf", "full"));
  const Artifact full = read_artifact(file);
  for (const Variant variant : {Variant::kSharedK, Variant::kPrivateK, Variant::kPrivateD}) {
    Config config = ranking_config("gmf", "mgqe");
    config.train.warm_start = file;
    config.embedding.variant = variant;
    if (variant == Variant::kPrivateD) {
      config.embedding.subspaces = {4, 2};
      config.embedding.centroids = {16};
    }
    const auto task = task_of(config);
    const auto model = begun(config, *task);
    const PackedModel packed = model->pack();
    for (const auto& [name, table] : full.model.tables) {
      const auto rows = table.arrays.at("table").as<float>();
      const auto served = decode_table(backend(), packed.tables.at(name)).to_host();
      double error = 0.0, squares = 0.0;
      for (size_t i = 0; i < served.size(); ++i) {
        error += std::pow(double{served[i]} - rows[i], 2);
        squares += std::pow(double{rows[i]}, 2);
      }
      // Centroids that begin anywhere else, near 0 as in other runs, are off by nearly all of it.
      EXPECT_LT(error, 0.5 * squares) << name << " " << name_of(variant);
      EXPECT_GT(error, 0.0) << name;
    }
  }
}

/// Features lie in other tables and in another order than in the full run's one table.
TEST_P(WarmStart, FindsEveryRowOfEveryField) {
  for (const char* backbone : {"dcn", "dlrm"}) {
    const std::string file = full_run(ctr_config(backbone, "full"));
    const Artifact full = read_artifact(file);
    for (const char* scheme : {"mgqe", "scalar_quantized"})
      for (const CodebookScope scope :
           {CodebookScope::kShared, CodebookScope::kField, CodebookScope::kGroup}) {
        Config config = ctr_config(backbone, scheme);
        config.train.warm_start = file;
        config.embedding.codebook_scope = scope;
        config.embedding.centroids = {256};
        config.embedding.tiers = {0.1, 0.5};
        if (std::string(scheme) == "mgqe") config.embedding.centroids = {256, 256, 256};
        config.embedding.bits = 16;
        Config full_config = ctr_config(backbone, "full");
        const auto task = task_of(config), full_task = task_of(full_config);
        const auto model = begun(config, *task);
        const double expected = full_task->evaluate(full.model, Split::kTest).json["logloss"];
        EXPECT_NEAR(task->evaluate(model->pack(), Split::kTest).json["logloss"], expected, 1e-4)
            << backbone << " " << scheme << " " << name_of(scope);
      }
  }
}

TEST_P(WarmStart, BeginsLearnedStepsAsTheirAuthorsDo) {
  const std::string file = full_run(ranking_config("gmf", "full"));
  const Artifact full = read_artifact(file);
  Config config = ranking_config("gmf", "lsq");
  config.train.warm_start = file;
  const auto task = task_of(config);
  const auto model = begun(config, *task);
  const auto rows = full.model.tables.at("item").arrays.at("table").as<float>();
  std::vector<float> steps;
  model->visit([&](const std::string& name, Tensor<float>& tensor) {
    if (name == "item.log_steps") steps = tensor.to_host();
  });
  ASSERT_EQ(steps.size(), 8u);
  for (size_t c = 0; c < steps.size(); ++c) {
    double sum = 0.0;
    for (size_t i = c; i < rows.size(); i += 8) sum += std::fabs(rows[i]);
    const double mean = sum / (static_cast<double>(rows.size()) / 8.0);
    EXPECT_NEAR(steps[c], std::log(2.0 * mean / std::sqrt(7.0)), 1e-5);  // 4 bits
  }
}

TEST_P(WarmStart, IsWhereARunBeginsAndNotWhereItGoesOn) {
  if (GetParam() != std::string("cpu")) GTEST_SKIP() << "trained on the CPU";
  Config config = ranking_config("gmf", "mgqe");
  config.train.warm_start = full_run(ranking_config("gmf", "full"));
  config.train.epochs = 2;
  const auto run = [&](const Config& given, const std::string& out, bool resume) {
    Config own = given;
    own.run.out = (folder_.path() / out).string();
    const auto task = task_of(own);
    return Trainer(backend(), *task, own, "test", {.resume = resume}).run();
  };
  const auto whole = run(config, "whole", false);
  Config cold = config;
  cold.train.warm_start.clear();
  EXPECT_NE(run(cold, "cold", false)["train_loss"], whole["train_loss"]);
  Config first = config;
  first.train.epochs = 1;
  run(first, "parts", false);
  std::filesystem::remove(config.train.warm_start);
  Config parts = config;
  parts.run.out = (folder_.path() / "parts").string();
  EXPECT_NO_THROW(check_warm_start(parts, true)) << "a run that goes on needs it no more";
  EXPECT_CONTAINS(refusal([&] { check_warm_start(parts); }), "no such file");
  EXPECT_EQ(run(config, "parts", true)["train_loss"], whole["train_loss"]);
}

/// Codebooks of tiers that no id is in, and files that are gone when a run goes on.
TEST_P(WarmStart, LeavesCodebooksOfNoIdsAlone) {
  Config config = ranking_config("gmf", "mgqe");
  config.train.warm_start = full_run(ranking_config("gmf", "full"));
  config.embedding.variant = Variant::kPrivateK;
  config.embedding.tiers = {0.9999};
  const auto task = task_of(config);
  EXPECT_NO_THROW(begun(config, *task)->pack());
}

TEST_P(WarmStart, RefusesOtherRuns) {
  if (GetParam() != std::string("cpu")) GTEST_SKIP() << "refused before any device is used";
  const std::string file = full_run(ranking_config("gmf", "full"));
  const auto refused = [&](const std::function<void(Config&)>& change,
                           const std::string& scheme = "mgqe", const std::string& model = "gmf") {
    Config config = ranking_config(model, scheme);
    config.train.warm_start = file;
    change(config);
    return refusal([&] {
      check_warm_start(config);
      const auto task = task_of(config);
      begun(config, *task);
    });
  };
  const auto as_it_is = [](Config&) {};
  EXPECT_CONTAINS(refused(as_it_is, "low_rank"), "choose full, scalar_quantized, lsq, dpq_vq or");
  EXPECT_CONTAINS(refused(as_it_is, "mgqe", "neumf"), "is of --model gmf");
  EXPECT_CONTAINS(refused([](Config& c) { c.data.synthetic_seed += 1; }), "other data");
  EXPECT_CONTAINS(refused([](Config& c) { c.embedding.dim = 16; }), "rows of 8 in table");
  EXPECT_CONTAINS(refused([](Config& c) { c.model.pretrain_epochs = 1; }), "--pretrain-epochs");
  EXPECT_CONTAINS(refused([](Config& c) { c.train.row_type = RowType::kBf16; }),
                  "without --row-type bf16");
  EXPECT_CONTAINS(refused([](Config& c) { c.train.warm_start += "x"; }), file + "x: no such file");
  Config coded = ranking_config("gmf", "mgqe");
  coded.run.out = (folder_.path() / "coded").string();
  coded.train.epochs = 1;
  const auto task = task_of(coded);
  Trainer(backend(), *task, coded, "test").run();
  EXPECT_CONTAINS(
      refused([&](Config& c) { c.train.warm_start = coded.run.out + "/model.safetensors"; }),
      "has mgqe rows of");
}

MGQE_ON_EVERY_BACKEND(WarmStart);

}  // namespace
}  // namespace mgqe::testing
