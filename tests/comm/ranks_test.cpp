// Several ranks against one: every test trains the same model twice in each process, alone on the
// whole batch and as one of N on its share, and compares. Started by mpirun; alone there is nothing
// to compare and all is skipped. With the argument `cuda` the ranks compute on GPUs, which they may
// share: then their exchanges are staged through the host.
#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "host/config/scheme_traits.hpp"
#include "models/features/placement.hpp"
#include "models/packing/packed_share.hpp"
#include "tests/support/ranks_testing.hpp"

namespace mgqe {

Launch* launch = nullptr;
Backend* among_ranks = nullptr;

namespace {

/// A model in training, alone or among the ranks.
struct Training {
  Training(Backend& backend, Config config)
      : backend(backend), task(make_task(backend, config)), loop(backend, *task, config) {}

  /// The summed loss of each of so many steps, over all ranks' examples.
  std::vector<double> losses(int steps) {
    std::vector<double> losses;
    double before = 0.0;
    for (int step = 0; step < steps; ++step) {
      if (left == 0) {
        loop.begin_epoch(++epoch);
        left = loop.steps_per_epoch();
        before = 0.0;
      }
      loop.step();
      --left;
      losses.push_back(loop.loss_sum() - before);
      before += losses.back();
    }
    sum_over_ranks(backend.communicator(), losses);
    return losses;
  }
  /// Every array, whole; those sharded over ranks collected.
  std::map<std::string, std::vector<float>> arrays() {
    std::map<std::string, std::vector<float>> all;
    loop.model().visit(
        [&]<class T>(const std::string& name, Tensor<T>& tensor, const RowSharding& sharding) {
          std::vector<float> share;
          for (const T value : tensor.to_host()) share.push_back(to_float(value));
          all[name] = collect_table(backend.communicator(), sharding, std::move(share));
        });
    return all;
  }

  Backend& backend;
  std::unique_ptr<Task> task;
  TrainingLoop loop;
  int epoch = 0;
  int64_t left = 0;  // steps of the epoch
};

std::string bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

class Ranks : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (launch->size() == 1)
      GTEST_SKIP() << "started alone: mpirun -np 2 "
                   << "ranks_test";
    alone_ = make_backend(among_ranks->name());
  }
  std::unique_ptr<Backend> alone_;
};

/// "loss within 1e-5 relative over the first 100 steps".
constexpr int kSteps = 100;
constexpr int kRepeatedSteps = 20;
constexpr double kLossTolerance = 1e-5;
/// Each rank's part of a gradient is rounded for itself: 3e-5 was measured with 2 and 4 ranks.
constexpr double kNarrowGradientTolerance = 1e-4;

TEST_P(Ranks, FollowOneRank) {
  const Config config = config_of(GetParam());
  Training one(*alone_, config), many(*among_ranks, config);
  for (auto& [name, values] : one.arrays())
    EXPECT_EQ(bytes_of(many.arrays().at(name)), bytes_of(values)) << name << " at the start";
  const std::vector<double> expected = one.losses(kSteps), got = many.losses(kSteps);
  const bool narrow = GetParam().gradient_type != RowType::kF32;
  const double tolerance = narrow ? kNarrowGradientTolerance : kLossTolerance;
  for (int step = 0; step < kSteps; ++step)
    EXPECT_NEAR(got[step], expected[step], tolerance * std::abs(expected[step])) << "step " << step;
}

TEST_P(Ranks, AreEqualAndRepeat) {
  const Config config = config_of(GetParam());
  Training first(*among_ranks, config), second(*among_ranks, config);
  EXPECT_EQ(first.losses(kRepeatedSteps), second.losses(kRepeatedSteps));
  const auto arrays = first.arrays(), again = second.arrays();
  for (const auto& [name, values] : arrays) {
    EXPECT_EQ(bytes_of(again.at(name)), bytes_of(values)) << name << " of a second run";
    for (const std::string& theirs : ranks().gather(bytes_of(values)))
      EXPECT_EQ(theirs, bytes_of(values)) << name << " of another rank";
  }
}

/// The packed model of every rank is that of one rank with the same arrays.
TEST_P(Ranks, PackTheWholeModel) {
  const Config config = config_of(GetParam());
  Training many(*among_ranks, config), one(*alone_, config);
  many.losses(10);
  const auto trained = many.arrays();
  one.loop.model().visit([&]<class T>(const std::string& name, Tensor<T>& tensor) {
    if constexpr (std::is_same_v<T, float>) {
      tensor.assign(trained.at(name));
    } else {
      std::vector<T> values;
      for (const float value : trained.at(name)) values.push_back(to_bfloat16(value));
      tensor.assign(values);
    }
  });
  const PackedModel expected = one.loop.model().pack();
  const DevicePackedModel here = many.loop.model().pack();
  const PackedModel got = collect(ranks(), download(here));
  for (const auto& [name, table] : expected.tables) {
    EXPECT_EQ(got.tables.at(name).rows, table.rows);
    EXPECT_EQ(here.tables.at(name).sharding.ranks,
              shards_rows(ranks().size(), config, table.rows) ? ranks().size() : 1);
    if (!ranks().leads()) continue;
    for (const auto& [array, values] : table.arrays)
      EXPECT_EQ(got.tables.at(name).arrays.at(array).bytes, values.bytes) << name << "." << array;
  }
  const auto reports = many.loop.model().tier_reports();
  for (const auto& [name, tiers] : one.loop.model().tier_reports())
    for (size_t i = 0; i < tiers.size(); ++i) {
      EXPECT_EQ(reports.at(name)[i].rows, tiers[i].rows);
      EXPECT_EQ(reports.at(name)[i].unused_centroids, tiers[i].unused_centroids);
      EXPECT_NEAR(reports.at(name)[i].perplexity, tiers[i].perplexity, 1e-9);
      EXPECT_NEAR(reports.at(name)[i].mean_squared_error, tiers[i].mean_squared_error, 1e-9);
    }
  // To the digit, in training as of an artifact that every rank has read.
  const std::string judged = one.task->evaluate(expected, Split::kTest).json.dump();
  EXPECT_EQ(many.task->evaluate(here, Split::kTest).json.dump(), judged);
  EXPECT_EQ(many.task->evaluate(expected, Split::kTest).json.dump(), judged);
  // Where one side alone is sharded, its rows come from their owners, and of a whole catalogue each
  // rank ranks a stretch.
  if (!traits_of_scheme(GetParam().scheme).sharded || GetParam().task == TaskKind::kRelevance)
    return;
  for (const char* side : {"user", "item"}) {
    std::map<std::string, RowSharding> sharding;
    for (const auto& [name, table] : expected.tables)
      sharding[name] = name.ends_with(side)
                           ? RowSharding{table.rows, ranks().size(), ranks().rank()}
                           : RowSharding::whole(table.rows);
    const DevicePackedModel mixed = upload(*among_ranks, share_of(expected, sharding));
    EXPECT_EQ(many.task->evaluate(mixed, Split::kTest).json.dump(), judged) << side << " sharded";
  }
}

/// What an exchange sends stays as it is until the exchange is finished, and what it brings is read
/// only then: on a device other ops run beside it.
TEST_P(Ranks, LeaveAloneWhatTravels) {
  const Config config = config_of(GetParam());
  const std::unique_ptr<Backend> late = make_backend(among_ranks->name());
  late->join(std::make_unique<Late>(*late, ranks()));
  Training usual(*among_ranks, config), delayed(*late, config);
  EXPECT_EQ(delayed.losses(kRepeatedSteps), usual.losses(kRepeatedSteps));
  const auto arrays = usual.arrays(), others = delayed.arrays();
  for (const auto& [name, values] : arrays)
    EXPECT_EQ(bytes_of(others.at(name)), bytes_of(values)) << name;
}

/// What was prepared of an epoch that ends early is no part of the next.
TEST_P(Ranks, ForgetWhatWasPreparedOfAnotherEpoch) {
  const Config config = config_of(GetParam());
  std::vector<std::vector<double>> sums;
  for (Backend* backend : {alone_.get(), among_ranks}) {
    Training training(*backend, config);
    sums.emplace_back();
    for (const int epoch : {1, 2}) {
      training.loop.begin_epoch(epoch);
      for (int step = 0; step < 3; ++step) training.loop.step();
      sums.back().push_back(training.loop.loss_sum());
    }
    sum_over_ranks(backend->communicator(), sums.back());
  }
  for (const size_t epoch : {0, 1})
    EXPECT_NEAR(sums[1][epoch], sums[0][epoch], kNarrowGradientTolerance * sums[0][epoch]);
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Shard shard : {Shard::kRows, Shard::kNone}) {
    for (const char* model : {"gmf", "neumf", "sasrec"})
      for (const char* scheme : {"full", "mgqe"}) all.push_back({model, scheme, shard});
    for (const char* scheme : {"low_rank", "scalar_quantized", "hashed", "dpq_vq", "dpq_sx", "lsq"})
      all.push_back({"gmf", scheme, shard});
    // Whole on each rank, however --shard says.
    if (shard == Shard::kNone)
      for (const char* scheme : {"quotient_remainder", "memcom", "mixed_dim"})
        all.push_back({"gmf", scheme, shard});
    for (const Variant variant : {Variant::kPrivateK, Variant::kPrivateD})
      all.push_back({.model = "gmf", .scheme = "mgqe", .shard = shard, .variant = variant});
    for (const char* scheme : {"mgqe", "dpq_sx"})
      all.push_back(
          {.model = "gmf", .scheme = scheme, .shard = shard, .codebook_type = CodebookType::kF16});
    for (const Optimizer optimizer :
         {Optimizer::kAdam, Optimizer::kRowwiseAdagrad, Optimizer::kSgd})
      all.push_back({.model = "gmf", .scheme = "mgqe", .shard = shard, .optimizer = optimizer});
    for (const char* model : {"gmf", "neumf"})
      all.push_back(
          {.model = model, .scheme = "mgqe", .shard = shard, .task = TaskKind::kRelevance});
    all.push_back({.model = "gmf", .scheme = "mgqe", .shard = shard, .commitment = 0.25});
    all.push_back({.model = "gmf",
                   .scheme = "mgqe",
                   .shard = shard,
                   .commitment = 0.25,
                   .grouping = Grouping::kLookup});
    for (const char* scheme : {"mgqe", "dpq_sx"})
      all.push_back(
          {.model = "gmf", .scheme = scheme, .shard = shard, .distance_bn = DistanceBn::kTf});
    all.push_back({.model = "gmf", .scheme = "mgqe", .shard = shard, .kmeans_start = 3});
    for (const char* scheme : {"full", "mgqe"}) {
      all.push_back({.model = "gmf",
                     .scheme = scheme,
                     .shard = shard,
                     .optimizer = Optimizer::kRowwiseAdagrad,
                     .row_type = RowType::kBf16});
      all.push_back(
          {.model = "gmf", .scheme = scheme, .shard = shard, .gradient_type = RowType::kBf16});
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Models, Ranks, ::testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.label(); });

/// Ranks other than 0 have no stdout, where GoogleTest writes.
class FailuresToStderr : public ::testing::EmptyTestEventListener {
  void OnTestPartResult(const ::testing::TestPartResult& result) override {
    if (result.failed())
      std::fprintf(stderr, "rank %d: %s:%d: %s\n", ranks().rank(), result.file_name(),
                   result.line_number(), result.message());
  }
};

}  // namespace
}  // namespace mgqe

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  mgqe::Launch launch;
  std::unique_ptr<mgqe::Backend> backend;
  try {
    backend = mgqe::make_backend(launch.device(argc > 1 ? argv[1] : "cpu"));
  } catch (const mgqe::InputError& error) {
    std::fprintf(stderr, "skipped: %s\n", error.what());
    return 77;
  }
  launch.join(*backend);
  mgqe::launch = &launch;
  mgqe::among_ranks = backend.get();
  if (launch.rank() > 0)
    ::testing::UnitTest::GetInstance()->listeners().Append(new mgqe::FailuresToStderr);
  const int failed = RUN_ALL_TESTS();
  // A failure of any rank is one of the test.
  const std::vector<std::string> all = backend->communicator().gather(std::to_string(failed));
  for (const std::string& one : all)
    if (one != "0") return 1;
  return 0;
}
