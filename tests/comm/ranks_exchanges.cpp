// The communicator itself, what models do with it, and the plan of what they take: part of
// ranks_test.
#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include <gtest/gtest.h>

#include "host/base/philox.hpp"
#include "host/cpu/cpu_backend.hpp"
#include "host/train/checkpointer.hpp"
#include "models/features/placement.hpp"
#include "models/packing/packed_share.hpp"
#include "tests/support/io_testing.hpp"
#include "tests/support/ranks_testing.hpp"

namespace mgqe {
namespace {

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

/// Two arrays in one exchange, each with segments of its own lengths.
TEST_F(Exchanges, SeveralArraysTogether) {
  const auto each = static_cast<size_t>(n());
  const std::vector<int64_t> one(each, 1), two(each, 2);
  std::vector<uint8_t> short_sent, long_sent, short_expected, long_expected;
  for (int r = 0; r < n(); ++r) {
    short_sent.push_back(static_cast<uint8_t>(10 * me() + r));
    short_expected.push_back(static_cast<uint8_t>(10 * r + me()));
    long_sent.insert(long_sent.end(), 2, static_cast<uint8_t>(100 + 10 * me() + r));
    long_expected.insert(long_expected.end(), 2, static_cast<uint8_t>(100 + 10 * r + me()));
  }
  const Tensor<uint8_t> from(*among_ranks, std::span<const uint8_t>(short_sent)),
      long_from(*among_ranks, std::span<const uint8_t>(long_sent)), to(*among_ranks, n()),
      long_to(*among_ranks, 2 * n());
  ranks().reset_accounts();
  ranks().all_to_all(Traffic::kForward, *among_ranks,
                     std::array{Exchange{{from.view(), one}, {to.view(), one}},
                                Exchange{{long_from.view(), two}, {long_to.view(), two}}});
  EXPECT_EQ(to.to_host(), short_expected);
  EXPECT_EQ(long_to.to_host(), long_expected);
  EXPECT_EQ(ranks().account(Traffic::kForward).calls, 1);
  EXPECT_EQ(ranks().account(Traffic::kForward).bytes, 3 * (n() - 1));
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
  SparseAllToAll exchange(*among_ranks, 50, 8);
  const Tensor<int32_t> ids(*among_ranks, std::vector<int32_t>{7, 3, 40 + me(), 0, 7, 3});
  const Tensor<int32_t> next(*among_ranks, std::vector<int32_t>{1, 2, 4, 49, 49, 49, 30});
  std::vector<int64_t> rank_rows;
  const auto prepare = [&](View<const int32_t> batch) {
    exchange.prepare(*among_ranks, batch, rank_rows);
    return std::pair(exchange.requests(), exchange.owned());
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
  EXPECT_EQ(exchange.requests().ids.data, under_way.ids.data);
  EXPECT_EQ(exchange.owned().ids.data, served.ids.data);
  EXPECT_EQ(contents(under_way), before);
}

TEST_F(Exchanges, DrawingLeavesTheBatchUnderWayAlone) {
  for (const char* model : {"gmf", "sasrec"}) {
    Config config = config_of({model, "full", Shard::kRows});
    const std::unique_ptr<Task> task = make_task(*among_ranks, config);
    const std::unique_ptr<BatchSource> feed = task->make_batch_source();
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
  int64_t taken = 0, peak = 0;
  void* allocate(size_t bytes) override {
    taken += static_cast<int64_t>(bytes);
    peak = std::max(peak, taken);
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

/// What the plan promises is taken: by a model of tables and their batches alone, after a step, and
/// by the evaluations that follow it.
TEST_F(Exchanges, ThePlanIsWhatAModelTakes) {
  if (among_ranks->name() != "cpu") GTEST_SKIP() << "counts what is taken of a CPU";
  std::vector<Case> all;
  for (const Shard shard : {Shard::kRows, Shard::kNone}) {
    for (const char* scheme : {"full", "mgqe", "dpq_sx", "low_rank", "hashed", "lsq",
                               "quotient_remainder", "memcom", "mixed_dim"})
      all.push_back({"gmf", scheme, shard});
    for (const char* scheme : {"full", "mgqe"}) {
      for (const RowType gradient_type : {RowType::kF32, RowType::kBf16})
        all.push_back({.model = "gmf",
                       .scheme = scheme,
                       .shard = shard,
                       .optimizer = Optimizer::kRowwiseAdagrad,
                       .row_type = RowType::kBf16,
                       .gradient_type = gradient_type});
      all.push_back(
          {.model = "gmf", .scheme = scheme, .shard = shard, .gradient_type = RowType::kBf16});
    }
    all.push_back({.model = "gmf", .scheme = "mgqe", .shard = shard, .commitment = 0.25});
  }
  const auto expect_planned = [&](const Config& config, const Catalogue& catalogue) {
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
    const Batch batch{{left, right, targets}, {}, {}, config.train.batch, share.first};
    model->prepare(backend, batch);
    model->train_step(batch, state, loss);
    backend.peak = 0;
    PackedShare best;
    {
      const DevicePackedModel packed = model->pack();
      const auto ranker = make_ranker(backend, packed);
      best = download(packed);
    }
    {
      const DevicePackedModel packed = upload(backend, best);
      const auto ranker = make_ranker(backend, packed);
    }
    const auto planned = static_cast<double>(plan_memory(n(), config, catalogue).total());
    EXPECT_NEAR(planned / static_cast<double>(backend.peak), 1.0, 0.05)
        << planned << " planned, " << backend.peak << " taken";
  };
  for (const Case& c : all) {
    SCOPED_TRACE(c.label());
    Config config = config_of(c);
    config.embedding.dim = 64;
    config.embedding.buckets = 5000;
    config.train.batch = 8000;
    expect_planned(config, {6000, 50000});
  }
  // Where codebooks are most of it.
  Config config = config_of({.model = "gmf", .scheme = "mgqe", .shard = Shard::kNone});
  config.embedding.dim = 64;
  config.embedding.centroids = {256, 64};
  config.train.batch = 200;
  expect_planned(config, {200, 300});
}

/// Rank 0 takes what every rank gives, in pieces that cut rows anywhere.
TEST_F(Exchanges, RankZeroCollects) {
  std::vector<int64_t> sizes;
  for (int r = 0; r < n(); ++r) sizes.push_back(r == 1 ? (int64_t{33} << 20) + 5 : 3 * r);
  std::vector<uint8_t> mine(static_cast<size_t>(sizes[static_cast<size_t>(me())]));
  const auto byte = [](int rank, int64_t i) { return static_cast<uint8_t>(7 * rank + i % 251); };
  for (size_t i = 0; i < mine.size(); ++i) mine[i] = byte(me(), static_cast<int64_t>(i));
  std::vector<int64_t> taken(sizes.size(), 0);
  int64_t wrong = 0;
  ranks().collect(mine, sizes, [&](int rank, int64_t first, std::span<const uint8_t> piece) {
    EXPECT_EQ(first, taken[static_cast<size_t>(rank)]);
    for (size_t i = 0; i < piece.size(); ++i)
      wrong += piece[i] != byte(rank, first + static_cast<int64_t>(i));
    taken[static_cast<size_t>(rank)] += static_cast<int64_t>(piece.size());
  });
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(taken, me() == 0 ? sizes : std::vector<int64_t>(sizes.size(), 0));
}

TEST_F(Exchanges, ACheckpointThatIsWaitedForHasItsBestArtifact) {
  std::optional<testing::ScratchFolder> scratch;
  if (me() == 0) scratch.emplace();
  const std::string folder =
      ranks().gather(me() == 0 ? scratch->path().string() : std::string()).front();
  Checkpointer checkpointer(ranks(), folder, {1, 0.0, 2, false}, 0);
  checkpointer.begin([&] {
    Checkpoint checkpoint;
    checkpoint.manifest.step = 5;
    checkpoint.manifest.world_size = n();
    checkpoint.arrays["a"] = HostArray(std::vector<float>(8), {8});
    if (me() == 0) {
      // Of a size that is still being written while the others wait.
      checkpoint.best = testing::small_artifact();
      constexpr int64_t kFloats = 4 << 20;
      checkpoint.best->model.dense["large"] =
          HostArray(std::vector<float>(static_cast<size_t>(kFloats)), {kFloats});
    }
    return checkpoint;
  });
  checkpointer.finish();
  if (me() != 0) return;
  std::set<std::string> names;
  const auto made = std::filesystem::path(folder) / checkpoint_name(5);
  for (const CheckpointFile& file : read_manifest(made).files) names.insert(file.name);
  EXPECT_EQ(names.size(), static_cast<size_t>(n()) + 1);
  EXPECT_TRUE(names.contains(kBestFile));
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

}  // namespace
}  // namespace mgqe
