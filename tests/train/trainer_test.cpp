// Whole runs on a small synthetic data set: repeatability, the packed artifact against the trainer,
// and the defects that quantized embeddings elsewhere have had.
#include "host/train/trainer.hpp"

#include <cmath>
#include <filesystem>
#include <map>

#include "host/base/parallel.hpp"
#include "tests/support/run_testing.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

class Training : public OnEveryBackend {
 protected:
  void SetUp() override {
    OnEveryBackend::SetUp();
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    std::string name = std::string(test->test_suite_name()) + "." + test->name();
    std::replace(name.begin(), name.end(), '/', '_');
    folder_ = std::filesystem::temp_directory_path() / ("mgqe_" + name);
    std::filesystem::remove_all(folder_);
  }
  void TearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  nlohmann::ordered_json train(const Config& config) {
    Config given = config;
    const auto task = make_task(backend(), given);
    return Trainer(backend(), *task, given, "test").run();
  }
  std::string out(const std::string& name) const { return (folder_ / name).string(); }

  std::filesystem::path folder_;
};

TEST_P(Training, SameSeedIsBitwiseTheSameRun) {
  for (auto& [name, config] : many_kinds_of_runs(out("a"))) {
    const auto first = train(config);
    const std::string checkpoint = bytes_of(last_checkpoint(out("a")));
    const int threads = thread_count();
    set_thread_count(1);
    const auto second = train(config);  // also: no dependence on the number of threads
    set_thread_count(threads);
    for (const char* key : {"test", "valid", "train_loss", "quantizer", "best_epoch"})
      EXPECT_EQ(first[key], second[key]) << name << " " << key;
    EXPECT_EQ(checkpoint, bytes_of(last_checkpoint(out("a")))) << name;
  }
}

TEST_P(Training, AnotherSeedIsAnotherRun) {
  Config config = small_config("mgqe", out("a"));
  config.train.epochs = 1;
  const auto first = train(config);
  config.run.seed = 2;
  EXPECT_NE(train(config)["train_loss"], first["train_loss"]);
}

TEST_P(Training, ArtifactEvaluatesToTheTrainersFigures) {
  for (const auto& [name, config] : many_kinds_of_runs(out("a"))) {
    const auto result = train(config);
    SizeReport size;
    const Artifact artifact = read_artifact(out("a") + "/model.safetensors", &size);
    Config given = config;
    const auto task = make_task(backend(), given);
    EXPECT_EQ(artifact.data_fingerprint, task->fingerprint()) << name;
    EXPECT_EQ(task->evaluate(artifact.model, Split::kTest).json, result["test"]) << name;
    EXPECT_EQ(result["size"]["file_bytes"],
              std::filesystem::file_size(out("a") + "/model.safetensors"))
        << name;
    EXPECT_EQ(size.payload_bits, result["size"]["payload_bits"].get<int64_t>()) << name;
  }
}

TEST_P(Training, OneSideAloneMayBeQuantized) {
  Config config = small_config("mgqe", out("a"));
  config.train.epochs = 1;
  for (const std::string model : {"gmf", "neumf"})
    for (const SchemeTables side : {SchemeTables::kUsers, SchemeTables::kItems}) {
      config.model.name = model;
      config.embedding.tables = side;
      train(config);
      const Artifact artifact = read_artifact(out("a") + "/model.safetensors");
      for (const auto& [name, table] : artifact.model.tables)
        EXPECT_EQ(table.scheme,
                  name.ends_with(side == SchemeTables::kUsers ? "user" : "item") ? "mgqe" : "full")
            << model << " " << name_of(side) << ": " << name;
    }
}

TEST_P(Training, InitialValuesFollowTheSeedAndDifferByArray) {
  const auto random_arrays = [&](const Config& config) {
    std::map<std::string, std::vector<float>> arrays;
    make_model(backend(), config, {40, 50, 0.3})
        ->visit([&]<class T>(const std::string& name, Tensor<T>& tensor) {
          std::vector<float> values;
          for (const T value : tensor.to_host()) values.push_back(to_float(value));
          if (values.size() >= 4 && values[0] != values[1]) arrays[name] = values;
        });
    return arrays;
  };
  // Draws of one stream, whatever they are scaled by.
  const auto same_stream = [](const std::vector<float>& a, const std::vector<float>& b) {
    for (size_t i = 1; i < 4; ++i)
      if (std::abs(a[i] * b[0] - b[i] * a[0]) > 1e-5f * std::abs(a[i] * b[0])) return false;
    return true;
  };
  for (auto& [name, config] : many_kinds_of_runs("")) {
    const auto first = random_arrays(config);
    EXPECT_EQ(random_arrays(config), first) << name;
    config.run.seed = 2;
    const auto other = random_arrays(config);
    EXPECT_FALSE(first.empty());
    for (auto array = first.begin(); array != first.end(); ++array) {
      EXPECT_NE(other.at(array->first), array->second) << name << ", " << array->first;
      for (auto before = first.begin(); before != array; ++before)
        EXPECT_FALSE(same_stream(before->second, array->second))
            << name << ": " << before->first << " and " << array->first;
    }
  }
}

TEST_P(Training, LearnsAndCompresses) {
  const auto full = train(small_config("full", out("full")));
  const auto mgqe = train(small_config("mgqe", out("mgqe")));
  for (const auto& result : {full, mgqe}) {
    EXPECT_LT(result["train_loss"].back().get<double>(), result["train_loss"][0].get<double>());
    // 100 candidates: chance is 10 in 101.
    EXPECT_GT(result["test"]["sampled"]["hr@10"].get<double>(), 0.2);
  }
  EXPECT_LT(mgqe["size"]["percent_of_full"].get<double>(), 40.0);
  EXPECT_LT(std::filesystem::file_size(out("mgqe") + "/model.safetensors"),
            std::filesystem::file_size(out("full") + "/model.safetensors"));
}

TEST_P(Training, EveryOptimizerLearns) {
  for (const char* scheme : {"full", "mgqe"})
    for (const Optimizer optimizer :
         {Optimizer::kSparseAdam, Optimizer::kAdam, Optimizer::kRowwiseAdagrad, Optimizer::kSgd}) {
      const std::string name = std::string(scheme) + " " + name_of(optimizer);
      Config config = small_config(scheme, out("a"));
      config.train.optimizer = optimizer;
      if (name.ends_with("adagrad")) config.train.table_lr = 0.05;
      if (name.ends_with("sgd")) {  // the gradient of a mean over 128 pairs, of small factors
        config.embedding.init_stddev = 0.3;
        config.train.epochs = 6;
        config.train.lr = 2.0;
        config.train.table_lr = 20.0;
      }
      const auto result = train(config);
      EXPECT_LT(result["train_loss"].back().get<double>(), result["train_loss"][0].get<double>())
          << name;
      EXPECT_GT(result["test"]["sampled"]["hr@10"].get<double>(), 0.2) << name;
    }
}

TEST_P(Training, LossThatIsNotFiniteEndsTheRunWithoutResults) {
  Config config = small_config("full", out("nan"));
  config.train.lr = 1e30;
  EXPECT_THROW(train(config), InputError);
  EXPECT_FALSE(std::filesystem::exists(out("nan") + "/result.json"));
  EXPECT_FALSE(std::filesystem::exists(out("nan") + "/model.safetensors"));
}

class MgqeEmbeddingTest : public OnEveryBackend {
 protected:
  static constexpr int64_t kRows = 100, kDim = 16;

  std::unique_ptr<Embedding> make() {
    EmbeddingSpec spec{"item", kRows, 64, {}, {}, 11, 12};
    spec.config.scheme = "mgqe";
    spec.config.dim = kDim;
    spec.config.subspaces = {8};
    spec.config.centroids = {32, 8};
    spec.config.tiers = {0.1};
    spec.config.init_stddev = 1.0;
    spec.optimizer.adam.learning_rate = 0.5;
    return make_embedding(backend(), spec);
  }
  void step(Embedding& embedding, const std::vector<int32_t>& ids) {
    const Tensor<int32_t> batch = tensor(ids);
    embedding.forward({batch, unique(batch), batch.rows()});
    Tensor<float> gradient =
        tensor(Random(5).normals(static_cast<int64_t>(ids.size()) * kDim), kDim);
    backend().begin_step(state(), AdamOptions{0.5});
    embedding.backward(gradient);
    embedding.step(state());
  }
  UniqueIds unique(View<const int32_t> ids) {
    unique_ = std::make_unique<UniqueBuffer>(backend(), ids.size());
    return unique_->deduplicate(ids, kRows);
  }
  View<StepState> state() {
    if (state_.rows() == 0) state_ = Tensor<StepState>(backend(), 1);
    return state_;
  }
  std::vector<float> values(Embedding& embedding, const std::string& name) {
    std::vector<float> found;
    embedding.visit([&](const std::string& array, Tensor<float>& tensor) {
      if (array == name) found = tensor.to_host();
    });
    return found;
  }

  Tensor<StepState> state_;
  std::unique_ptr<UniqueBuffer> unique_;
};

TEST_P(MgqeEmbeddingTest, PackEncodesEveryRowFromTheFinalValues) {
  const auto embedding = make();
  for (int i = 0; i < 5; ++i) step(*embedding, {0, 1, 2, 3, 50, 50, 51, 99});
  const Tensor<float> served = decode_table(backend(), embedding->pack());
  // What a look-up would see now, for every id, most of which training never touched.
  for (int32_t first = 0; first < kRows; first += 50) {
    std::vector<int32_t> part;
    for (int32_t id = first; id < first + 50; ++id) part.push_back(id);
    const Tensor<int32_t> batch = tensor(part);
    const Lookup lookup = embedding->forward({batch, unique(batch), batch.rows()});
    Tensor<float> rows = poisoned<float>(50, kDim);
    backend().gather(lookup.rows, lookup.index, rows);
    const auto live = rows.to_host(), packed = served.to_host();
    for (int64_t i = 0; i < 50 * kDim; ++i) ASSERT_EQ(live[i], packed[first * kDim + i]);
  }
}

TEST_P(MgqeEmbeddingTest, TailRowsUseTheirShareOfTheCodebook) {
  const auto embedding = make();
  for (int i = 0; i < 3; ++i) step(*embedding, {0, 9, 10, 50, 99});
  const PackedTable packed = embedding->pack();
  EXPECT_EQ(packed.tier_rows(0), 10);
  EXPECT_EQ(packed.arrays.at("codes.0").shape, (std::vector<int64_t>{10, 5}));  // 8 x 5 bits
  EXPECT_EQ(packed.arrays.at("codes.1").shape, (std::vector<int64_t>{90, 3}));  // 8 x 3 bits
  EXPECT_EQ(packed.formula_bits(), 10 * 8 * 5 + 90 * 8 * 3 + 32 * 32 * kDim);
}

TEST_P(MgqeEmbeddingTest, CodebookFollowsItsOwnLossAndQueriesTheTasks) {
  const auto embedding = make();
  const auto queries = values(*embedding, "item.queries");
  const auto codebook = values(*embedding, "item.codebook");
  step(*embedding, {4, 70});
  const auto moved_queries = values(*embedding, "item.queries");
  const auto moved_codebook = values(*embedding, "item.codebook");
  int rows_moved = 0;
  for (int64_t r = 0; r < kRows; ++r)
    rows_moved +=
        !std::equal(&queries[r * kDim], &queries[r * kDim] + kDim, &moved_queries[r * kDim]);
  EXPECT_EQ(rows_moved, 2);
  EXPECT_NE(codebook, moved_codebook);
}

MGQE_ON_EVERY_BACKEND(Training);
MGQE_ON_EVERY_BACKEND(MgqeEmbeddingTest);

}  // namespace
}  // namespace mgqe::testing
