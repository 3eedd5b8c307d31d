// Runs of --task ctr: gradients of whole models against differences, what is trained against what
// is served, and that a run learns, stops, goes on and is evaluated as it was.
#include <cmath>
#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "host/data/ctr/ctr_synthetic.hpp"
#include "host/io/artifact.hpp"
#include "host/train/ctr_metrics.hpp"
#include "host/train/trainer.hpp"
#include "host/train/uploaded_rows.hpp"
#include "tests/support/io_testing.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

CtrSyntheticConfig rows_config(int64_t dense, std::vector<int64_t> bags = {}) {
  CtrSyntheticConfig config;
  config.bag_rows = std::move(bags);
  config.field_rows = {40, 7, 300, 25};
  config.dense = dense;
  config.rows[0] = 20'000;
  config.rows[1] = config.rows[2] = 4000;
  return config;
}

Config ctr_config(const std::string& model, const std::string& scheme) {
  Config config = default_config(model, TaskKind::kCtr);
  config.run.device = "cpu";
  config.embedding.scheme = scheme;
  config.embedding.dim = 8;
  config.embedding.subspaces = {4};
  config.embedding.rank = 4;
  config.embedding.full_rows = 10;
  config.embedding.init_stddev = 0.1;
  config.model.hidden = {16, 8};
  config.model.bottom = {8};
  config.model.cross_layers = 2;
  config.train.batch = 256;
  config.train.epochs = 3;
  config.train.lr = 5e-3;
  resolve(config);
  validate(config);
  validate_backbone(config);
  return config;
}

class CtrRun : public OnEveryBackend {
 protected:
  std::unique_ptr<Task> task(const Config& config, int64_t dense = 2,
                             const std::vector<int64_t>& bags = {}) {
    return make_ctr_task(backend(), std::make_unique<CtrSynthetic>(rows_config(dense, bags)),
                         config);
  }

  /// Of one batch of 64 rows.
  struct OneBatch {
    std::unique_ptr<UploadedRows> room;
    Batch batch;
  };
  OneBatch one_batch(const FeatureLayout& layout, int64_t dense,
                     const std::vector<int64_t>& bags = {}) {
    CtrBatch host;
    CtrSynthetic(rows_config(dense, bags)).range(CtrSplit::kTrain, 100, 64, host);
    OneBatch one{std::make_unique<UploadedRows>(backend(), layout, 64), {}};
    one.batch.features = one.room->upload(backend(), host);
    one.batch.examples = 64;
    return one;
  }
};

/// Mean loss of a batch by the packed model, in double from its logits.
double served_loss(Backend& backend, const Config& config, const FeatureLayout& layout,
                   Model& model, const Batch& batch, const std::vector<float>& labels) {
  const DevicePackedModel packed = model.pack();
  const auto scorer =
      find_backbone(config.model.name).make_ctr_scorer(backend, config, layout, packed);
  Tensor<float> logits(backend, batch.features.labels.size());
  scorer->score(batch.features.rows, batch.features.dense, logits);
  const std::vector<float> scored = logits.to_host();
  double sum = 0.0;
  for (size_t b = 0; b < labels.size(); ++b)
    sum += std::log1p(std::exp(labels[b] == 1.0f ? -double{scored[b]} : double{scored[b]}));
  return sum / static_cast<double>(labels.size());
}

TEST_P(CtrRun, StepsMoveEveryArrayAgainstItsGradient) {
  struct Case {
    const char* model;
    int64_t dense;
    int cross_layers;
    std::vector<int> hidden;
    std::vector<int64_t> bags = {};
    BagPooling pooling = BagPooling::kMean;
    int bag_length = 16;
  };
  const size_t probes = GetParam() == std::string("cpu") ? 23 : 2;  // of each array
  for (const auto& [model, dense, cross_layers, hidden, bags, pooling, bag_length] :
       {Case{"dcn", 2, 2, {16, 8}},
        {"dcn", 0, 2, {16, 8}},
        {"dcn", 2, 0, {16, 8}},
        {"dcn", 0, 1, {0}},
        {"dlrm", 3, 0, {16, 8}},
        {"dlrm", 0, 0, {16}},
        {"dlrm", 3, 0, {0}},
        {"dcn", 2, 1, {16}, {30}},
        {"dcn", 0, 1, {16}, {30, 200}, BagPooling::kSum},
        {"dlrm", 0, 0, {16}, {200}, BagPooling::kMean, 2}}) {
    SCOPED_TRACE(std::string(model) + ", " + std::to_string(dense) + " numbers, " +
                 std::to_string(cross_layers) + " cross layers, " + std::to_string(bags.size()) +
                 " bags");
    Config config = ctr_config(model, "full");
    config.train.optimizer = Optimizer::kSgd;
    config.train.lr = 1.0;  // so that a step is the gradient
    config.model.cross_layers = cross_layers;
    config.model.hidden = hidden;
    config.embedding.init_stddev = 0.5;
    config.embedding.bag_pooling = pooling;
    config.embedding.bag_length = bag_length;
    const auto task = this->task(config, dense, bags);
    const Catalogue catalogue = task->catalogue();
    const auto trained = make_model(backend(), config, catalogue);
    const auto still = make_model(backend(), config, catalogue);
    OneBatch one = one_batch(*catalogue.layout, dense, bags);
    CtrBatch host;
    CtrSynthetic(rows_config(dense, bags)).range(CtrSplit::kTrain, 100, 64, host);

    Tensor<StepState> state(backend(), 1);
    Tensor<double> loss_sum(backend(), 1);
    backend().begin_step(state, optimizer_options(config.train).adam);
    trained->prepare(backend(), one.batch);
    trained->train_step(one.batch, state, loss_sum);
    const double loss =
        served_loss(backend(), config, *catalogue.layout, *still, one.batch, host.labels);
    EXPECT_NEAR(loss_sum.to_host()[0] / 64, loss, 1e-6) << "trained and served differ";

    std::map<std::string, std::vector<float>> after;
    trained->visit(
        [&](const std::string& name, Tensor<float>& array) { after[name] = array.to_host(); });
    int64_t checked = 0, bent = 0;
    still->visit([&](const std::string& name, Tensor<float>& array) {
      const std::vector<float> before = array.to_host();
      const size_t every = std::max<size_t>(1, before.size() / probes);
      for (size_t i = 0; i < before.size(); i += every) {
        const double gradient = before[i] - after.at(name)[i];
        // Float32 logits: their rounding over h is about 5e-5.
        const float h = 1e-3f;
        const auto loss_at = [&](float value) {
          std::vector<float> moved = before;
          moved[i] = value;
          array.assign(moved);
          return served_loss(backend(), config, *catalogue.layout, *still, one.batch, host.labels);
        };
        const double above = loss_at(before[i] + h), below = loss_at(before[i] - h);
        array.assign(before);
        const double right = (above - loss) / h, left = (loss - below) / h;
        if (std::abs(right - left) > 1e-3) {  // a ReLU bends in between
          ++bent;
          continue;
        }
        EXPECT_NEAR(gradient, 0.5 * (left + right), 5e-4 + 0.02 * std::abs(gradient))
            << name << " " << i;
        checked += std::abs(gradient) > 1e-4;
      }
    });
    EXPECT_GT(checked, static_cast<int64_t>(probes)) << "gradients that are not 0";
    EXPECT_LE(bent, 1 + checked / 5);
  }
}

TEST_P(CtrRun, LearnsUnderEverySchemeAndScope) {
  const double best = [] {
    const CtrSynthetic rows(rows_config(2));
    CtrBatch batch;
    rows.range(CtrSplit::kTest, 0, rows.rows(CtrSplit::kTest), batch);
    CtrMetrics metrics;
    metrics.add(rows.true_logits(batch), batch.labels);
    return *metrics.auc();
  }();
  if (GetParam() != std::string("cpu")) GTEST_SKIP() << "trained on the CPU";
  ASSERT_GT(best, 0.75);
  for (const char* model : {"dcn", "dlrm"})
    for (const char* scheme : {"full", "mgqe", "dpq_vq", "scalar_quantized", "low_rank", "hashed",
                               "lsq", "multiplexed", "quotient_remainder", "memcom", "mixed_dim"})
      for (const CodebookScope scope : {CodebookScope::kShared, CodebookScope::kField}) {
        if (scope == CodebookScope::kField && scheme != std::string("mgqe")) continue;
        Config config = ctr_config(model, scheme);
        config.embedding.codebook_scope = scope;
        config.embedding.buckets = 64;
        const ScratchFolder folder;
        config.run.out = folder.path().string();
        const auto task = this->task(config);
        const auto result = Trainer(backend(), *task, config, "test").run();
        const double auc = result["test"]["auc"];
        EXPECT_GT(auc, 0.5 + 0.75 * (best - 0.5)) << model << " " << scheme;
        EXPECT_LT(auc, best + 0.01) << "better than what the labels were drawn from";
        // As the file says.
        const Artifact artifact = read_artifact(folder.path() / "model.safetensors");
        EXPECT_EQ(artifact.model.task, "ctr");
        EXPECT_EQ(task->evaluate(artifact.model, Split::kTest).json, result["test"]);
        EXPECT_EQ(result["data"]["fields"]["field3"], 300);
      }
}

/// Bags of every scheme and scope: trained, served as trained, and of use.
TEST_P(CtrRun, LearnsFromFieldsOfSeveralValues) {
  if (GetParam() != std::string("cpu")) GTEST_SKIP() << "trained on the CPU";
  const std::vector<int64_t> bags = {60, 200};
  for (const char* scheme : {"full", "mgqe", "memcom"})
    for (const CodebookScope scope : {CodebookScope::kShared, CodebookScope::kField}) {
      if (scope == CodebookScope::kField && scheme != std::string("mgqe")) continue;
      Config config = ctr_config("dcn", scheme);
      config.embedding.codebook_scope = scope;
      config.embedding.buckets = 64;
      const ScratchFolder folder;
      config.run.out = folder.path().string();
      const auto task = this->task(config, 2, bags);
      const auto result = Trainer(backend(), *task, config, "test").run();
      EXPECT_GT(result["test"]["auc"], 0.6) << scheme;
      EXPECT_EQ(result["data"]["fields"].size(), 6u);
      const Artifact artifact = read_artifact(folder.path() / "model.safetensors");
      EXPECT_EQ(task->evaluate(artifact.model, Split::kTest).json, result["test"]) << scheme;
    }
}

/// What stands behind the first values of a bag is not read.
TEST_P(CtrRun, ReadsTheFirstValuesOfABagAlone) {
  Config config = ctr_config("dcn", "full");
  config.embedding.bag_length = 2;
  const auto layout = task(config, 0, {30})->catalogue().layout;
  CtrBatch host;
  CtrSynthetic(rows_config(0, {30})).range(CtrSplit::kTrain, 0, 4, host);
  host.bags[0].offsets = {0, 3, 3, 4, 7};
  host.bags[0].ids = {5, 6, 7, 9, 1, 2, 3};
  UploadedRows room(backend(), *layout, 4);
  const FeatureBatch batch = room.upload(backend(), host);
  ASSERT_EQ(batch.rows.size(), 1u);
  const FeatureGroup& group = layout->groups[0];
  ASSERT_EQ(group.bags(), 1);
  const auto download = [&](View<const int32_t> ids) {
    std::vector<int32_t> values(static_cast<size_t>(ids.size()));
    backend().download(values.data(), ids.data, values.size() * sizeof(int32_t));
    return values;
  };
  const int32_t first = 4 * 4;  // behind the fields of one id
  EXPECT_EQ(download(batch.rows[0].bag_ends[0]),
            (std::vector<int32_t>{first, first + 2, first + 2, first + 3, first + 5}));
  const std::vector<int32_t> rows = download(batch.rows[0].rows);
  ASSERT_EQ(rows.size(), static_cast<size_t>(first + 5));
  std::vector<int32_t> expected;
  for (const int32_t id : {5, 6, 9, 1, 2}) expected.push_back(group.row(4, id));
  EXPECT_EQ(std::vector<int32_t>(rows.begin() + first, rows.end()), expected);
}

TEST_P(CtrRun, GoesOnAsIfItHadNotStopped) {
  if (GetParam() != std::string("cpu")) GTEST_SKIP() << "trained on the CPU";
  Config config = ctr_config("dcn", "mgqe");
  config.train.epochs = 2;
  const auto task = this->task(config);
  TrainingLoop whole(backend(), *task, config), first(backend(), *task, config);
  const auto arrays = [](TrainingLoop& loop) { return loop.checkpoint_arrays(); };
  for (int epoch = 1; epoch <= 2; ++epoch) {
    whole.begin_epoch(epoch);
    for (int64_t step = 0; step < whole.steps_per_epoch(); ++step) whole.step();
  }
  first.begin_epoch(1);
  for (int step = 0; step < 30; ++step) first.step();
  TrainingLoop second(backend(), *task, config);
  second.restore(first.position(), arrays(first));
  for (int64_t step = 30; step < second.steps_per_epoch(); ++step) second.step();
  second.begin_epoch(2);
  for (int64_t step = 0; step < second.steps_per_epoch(); ++step) second.step();
  const ArrayMap one = arrays(whole), other = arrays(second);
  ASSERT_EQ(one.size(), other.size());
  for (const auto& [name, array] : one) EXPECT_EQ(array.bytes, other.at(name).bytes) << name;
}

TEST_P(CtrRun, RefusesWhatItCannotDo) {
  const auto message = [](const auto& call) {
    try {
      call();
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const auto refusal = [&](auto change) {
    Config config = ctr_config("dcn", "full");
    change(config);
    return message([&] {
      validate(config);
      validate_backbone(config);
    });
  };
  EXPECT_NE(refusal([](Config& c) {
              c.model.task = TaskKind::kRanking;
            }).find("choose --model gmf, neumf or sasrec, or add --task ctr"),
            std::string::npos);
  EXPECT_NE(refusal([](Config& c) { c.model.name = "gmf"; }).find("choose --model dcn or dlrm"),
            std::string::npos);
  EXPECT_NE(refusal([](Config& c) {
              c.model.hidden = {8, 0};
            }).find("--hidden 0"),
            std::string::npos);
  EXPECT_NE(refusal([](Config& c) { c.model.cross_layers = 17; }).find("0 to 16"),
            std::string::npos);
  EXPECT_NE(refusal([](Config& c) {
              c.model.cross_layers = 0;
              c.model.hidden = {0};
            }).find("leaves no layer"),
            std::string::npos);
  EXPECT_NE(refusal([](Config& c) { c.embedding.full_rows = -1; }).find("--full-rows -1"),
            std::string::npos);
}

MGQE_ON_EVERY_BACKEND(CtrRun);

}  // namespace
}  // namespace mgqe::testing
