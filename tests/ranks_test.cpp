// Several ranks against one: every test trains the same model twice in each process, alone on the
// whole batch and as one of N on its share, and compares. Started by mpirun; alone there is nothing
// to compare and all is skipped. With the argument `cuda` the ranks compute on a GPU, which they
// may share: then their exchanges are staged through the host.
#include <cmath>
#include <cstring>
#include <deque>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "host/comm/launch.hpp"
#include "host/core/philox.hpp"
#include "host/cpu/cpu_backend.hpp"
#include "host/train/training_loop.hpp"
#include "models/placement.hpp"
#include "models/row_exchange.hpp"

namespace mgqe {
namespace {

Launch* launch = nullptr;
Backend* among_ranks = nullptr;  // the one back end that is joined to the ranks

Communicator& ranks() { return among_ranks->communicator(); }

struct Case {
  std::string model, scheme, shard;
  std::string task = "ranking";
  std::string variant = "shared_k";
  std::string optimizer = "sparse_adam";
  double commitment = 0.0;
  std::string distance_bn = "none";
  std::string grouping = "tier";
  int kmeans_start = 0;
  std::string row_type = "f32", gradient_type = "f32";

  std::string label() const {
    std::string text = model + "_" + scheme + "_" + shard;
    for (const std::string& option : {task, variant, optimizer, distance_bn, grouping})
      if (!std::set<std::string>{"ranking", "shared_k", "sparse_adam", "none", "tier"}.count(
              option))
        text += "_" + option;
    if (commitment > 0.0) text += "_commitment";
    if (kmeans_start > 0) text += "_kmeans";
    if (row_type != "f32") text += "_rows_" + row_type;
    if (gradient_type != "f32") text += "_gradients_" + gradient_type;
    return text;
  }
};

Config config_of(const Case& c) {
  Config config = default_config(c.model, c.task, "paper");
  config.data.name = c.task == "relevance" ? "relevance-synthetic" : "synthetic";
  config.data.synthetic_users = 93;  // an epoch of sequences ends with a batch of 3
  config.data.synthetic_items = 150;
  config.data.synthetic_actions = 20;
  config.data.synthetic_pair_items = 200;
  config.data.synthetic_pairs = 4000;
  config.embedding.scheme = c.scheme;
  config.embedding.variant = c.variant;
  config.embedding.dim = 16;
  config.embedding.rank = 4;
  config.embedding.buckets = 40;
  config.embedding.subspaces = {8};
  if (c.variant == "private_d") config.embedding.subspaces = {8, 4};
  config.embedding.centroids = c.scheme == "mgqe" && c.variant != "private_d"
                                   ? std::vector<int>{16, 4}
                                   : std::vector<int>{16};
  if (c.scheme == "mgqe") config.embedding.tiers = {0.2};
  config.embedding.commitment_weight = c.commitment;
  config.embedding.distance_bn = c.distance_bn;
  config.embedding.grouping = c.grouping;
  config.embedding.kmeans_start = c.kmeans_start;
  config.train.optimizer = c.optimizer;
  config.train.row_type = c.row_type;
  config.train.gradient_type = c.gradient_type;
  if (c.row_type != "f32")
    config.train.table_lr = 1.0;  // so that rounding shows in a hundred steps
  config.train.l2 = 1e-4;
  config.train.batch = c.model == "sasrec" ? 10 : 96;
  config.model.max_length = 12;
  config.run.shard = c.shard;
  config.run.device = "cpu";
  resolve(config);
  validate(config);
  return config;
}

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
  /// Every array, whole; those dealt to ranks collected.
  std::map<std::string, std::vector<float>> arrays() {
    std::map<std::string, std::vector<float>> all;
    loop.model().visit(
        [&]<class T>(const std::string& name, Tensor<T>& tensor, const Dealing& dealing) {
          std::vector<float> share;
          for (const T value : tensor.to_host()) share.push_back(to_float(value));
          all[name] = collect_table(backend.communicator(), dealing, std::move(share));
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
  const bool narrow = GetParam().gradient_type != "f32";
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
  const PackedModel expected = one.loop.model().pack(), got = many.loop.model().pack();
  for (const auto& [name, table] : expected.tables) {
    EXPECT_EQ(got.tables.at(name).rows, table.rows);
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
  const auto judged = many.task->evaluate(got, Split::kTest).json;
  EXPECT_EQ(judged.dump(), one.task->evaluate(expected, Split::kTest).json.dump());
}

/// Exchanges as late as they may be: nothing has come until they are finished, and what is sent is
/// read only then.
class Late final : public Communicator {
 public:
  /// Of a back end beside the one that the ranks' communicator knows.
  Late(Backend& backend, Communicator& ranks) : backend_(backend), ranks_(ranks) {}
  std::string name() const override { return "late"; }
  int rank() const override { return ranks_.rank(); }
  int size() const override { return ranks_.size(); }
  void barrier() override { ranks_.barrier(); }
  [[noreturn]] void abort(const std::string& why) override {
    ranks_.abort(why);
    throw Error(why);  // not reached
  }

 protected:
  void do_all_reduce(View<float> x) override {
    backend_.synchronize();
    ranks_.all_reduce(Traffic::kDense, x);
  }
  void do_all_reduce(View<double> x) override {
    backend_.synchronize();
    ranks_.all_reduce(Traffic::kDense, x);
  }
  void do_begin_all_to_all(Backend& on, Segments send, Segments receive) override {
    begun_.push_back({send.data,
                      receive.data,
                      {send.bytes.begin(), send.bytes.end()},
                      {receive.bytes.begin(), receive.bytes.end()}});
    const std::vector<uint8_t> nan(static_cast<size_t>(receive.total()), 0xff);
    if (!nan.empty()) on.upload(receive.data.data, nan.data(), nan.size());
  }
  void do_finish_all_to_all(Backend& on) override {
    const Begun& first = begun_.front();
    ranks_.all_to_all(Traffic::kForward, on, {first.send, first.to}, {first.receive, first.from});
    begun_.pop_front();
  }
  void do_all_gather(View<const uint8_t> mine, Segments receive) override {
    backend_.synchronize();
    ranks_.all_gather(Traffic::kForward, mine, receive);
  }
  void do_exchange(std::span<const int64_t> to, std::span<int64_t> from) override {
    ranks_.exchange(Traffic::kForward, to, from);
  }
  std::vector<std::string> do_gather(const std::string& mine) override {
    return ranks_.gather(mine);
  }

 private:
  struct Begun {
    View<uint8_t> send, receive;
    std::vector<int64_t> to, from;
  };
  Backend& backend_;
  Communicator& ranks_;
  std::deque<Begun> begun_;
};

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
  for (const char* shard : {"rows", "none"}) {
    for (const char* model : {"gmf", "neumf", "sasrec"})
      for (const char* scheme : {"full", "mgqe"}) all.push_back({model, scheme, shard});
    for (const char* scheme : {"low_rank", "scalar_quantized", "hashed", "dpq_vq", "dpq_sx"})
      all.push_back({"gmf", scheme, shard});
    for (const char* variant : {"private_k", "private_d"})
      all.push_back({.model = "gmf", .scheme = "mgqe", .shard = shard, .variant = variant});
    for (const char* optimizer : {"adam", "rowwise_adagrad", "sgd"})
      all.push_back({.model = "gmf", .scheme = "mgqe", .shard = shard, .optimizer = optimizer});
    for (const char* model : {"gmf", "neumf"})
      all.push_back({.model = model, .scheme = "mgqe", .shard = shard, .task = "relevance"});
    all.push_back({.model = "gmf", .scheme = "mgqe", .shard = shard, .commitment = 0.25});
    all.push_back({.model = "gmf",
                   .scheme = "mgqe",
                   .shard = shard,
                   .commitment = 0.25,
                   .grouping = "lookup"});
    all.push_back({.model = "gmf", .scheme = "mgqe", .shard = shard, .distance_bn = "tf"});
    all.push_back({.model = "gmf", .scheme = "mgqe", .shard = shard, .kmeans_start = 3});
    for (const char* scheme : {"full", "mgqe"}) {
      all.push_back({.model = "gmf",
                     .scheme = scheme,
                     .shard = shard,
                     .optimizer = "rowwise_adagrad",
                     .row_type = "bf16"});
      all.push_back({.model = "gmf", .scheme = scheme, .shard = shard, .gradient_type = "bf16"});
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Models, Ranks, ::testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.label(); });

// ---- the communicator itself --------------------------------------------------------------------

class Exchanges : public ::testing::Test {
 protected:
  void SetUp() override {
    if (launch->size() == 1) GTEST_SKIP() << "started alone";
  }
  int n() const { return ranks().size(); }
  int me() const { return ranks().rank(); }
};

TEST_F(Exchanges, SumAndCount) {
  Tensor<float> x(*among_ranks, std::vector<float>{static_cast<float>(me()), 1.0f});
  Tensor<double> y(*among_ranks, std::vector<double>{0.5 * me()});
  ranks().reset_accounts();
  ranks().all_reduce(Traffic::kDense, x.view());
  ranks().all_reduce(Traffic::kCodebook, y.view());
  EXPECT_EQ(x.to_host(),
            (std::vector<float>{static_cast<float>(n() * (n() - 1) / 2), static_cast<float>(n())}));
  EXPECT_EQ(y.to_host()[0], 0.25 * n() * (n() - 1));
  EXPECT_EQ(ranks().account(Traffic::kDense).bytes, 2 * 8 * (n() - 1) / n());
  EXPECT_EQ(ranks().account(Traffic::kDense).calls, 1);
}

/// Rank r sends r + q + 1 bytes of value 10 r + q to rank q, and none to its left neighbour.
TEST_F(Exchanges, RaggedSegments) {
  const auto length = [&](int from, int to) {
    return to == (from + n() - 1) % n() ? 0 : from + to + 1;
  };
  std::vector<int64_t> to, from;
  std::vector<uint8_t> sent, expected;
  for (int r = 0; r < n(); ++r) {
    to.push_back(length(me(), r));
    from.push_back(length(r, me()));
    sent.insert(sent.end(), static_cast<size_t>(to.back()), static_cast<uint8_t>(10 * me() + r));
    expected.insert(expected.end(), static_cast<size_t>(from.back()),
                    static_cast<uint8_t>(10 * r + me()));
  }
  sent.push_back(0);  // an array is never empty
  const Tensor<uint8_t> send(*among_ranks, std::span<const uint8_t>(sent));
  const Tensor<uint8_t> receive(*among_ranks, static_cast<int64_t>(expected.size()) + 1);
  ranks().all_to_all(Traffic::kForward, *among_ranks, {send.view(), to}, {receive.view(), from});
  std::vector<uint8_t> got = receive.to_host();
  EXPECT_EQ(got.back(), 0);
  got.pop_back();
  EXPECT_EQ(got, expected);
  std::vector<int64_t> counts(from.size());
  ranks().exchange(Traffic::kForward, to, counts);
  EXPECT_EQ(counts, from);
}

/// Several exchanges under way, and a sum beside them; they are finished as they began.
TEST_F(Exchanges, BeginAndFinishApart) {
  const auto ranks_bytes = std::vector<int64_t>(static_cast<size_t>(n()), 1);
  std::vector<Tensor<uint8_t>> sent, received;
  ranks().reset_accounts();
  EXPECT_THROW(ranks().finish_all_to_all(*among_ranks), Error);
  for (int which = 0; which < 3; ++which) {
    std::vector<uint8_t> values;
    for (int r = 0; r < n(); ++r)
      values.push_back(static_cast<uint8_t>(100 * which + 10 * me() + r));
    sent.emplace_back(*among_ranks, std::span<const uint8_t>(values));
    received.emplace_back(*among_ranks, n());
    ranks().begin_all_to_all(Traffic::kBackward, *among_ranks, {sent.back().view(), ranks_bytes},
                             {received.back().view(), ranks_bytes});
  }
  EXPECT_THROW(
      ranks().all_to_all(Traffic::kForward, *among_ranks, {sent.back().view(), ranks_bytes},
                         {received.back().view(), ranks_bytes}),
      Error);
  const Tensor<float> ones(*among_ranks, std::vector<float>{1.0f});
  ranks().all_reduce(Traffic::kDense, ones.view());
  EXPECT_EQ(ones.to_host()[0], static_cast<float>(n()));
  for (int which = 0; which < 3; ++which) {
    ranks().finish_all_to_all(*among_ranks);
    std::vector<uint8_t> expected;
    for (int r = 0; r < n(); ++r)
      expected.push_back(static_cast<uint8_t>(100 * which + 10 * r + me()));
    EXPECT_EQ(received[which].to_host(), expected) << which;
  }
  EXPECT_EQ(ranks().account(Traffic::kBackward).calls, 3);
  EXPECT_EQ(ranks().account(Traffic::kBackward).bytes, 3 * (n() - 1));
  EXPECT_EQ(ranks().account(Traffic::kForward).calls, 0);
}

TEST_F(Exchanges, GatherTextAndArrays) {
  const std::string mine(static_cast<size_t>(3 * me()), static_cast<char>('a' + me()));
  const std::vector<std::string> all = ranks().gather(mine);
  ASSERT_EQ(all.size(), static_cast<size_t>(n()));
  std::vector<int64_t> bytes;
  std::string joined;
  for (int r = 0; r < n(); ++r) {
    EXPECT_EQ(all[r], std::string(static_cast<size_t>(3 * r), static_cast<char>('a' + r)));
    bytes.push_back(3 * r);
    joined += all[r];
  }
  std::vector<uint8_t> values(mine.begin(), mine.end());
  values.push_back(0);
  const Tensor<uint8_t> given(*among_ranks, std::span<const uint8_t>(values));
  const Tensor<uint8_t> receive(*among_ranks, static_cast<int64_t>(joined.size()));
  ranks().all_gather(Traffic::kBackward, given.view().slice(0, 3 * me()), {receive.view(), bytes});
  const std::vector<uint8_t> got = receive.to_host();
  EXPECT_EQ(std::string(got.begin(), got.end()), joined);
}

std::vector<int32_t> values_of(View<const int32_t> view) {
  std::vector<int32_t> values(static_cast<size_t>(view.size()));
  among_ranks->download(values.data(), view.data, values.size() * sizeof(int32_t));
  return values;
}

/// While a step is under way on a device, the next one is prepared: in other arrays.
TEST_F(Exchanges, PreparingLeavesTheStepUnderWayAlone) {
  RowExchange exchange(*among_ranks, 50, 8);
  const Tensor<int32_t> ids(*among_ranks, std::vector<int32_t>{7, 3, 40 + me(), 0, 7, 3});
  const Tensor<int32_t> next(*among_ranks, std::vector<int32_t>{1, 2, 4, 49, 49, 49, 30});
  std::vector<int64_t> rank_rows;
  const auto prepare = [&](View<const int32_t> batch) {
    exchange.prepare(*among_ranks, batch, rank_rows);
    return std::pair(exchange.asked(), exchange.served());
  };
  const auto contents = [&](const UniqueIds& unique) {
    return std::vector{values_of(unique.ids.slice(0, 4)), values_of(unique.offsets.slice(0, 5)),
                       values_of(unique.order), values_of(unique.inverse), values_of(unique.count)};
  };
  const auto [under_way, served] = prepare(ids);
  EXPECT_EQ(rank_rows, std::vector<int64_t>(static_cast<size_t>(n()), 4));
  const auto before = contents(under_way);
  EXPECT_EQ(before.back().front(), 4);
  const auto served_contents = [&] {
    return std::vector{values_of(served.ids), values_of(served.order), values_of(served.repeats),
                       values_of(served.weights), values_of(served.count)};
  };
  const auto served_before = served_contents();
  const UniqueIds prepared = prepare(next).first;
  EXPECT_EQ(values_of(prepared.count).front(), 5);
  EXPECT_EQ(contents(under_way), before);
  EXPECT_EQ(served_contents(), served_before);
  prepare(ids);  // two sets of buffers, no more
  EXPECT_EQ(exchange.asked().ids.data, under_way.ids.data);
  EXPECT_EQ(exchange.served().ids.data, served.ids.data);
  EXPECT_EQ(contents(under_way), before);
}

TEST_F(Exchanges, DrawingLeavesTheBatchUnderWayAlone) {
  for (const char* model : {"gmf", "sasrec"}) {
    Config config = config_of({model, "full", "rows"});
    const std::unique_ptr<Task> task = make_task(*among_ranks, config);
    const std::unique_ptr<Feed> feed = task->make_feed();
    Tensor<StepState> state(*among_ranks, 1);
    StepState start{};
    start.epoch = 1;
    start.shuffle_key = 5;
    state.assign(std::span(&start, 1));
    feed->begin_epoch(start);
    const auto draw = [&] {
      among_ranks->begin_step(state, AdamOptions{});
      const Batch batch = feed->draw(*among_ranks, state);
      feed->advance(1);
      return batch;
    };
    const auto contents = [&](const Batch& batch) {
      return values_of(config.model.name == "gmf" ? batch.pairs.right : batch.tokens.inputs);
    };
    const Batch under_way = draw();
    const std::vector<int32_t> before = contents(under_way);
    const Batch prepared = draw();
    EXPECT_NE(contents(prepared), before) << model;
    EXPECT_EQ(contents(under_way), before) << model;
  }
}

/// Counts what is taken of it.
class CountedMemory : public CpuBackend {
 public:
  int64_t taken = 0;
  void* allocate(size_t bytes) override {
    taken += static_cast<int64_t>(bytes);
    void* const pointer = CpuBackend::allocate(bytes);
    sizes_[pointer] = static_cast<int64_t>(bytes);
    return pointer;
  }
  void release(void* pointer) noexcept override {
    taken -= sizes_[pointer];
    sizes_.erase(pointer);
    CpuBackend::release(pointer);
  }

 private:
  std::map<void*, int64_t> sizes_;
};

/// What the plan promises is taken: by a model of tables and their batches alone, after a step.
TEST_F(Exchanges, ThePlanIsWhatAModelTakes) {
  if (among_ranks->name() != "cpu") GTEST_SKIP() << "counts what is taken of a CPU";
  std::vector<Case> all;
  for (const char* shard : {"rows", "none"}) {
    for (const char* scheme : {"full", "mgqe", "dpq_sx", "low_rank", "hashed"})
      all.push_back({"gmf", scheme, shard});
    for (const char* scheme : {"full", "mgqe"}) {
      for (const char* gradient_type : {"f32", "bf16"})
        all.push_back({.model = "gmf",
                       .scheme = scheme,
                       .shard = shard,
                       .optimizer = "rowwise_adagrad",
                       .row_type = "bf16",
                       .gradient_type = gradient_type});
      all.push_back({.model = "gmf", .scheme = scheme, .shard = shard, .gradient_type = "bf16"});
    }
    all.push_back({.model = "gmf", .scheme = "mgqe", .shard = shard, .commitment = 0.25});
  }
  for (const Case& c : all) {
    SCOPED_TRACE(c.label());
    Config config = config_of(c);
    config.embedding.dim = 64;
    config.embedding.buckets = 5000;
    config.train.batch = 8000;
    const Catalogue catalogue{6000, 50000};
    CountedMemory backend;
    backend.join(std::make_unique<Late>(backend, ranks()));
    const std::unique_ptr<Model> model = make_model(backend, config, catalogue);
    const BatchShare share = BatchShare::of(ranks(), config.train.batch);
    std::vector<int32_t> users, items;
    for (int64_t b = 0; b < share.count; ++b) {
      users.push_back(static_cast<int32_t>(random_u64(1, b) % catalogue.users));
      items.push_back(static_cast<int32_t>(random_u64(2, b) % catalogue.items));
    }
    const Tensor<int32_t> left(backend, std::span<const int32_t>(users)),
        right(backend, std::span<const int32_t>(items));
    const Tensor<float> targets(backend, share.count);
    Tensor<StepState> state(backend, 1);
    Tensor<double> loss(backend, 1);
    backend.begin_step(state, AdamOptions{});
    const Batch batch{{left, right, targets}, {}, config.train.batch, share.first};
    model->prepare(backend, batch);
    model->train_step(batch, state, loss);
    const auto planned = static_cast<double>(plan_memory(n(), config, catalogue).total());
    EXPECT_NEAR(planned / static_cast<double>(backend.taken), 1.0, 0.05)
        << planned << " planned, " << backend.taken << " taken";
  }
}

TEST_F(Exchanges, OneFailureIsEveryonesAndSaysWhose) {
  const int last = n() - 1;
  try {
    agree(ranks(), [&] {
      if (me() == last) input_error("no such file");
    });
    ADD_FAILURE() << "nothing was thrown";
  } catch (const AgreedError& error) {
    EXPECT_EQ(std::string(error.what()), "rank " + std::to_string(last) + ": no such file");
  }
}

TEST_F(Exchanges, DifferentConfigurationsAreRefused) {
  EXPECT_NO_THROW(check_same(ranks(), "configuration", "{\"lr\":0.1}"));
  try {
    check_same(ranks(), "configuration", me() == 1 ? "{\"lr\":0.2}" : "{\"lr\":0.1}");
    ADD_FAILURE() << "nothing was thrown";
  } catch (const AgreedError& error) {
    EXPECT_NE(std::string(error.what()).find("rank 1 has another configuration"), std::string::npos)
        << error.what();
  }
}

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
    backend = mgqe::make_backend(argc > 1 ? argv[1] : "cpu");
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
