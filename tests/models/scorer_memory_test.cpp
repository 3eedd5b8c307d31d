// What evaluation holds: a scorer's arrays are its packed tables, its weights, the rows of a batch
// and the scratch of one forward, to the byte. No optimizer state, no gradients, nothing kept for a
// backward; and a call takes no more.
#include <map>

#include "host/cpu/cpu_backend.hpp"
#include "models/backbones/model.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

/// A CPU that counts what it hands out.
class CountingBackend final : public CpuBackend {
 public:
  void* allocate(size_t bytes) override {
    void* const pointer = CpuBackend::allocate(bytes);
    sizes_[pointer] = static_cast<int64_t>(bytes);
    held_ += static_cast<int64_t>(bytes);
    ++allocations_;
    return pointer;
  }
  void release(void* pointer) noexcept override {
    held_ -= sizes_[pointer];
    CpuBackend::release(pointer);
  }

  int64_t held_bytes() const { return held_; }
  int64_t allocations() const { return allocations_; }

 private:
  std::map<void*, int64_t> sizes_;
  int64_t held_ = 0, allocations_ = 0;
};

constexpr int64_t kUsers = 70, kItems = 90, kDim = 12, kMlpDim = 16;
constexpr int64_t kHeads = 2, kBlocks = 3, kMaxLength = 9;
constexpr int64_t kScoreChunk = 8192;  // pairs a scorer takes at a time

PackedModel packed(const std::string& backbone, TaskKind task) {
  Config config = default_config(backbone, task);
  config.embedding.scheme = "full";
  config.embedding.dim = kDim;
  if (backbone == "neumf") config.model.mlp_dim = kMlpDim;
  config.model.heads = static_cast<int>(kHeads);
  config.model.blocks = static_cast<int>(kBlocks);
  config.model.max_length = kMaxLength;
  config.train.batch = 8;
  resolve(config);
  CpuBackend backend;
  return make_model(backend, config, {kUsers, kItems, 0.5})->pack();
}

/// Of the perceptron: three layers with their biases, and v.
constexpr int64_t kTower = 2 * kMlpDim * kMlpDim + kMlpDim + kMlpDim * kMlpDim / 2 + kMlpDim / 2 +
                           kMlpDim / 2 * kMlpDim / 4 + kMlpDim / 4;
constexpr int64_t kOutput = kMlpDim / 4;
constexpr int64_t kHiddenLayers = kMlpDim + kMlpDim / 2 + kMlpDim / 4;  // h_1, h_2, h_3

class ScorerMemory : public ::testing::Test {
 protected:
  /// floats: held by a ranker of the backbone.
  void expect_ranker(const std::string& backbone,
                     const std::function<int64_t(int64_t users, int64_t histories)>& floats) {
    const PackedModel model = packed(backbone, TaskKind::kRanking);
    CountingBackend backend;
    const auto ranker = make_ranker(backend, model);
    EXPECT_EQ(backend.held_bytes(),
              floats(ranker->max_users(), ranker->max_histories()) * int64_t{sizeof(float)});

    const std::vector<int32_t> two = {3, 7};
    const Tensor<int32_t> ids(backend, std::span(two)), none(backend, 0);
    const Tensor<int32_t> candidates(backend, 2, 3), positions(backend, 2), last(backend, two);
    const Tensor<int32_t> tokens(backend, std::vector<int32_t>{0, 4, 8});
    const Tensor<int32_t> items(backend, 8), places(backend, 8);
    const Tensor<int64_t> offsets(backend, 3);
    Tensor<int32_t> greater(backend, 2), ties(backend, 2);
    const UserHistories histories[] = {
        {{tokens.view(), 4}, items.view(), places.view(), last.view()}};
    const int64_t before = backend.allocations();
    ranker->rank({ids, ids, candidates, {offsets.view(), none.view()}, histories}, {greater, ties},
                 {greater, ties});
    EXPECT_EQ(backend.allocations(), before) << "by a call";
  }
  void expect_pair_scorer(const std::string& backbone, int64_t floats) {
    const PackedModel model = packed(backbone, TaskKind::kRelevance);
    CountingBackend backend;
    const auto scorer = make_pair_scorer(backend, model);
    EXPECT_EQ(backend.held_bytes(), floats * int64_t{sizeof(float)});

    const Tensor<int32_t> left(backend, 5), right(backend, 5);
    Tensor<float> scores(backend, 5);
    const int64_t before = backend.allocations();
    scorer->score(left, right, scores);
    EXPECT_EQ(backend.allocations(), before) << "by a call";
  }
};

TEST_F(ScorerMemory, GmfRanksFromItsTables) {
  expect_ranker("gmf", [](int64_t users, int64_t) {
    const int64_t weights = kDim + 1;
    return (kUsers + kItems) * kDim + weights +
           users * (2 * kDim + 1);  // and positives' rows, scores
  });
}

TEST_F(ScorerMemory, NeumfRanksFromTablesWeightsAndOneChunk) {
  expect_ranker("neumf", [](int64_t users, int64_t) {
    const int64_t tables = (kUsers + kItems) * (kDim + kMlpDim),
                  weights = kDim + 1 + kTower + kOutput;
    // Rows of both tables, projected, hidden layers; scores of the perceptron and of both halves.
    const int64_t chunk = kItems * (kDim + 2 * kMlpDim + kHiddenLayers + 2), no_bias = kMlpDim;
    return tables + weights + no_bias + chunk + users * (kDim + 2 * kMlpDim + 1);
  });
}

TEST_F(ScorerMemory, SasrecRanksFromItemsWeightsAndOneBlocksScratch) {
  expect_ranker("sasrec", [](int64_t users, int64_t histories) {
    const int64_t norm = 2 * kDim, linear = kDim * kDim + kDim;
    const int64_t weights = kMaxLength * kDim + kBlocks * (2 * norm + 5 * linear) + norm;
    // A token: its row and number, input, h and nine arrays of one block; the attention's sums;
    // three norms' statistics.
    const int64_t scratch = histories * kMaxLength * (kDim + 1 + 11 * kDim + kHeads + 3 * 2);
    return kItems * kDim + users * (2 * kDim + 1) + weights + scratch;
  });
}

TEST_F(ScorerMemory, GmfScoresPairsFromItems) {
  const int64_t weights = kDim + 1, biases = kItems, average = 1;
  expect_pair_scorer("gmf", kItems * kDim + weights + biases + average +
                                kScoreChunk * (1 + 2 * (kDim + 2)));  // logit; rows, ids, numbers
}

TEST_F(ScorerMemory, NeumfScoresPairsInBothOrders) {
  const int64_t weights = kDim + 1 + kTower + kOutput, biases = kItems, average = 2;
  const int64_t tower = 2 * kMlpDim + kHiddenLayers;  // a pair's rows and what follows from them
  expect_pair_scorer("neumf", kItems * (kDim + kMlpDim) + weights + biases + average +
                                  2 * kScoreChunk * (kDim + kMlpDim)         // rows as fetched
                                  + 2 * kScoreChunk * (tower + 1 + 2 + 2));  // logit, swapped, ids
}

}  // namespace
}  // namespace mgqe::testing
