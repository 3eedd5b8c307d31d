// Item-to-item relevance on every back end: predictions against naive loops in double, learning,
// early stopping, what counts as embedding size, and the L2 penalty.
#include "models/backbones/relevance_model.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "host/io/safetensors.hpp"
#include "host/train/trainer.hpp"
#include "tests/support/reference.hpp"
#include "tests/support/run_testing.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

using reference::Matrix;

Matrix wide(const ArrayMap& arrays, const std::string& name) {
  const auto values = arrays.at(name).as<float>();
  return Matrix(values.begin(), values.end());
}

double dot_of_three(const Matrix& w, const double* p, const double* q, size_t dim) {
  double sum = 0.0;
  for (size_t c = 0; c < dim; ++c) sum += w[c] * p[c] * q[c];
  return sum;
}

/// mean + b_i + b_j + logit, of a packed model with full tables.
class NaiveRelevance {
 public:
  explicit NaiveRelevance(const PackedModel& model) : model_(model) {
    for (const auto& [name, table] : model.tables) tables_[name] = wide(table.arrays, "table");
    dim_ = static_cast<size_t>(model.tables.begin()->second.dim);
  }
  double predict(int64_t i, int64_t j) const {
    const Matrix biases = wide(model_.dense, "relevance.biases");
    const double logit = model_.backbone == "gmf"
                             ? gmf("item", i, j)
                             : 0.5 * (neumf(i, j) + neumf(j, i));  // either may come first
    return wide(model_.dense, "relevance.mean")[0] + biases[i] + biases[j] + logit;
  }

 private:
  const double* row(const std::string& table, int64_t item) const {
    return &tables_.at(table)[static_cast<size_t>(item) * dim_];
  }
  double gmf(const std::string& table, int64_t i, int64_t j) const {
    const Matrix w = wide(model_.dense, "gmf.weights");
    return w[dim_] + dot_of_three(w, row(table, i), row(table, j), dim_);
  }
  double neumf(int64_t i, int64_t j) const {
    Matrix x(row("mlp.item", i), row("mlp.item", i) + dim_);
    x.insert(x.end(), row("mlp.item", j), row("mlp.item", j) + dim_);
    for (const std::string layer : {"mlp.0", "mlp.1", "mlp.2"}) {
      const Matrix w = wide(model_.dense, layer + ".weights");
      Matrix y = wide(model_.dense, layer + ".bias");
      for (size_t o = 0; o < y.size(); ++o) {
        for (size_t c = 0; c < x.size(); ++c) y[o] += x[c] * w[c * y.size() + o];
        y[o] = std::max(y[o], 0.0);
      }
      x = y;
    }
    const Matrix v = wide(model_.dense, "mlp.output");
    double logit = gmf("gmf.item", i, j);
    for (size_t c = 0; c < v.size(); ++c) logit += v[c] * x[c];
    return logit;
  }

  PackedModel model_;
  std::map<std::string, Matrix> tables_;
  size_t dim_;
};

class RelevanceTest : public OnEveryBackend {
 protected:
  static constexpr int64_t kDim = 8;
  // Predictions of magnitude about 3 over 2d, d, d/2 and d/4 terms and four summands more.
  const float kPredictionTolerance = 3.0f * sum_tolerance(4 * kDim + 4);

  void SetUp() override {
    OnEveryBackend::SetUp();
    std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::replace(name.begin(), name.end(), '/', '_');
    folder_ = std::filesystem::temp_directory_path() / ("mgqe_relevance_" + name);
    std::filesystem::remove_all(folder_);
  }
  void TearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  Config config(const std::string& backbone) const {
    Config config = default_config(backbone, TaskKind::kRelevance);
    config.embedding.scheme = "full";
    config.embedding.dim = kDim;
    config.data.name = "relevance-synthetic";
    config.data.synthetic_pair_items = 300;
    config.data.synthetic_pairs = 11'000;
    config.run.out = (folder_ / "run").string();
    resolve(config);
    return config;
  }
  PackedModel random_model(const std::string& backbone, int64_t items, uint64_t seed) {
    const auto model = make_model(backend(), config(backbone), {0, items, 0.37});
    Random random(seed);
    model->visit([&](const std::string&, Tensor<float>& tensor) {
      tensor.assign(random.normals(tensor.size(), 0.5f));
    });
    return model->pack();
  }
  std::vector<float> score(const PackedModel& model, const std::vector<int32_t>& left,
                           const std::vector<int32_t>& right) {
    Tensor<float> scores = poisoned<float>(static_cast<int64_t>(left.size()));
    make_pair_scorer(backend(), model)->score(tensor(left), tensor(right), scores);
    return scores.to_host();
  }
  nlohmann::ordered_json train(const Config& given) {
    Config config = given;
    const auto task = make_task(backend(), config);
    return Trainer(backend(), *task, config, "test").run();
  }
  /// The epochs that metrics.jsonl has a line of.
  std::vector<int> evaluated_epochs() const {
    std::ifstream stream(folder_ / "run" / "metrics.jsonl");
    std::vector<int> epochs;
    for (std::string line; std::getline(stream, line);)
      epochs.push_back(nlohmann::json::parse(line).at("epoch").get<int>());
    return epochs;
  }

  std::filesystem::path folder_;
};

// ---- predictions --------------------------------------------------------------------------------

TEST_P(RelevanceTest, PredictionsAreTheNaiveOnesAcrossChunks) {
  constexpr int64_t kItems = 40;
  for (const char* backbone : {"gmf", "neumf"}) {
    const PackedModel model = random_model(backbone, kItems, 1);
    const NaiveRelevance naive(model);
    for (const int64_t pairs : {int64_t{0}, int64_t{1}, int64_t{8192}, int64_t{8192 + 77}}) {
      Random random(static_cast<uint64_t>(pairs));
      const auto left = random.integers<int32_t>(pairs, 0, kItems - 1),
                 right = random.integers<int32_t>(pairs, 0, kItems - 1);
      const auto scores = score(model, left, right);
      for (int64_t p = 0; p < pairs; p += p < pairs - 200 ? 61 : 1)  // the last chunk in full
        ASSERT_NEAR(scores[p], naive.predict(left[p], right[p]), kPredictionTolerance)
            << backbone << ", pair " << p << " of " << pairs;
    }
  }
}

TEST_P(RelevanceTest, APairHasOneScoreInEitherOrder) {
  constexpr int64_t kItems = 25;
  for (const char* backbone : {"gmf", "neumf"}) {
    const PackedModel model = random_model(backbone, kItems, 2);
    Random random(3);
    const auto left = random.integers<int32_t>(500, 0, kItems - 1),
               right = random.integers<int32_t>(500, 0, kItems - 1);
    const auto scores = score(model, left, right), swapped = score(model, right, left);
    for (size_t p = 0; p < scores.size(); ++p)
      ASSERT_NEAR(scores[p], swapped[p], kPredictionTolerance) << backbone;
  }
}

TEST_P(RelevanceTest, ArtifactThatLacksAPartIsRefused) {
  for (const char* backbone : {"gmf", "neumf"}) {
    const PackedModel whole = random_model(backbone, 10, 4);
    const auto refusal = [&](const PackedModel& model) -> std::string {
      try {
        make_pair_scorer(backend(), model);
      } catch (const InputError& error) {
        return error.what();
      }
      return "";
    };
    EXPECT_EQ(refusal(whole), "");
    for (const auto& [name, array] : whole.dense) {
      PackedModel model = whole;
      model.dense.erase(name);
      EXPECT_NE(refusal(model).find(name), std::string::npos) << backbone << " without " << name;
    }
    for (const auto& [name, table] : whole.tables) {
      PackedModel model = whole;
      model.tables.erase(name);
      EXPECT_NE(refusal(model), "") << backbone << " without " << name;
    }
  }
  PackedModel sequences = random_model("gmf", 10, 4);
  sequences.backbone = "sasrec";
  EXPECT_THROW(make_pair_scorer(backend(), sequences), InputError);
}

// ---- training -----------------------------------------------------------------------------------

TEST_P(RelevanceTest, LearnsMoreThanItemBiases) {
  for (const char* backbone : {"gmf", "neumf"}) {
    Config config = this->config(backbone);
    config.train.epochs = 60;
    config.train.patience = 8;
    config.train.batch = 128;
    config.train.lr = 4e-3;
    config.train.l2 = 1e-4;
    config.embedding.init_stddev = 0.1;
    const auto result = train(config);
    const auto& data = result["data"];
    const double biases = data["rmse_of_biases"].get<double>();
    EXPECT_LT(biases, data["rmse_of_mean"].get<double>());
    EXPECT_LT(result["test"]["rmse"].get<double>(), 0.9 * biases) << backbone;
    EXPECT_GT(result["test"]["rmse"].get<double>(), 0.9 * data["rmse_of_noise"].get<double>());
    EXPECT_EQ(result["test"]["pairs"], data["pairs"]["test"]);
    EXPECT_EQ(result["selection"], "valid");
    EXPECT_LT(result["train_loss"].back().get<double>(), result["train_loss"][0].get<double>());
  }
}

TEST_P(RelevanceTest, TrainingRmseFollowsFromTheLoss) {
  // The evaluator's RMSE, in score units, of a model that has hardly moved is that of predicting
  // the training mean: scale, mean and biases all have to be right.
  Config config = this->config("gmf");
  config.train.epochs = 1;
  config.train.lr = 1e-9;
  const auto result = train(config);
  EXPECT_NEAR(result["test"]["rmse"].get<double>(), result["data"]["rmse_of_mean"].get<double>(),
              1e-3);
}

TEST_P(RelevanceTest, BiasesAreNoPartOfTheEmbeddingsSize) {
  Config config = this->config("gmf");
  config.train.epochs = 1;
  const auto size = train(config)["size"];
  const int64_t items = config.data.synthetic_pair_items;
  EXPECT_EQ(size["formula_bits"].get<int64_t>(), 32 * items * kDim);
  EXPECT_EQ(size["percent_of_full"].get<double>(), 100.0);
  SizeReport report;
  const Artifact artifact = read_artifact(folder_ / "run" / "model.safetensors", &report);
  EXPECT_EQ(artifact.model.task, "relevance");
  EXPECT_EQ(artifact.model.dense.at("relevance.biases").size(), items);
  EXPECT_EQ(report.payload_bits, 32 * items * kDim);
  EXPECT_EQ(report.dense_bytes, 4 * (items + 1 + kDim + 1));  // biases, mean, gmf.weights
}

TEST_P(RelevanceTest, StopsAfterPatienceEvaluationsWithoutABetterOne) {
  Config config = this->config("gmf");
  config.data.synthetic_pair_items = 100;
  config.data.synthetic_pairs = 1000;
  config.train.epochs = 90;
  config.train.batch = 64;
  config.train.lr = 0.02;  // overfits soon
  config.train.patience = 3;
  const auto result = train(config);
  const int best = result["best_epoch"].get<int>();
  EXPECT_EQ(result["epochs"].get<int>(), best + 3);
  EXPECT_LT(best + 3, 90);
  EXPECT_EQ(evaluated_epochs().back(), best + 3);

  config.train.evaluate_every = 2;
  const auto every_second = train(config);
  const int best_of_even = every_second["best_epoch"].get<int>();
  EXPECT_EQ(best_of_even % 2, 0);
  EXPECT_EQ(every_second["epochs"].get<int>(), best_of_even + 6) << "patience counts evaluations";
}

TEST_P(RelevanceTest, EvaluatesEveryNthAndTheLastEpoch) {
  Config config = this->config("gmf");
  config.data.synthetic_pair_items = 100;
  config.data.synthetic_pairs = 500;
  config.train.epochs = 8;
  config.train.patience = 0;
  config.train.evaluate_every = 3;
  const auto result = train(config);
  EXPECT_EQ(evaluated_epochs(), (std::vector<int>{3, 6, 8}));
  EXPECT_EQ(result["train_loss"].size(), 8u);
  const int best = result["best_epoch"].get<int>();
  EXPECT_TRUE(best == 3 || best == 6 || best == 8) << best;
}

// ---- the L2 penalty -----------------------------------------------------------------------------

class TableL2 : public OnEveryBackend {
 protected:
  static constexpr int64_t kRows = 6, kDim = 5;
  static constexpr double kL2 = 0.3, kLearningRate = 0.05;
  // A step is lr times a ratio of about 1 whose float error is a few ulps; four steps of it, and
  // the rounding of values up to about 2.
  static constexpr double kTolerance = 4 * 2e-6;

  static AdamOptions adam() { return {.learning_rate = kLearningRate}; }
  /// Values after steps with these look-ups a step.
  std::vector<float> values(bool sparse, double l2, const std::vector<float>& start,
                            const std::vector<int32_t>& ids, const std::vector<float>& gradient,
                            int steps) {
    const Optimizer optimizer = sparse ? Optimizer::kSparseAdam : Optimizer::kAdam;
    TrainableTable table(backend(), "table", RowSharding::whole(kRows), kDim,
                         {adam(), optimizer, l2});
    table.values.assign(start);
    UniqueBuffer buffer(backend(), static_cast<int64_t>(ids.size()));
    Tensor<StepState> state(backend(), 1);
    const Tensor<int32_t> batch = tensor(ids);
    const Tensor<float> by_lookup = tensor(gradient, kDim);
    for (int step = 0; step < steps; ++step) {
      backend().begin_step(state, adam());
      table.step(buffer.deduplicate(batch, kRows), by_lookup, state);
    }
    return table.values.to_host();
  }
};

TEST_P(TableL2, AddsItsRowToTheSummedGradientOnce) {
  // torch's weight_decay under Adam, and the same for the rows that SparseAdam touches. Row 3 is
  // looked up three times: its gradients are summed, the penalty counts once.
  Random random(1);
  const std::vector<int32_t> ids = {3, 0, 3, 5, 3};
  const auto start = random.normals(kRows * kDim),
             gradient = random.normals(static_cast<int64_t>(ids.size()) * kDim);
  for (const bool sparse : {true, false}) {
    Matrix value = reference::widen(start), first(value.size(), 0.0), second(value.size(), 0.0);
    for (int step = 1; step <= 4; ++step) {
      for (int64_t row = 0; row < kRows; ++row) {
        const bool touched = std::count(ids.begin(), ids.end(), row) > 0;
        if (sparse && !touched) continue;
        for (int64_t c = 0; c < kDim; ++c) {
          const int64_t i = row * kDim + c;
          double g = kL2 * value[i];
          for (size_t b = 0; b < ids.size(); ++b)
            if (ids[b] == row) g += gradient[b * kDim + c];
          first[i] = 0.9 * first[i] + 0.1 * g;
          second[i] = 0.999 * second[i] + 0.001 * g * g;
          // torch: SparseAdam adds epsilon before the bias correction, Adam after; 1e-8 either way.
          value[i] -= kLearningRate * (first[i] / (1.0 - std::pow(0.9, step))) /
                      (std::sqrt(second[i] / (1.0 - std::pow(0.999, step))) + 1e-8);
        }
      }
    }
    const auto got = values(sparse, kL2, start, ids, gradient, 4);
    for (size_t i = 0; i < got.size(); ++i)
      EXPECT_NEAR(got[i], value[i], kTolerance)
          << (sparse ? "sparse" : "dense") << " row " << i / kDim;
  }
}

TEST_P(TableL2, ShrinksRowsThatNothingElseMoves) {
  const std::vector<int32_t> ids = {1, 4};
  const std::vector<float> start(kRows * kDim, 1.0f), none(ids.size() * kDim, 0.0f);
  for (const bool sparse : {true, false}) {
    const auto got = values(sparse, kL2, start, ids, none, 3);
    for (int64_t row = 0; row < kRows; ++row) {
      const bool shrinks = !sparse || row == 1 || row == 4;
      for (int64_t c = 0; c < kDim; ++c)
        EXPECT_NEAR(got[row * kDim + c], shrinks ? 1.0 - 3 * kLearningRate : 1.0, 1e-3)
            << (sparse ? "sparse" : "dense") << " row " << row;
    }
    EXPECT_EQ(values(sparse, 0.0, start, ids, none, 3), start);
  }
}

TEST_P(RelevanceTest, L2ShrinksTablesAndBiases) {
  const auto norms = [&](double l2) {
    Config config = this->config("gmf");
    config.data.synthetic_pair_items = 100;
    config.data.synthetic_pairs = 1000;
    config.train.epochs = 10;
    config.train.lr = 0.01;
    config.train.l2 = l2;
    train(config);
    std::vector<double> sums = {0.0, 0.0};
    // Of the last epoch, whichever was best.
    const SafetensorsFile file = read_safetensors(last_checkpoint(folder_ / "run"));
    for (const float value : file.arrays.at("item.table").as<float>()) sums[0] += value * value;
    for (const float value : file.arrays.at("relevance.biases").as<float>())
      sums[1] += value * value;
    return sums;
  };
  const auto without = norms(0.0), with = norms(0.05);
  EXPECT_LT(with[0], 0.8 * without[0]);
  EXPECT_LT(with[1], 0.8 * without[1]);
}

MGQE_ON_EVERY_BACKEND(RelevanceTest);
MGQE_ON_EVERY_BACKEND(TableL2);

}  // namespace
}  // namespace mgqe::testing
