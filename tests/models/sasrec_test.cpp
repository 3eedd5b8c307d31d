// SASRec on every back end: the encoder and the ranking against naive loops in double, causality,
// independence of the users of a batch, dropout, artifacts that do not fit.
#include "models/backbones/sasrec.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "host/io/artifact.hpp"
#include "host/packed/dense_arrays.hpp"
#include "tests/support/io_testing.hpp"
#include "tests/support/reference.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

using reference::Matrix;
using History = std::vector<int32_t>;

Matrix wide(const ArrayMap& arrays, const std::string& name) {
  const auto values = arrays.at(name).as<float>();
  return Matrix(values.begin(), values.end());
}

/// SASRec's hidden vectors of one history, from a packed model with a full item table.
class NaiveSasrec {
 public:
  NaiveSasrec(const PackedModel& model, int heads, int blocks)
      : dense_(model.dense),
        items_(wide(model.tables.at("item").arrays, "table")),
        dim_(static_cast<size_t>(model.tables.at("item").dim)),
        max_length_(static_cast<size_t>(model.dense.at("sasrec.positions").shape[0])),
        heads_(static_cast<size_t>(heads)),
        blocks_(blocks) {}

  /// (tokens, d)
  Matrix hidden(const History& history) const {
    const Matrix positions = wide(dense_, "sasrec.positions");
    const size_t tokens = history.size();
    Matrix x(tokens * dim_);
    for (size_t t = 0; t < tokens; ++t)
      for (size_t c = 0; c < dim_; ++c)
        x[t * dim_ + c] = std::sqrt(static_cast<double>(dim_)) * items_[history[t] * dim_ + c] +
                          positions[(max_length_ - tokens + t) * dim_ + c];
    for (int b = 0; b < blocks_; ++b) x = block(x, "block." + std::to_string(b));
    return layer_norm(x, "final_norm");
  }
  double score(const History& history, int64_t item) const {
    const Matrix h = hidden(history);
    double sum = 0.0;
    for (size_t c = 0; c < dim_; ++c) sum += h[h.size() - dim_ + c] * items_[item * dim_ + c];
    return sum;
  }

 private:
  Matrix block(const Matrix& x, const std::string& name) const {
    const Matrix n = layer_norm(x, name + ".attention_norm");
    const Matrix attended =
        attention(linear(n, name + ".query"), linear(x, name + ".key"), linear(x, name + ".value"));
    const Matrix m = layer_norm(sum(n, attended), name + ".forward_norm");
    Matrix inner = linear(m, name + ".forward.0");
    for (double& value : inner) value = std::max(value, 0.0);
    return sum(m, linear(inner, name + ".forward.1"));
  }
  /// Causal: token t reads tokens 0 .. t.
  Matrix attention(const Matrix& q, const Matrix& k, const Matrix& v) const {
    const size_t tokens = q.size() / dim_, width = dim_ / heads_;
    Matrix out(q.size(), 0.0);
    for (size_t first = 0; first < dim_; first += width)
      for (size_t t = 0; t < tokens; ++t) {
        Matrix weights;
        for (size_t s = 0; s <= t; ++s) {
          double dot = 0.0;
          for (size_t c = first; c < first + width; ++c) dot += q[t * dim_ + c] * k[s * dim_ + c];
          weights.push_back(std::exp(dot / std::sqrt(static_cast<double>(width))));
        }
        const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
        for (size_t s = 0; s <= t; ++s)
          for (size_t c = first; c < first + width; ++c)
            out[t * dim_ + c] += weights[s] / total * v[s * dim_ + c];
      }
    return out;
  }
  Matrix layer_norm(const Matrix& x, const std::string& name) const {
    const Matrix gain = wide(dense_, name + ".gain"), bias = wide(dense_, name + ".bias");
    Matrix y(x.size());
    for (size_t t = 0; t < x.size() / dim_; ++t) {
      double mean = 0.0, variance = 0.0;
      for (size_t c = 0; c < dim_; ++c) mean += x[t * dim_ + c] / static_cast<double>(dim_);
      for (size_t c = 0; c < dim_; ++c)
        variance += std::pow(x[t * dim_ + c] - mean, 2) / static_cast<double>(dim_);
      for (size_t c = 0; c < dim_; ++c)
        y[t * dim_ + c] = gain[c] * (x[t * dim_ + c] - mean) / std::sqrt(variance + 1e-8) + bias[c];
    }
    return y;
  }
  Matrix linear(const Matrix& x, const std::string& name) const {
    const Matrix w = wide(dense_, name + ".weights"), bias = wide(dense_, name + ".bias");
    Matrix y(x.size());
    for (size_t t = 0; t < x.size() / dim_; ++t)
      for (size_t o = 0; o < dim_; ++o) {
        double value = bias[o];
        for (size_t i = 0; i < dim_; ++i) value += x[t * dim_ + i] * w[i * dim_ + o];
        y[t * dim_ + o] = value;
      }
    return y;
  }
  static Matrix sum(Matrix x, const Matrix& y) {
    for (size_t i = 0; i < x.size(); ++i) x[i] += y[i];
    return x;
  }

  ArrayMap dense_;
  Matrix items_;
  size_t dim_, max_length_, heads_;
  int blocks_;
};

class SasrecTest : public OnEveryBackend {
 protected:
  static constexpr int64_t kDim = 12, kMaxLength = 9, kItems = 60;
  static constexpr int kHeads = 2, kBlocks = 2;
  static constexpr SasrecShape kShape{kDim, kHeads, kBlocks, kMaxLength};
  static constexpr uint64_t kDropoutKey = 5;
  // Hidden values are about 2: each of some 12 layers sums up to d + 2 products, and the norms keep
  // what came before at about 1.
  const double kHiddenTolerance = 12 * 2.0 * sum_tolerance(kDim + 2);
  const double kScoreTolerance = kHiddenTolerance * std::sqrt(static_cast<double>(kDim));

  Config config(double dropout = 0.0) const {
    Config config = default_config("sasrec");
    config.embedding.scheme = "full";
    config.embedding.dim = kDim;
    config.model.max_length = kMaxLength;
    config.model.heads = kHeads;
    config.model.blocks = kBlocks;
    config.model.dropout = dropout;
    config.train.batch = 8;
    resolve(config);
    return config;
  }
  PackedModel random_model(uint64_t seed, double dropout = 0.0) {
    const auto model = make_model(backend(), config(dropout), {0, kItems, 0.0});
    Random random(seed);
    model->visit([&](const std::string& name, Tensor<float>& tensor) {
      auto values = random.normals(tensor.size(), 0.4f);
      if (name.ends_with(".gain"))
        for (float& value : values) value += 1.0f;
      tensor.assign(values);
    });
    return model->pack();
  }
  SasrecEncoder encoder(const PackedModel& model) {
    SasrecEncoder made(backend(), kShape, kDropoutKey);
    made.load(model.dense);
    return made;
  }

  /// Histories in device memory.
  struct Batch {
    Tensor<int32_t> offsets, items, positions, last;
    int64_t longest = 0;
    Sequences sequences() const { return {offsets.view(), longest}; }
    UserHistories histories() const {
      return {sequences(), items.view(), positions.view(), last.view()};
    }
  };
  Batch upload(const std::vector<History>& histories) {
    std::vector<int32_t> offsets = {0}, items, positions, last;
    Batch batch;
    for (const History& history : histories) {
      const auto length = static_cast<int32_t>(history.size());
      items.insert(items.end(), history.begin(), history.end());
      for (int32_t t = 0; t < length; ++t)
        positions.push_back(static_cast<int32_t>(kMaxLength) - length + t);
      offsets.push_back(static_cast<int32_t>(items.size()));
      last.push_back(offsets.back() - 1);
      batch.longest = std::max<int64_t>(batch.longest, length);
    }
    batch.offsets = tensor(offsets);
    batch.items = tensor(items);
    batch.positions = tensor(positions);
    batch.last = tensor(last);
    return batch;
  }
  Tensor<StepState> at_step(uint64_t step) {
    return tensor<StepState>({StepState{step, 1, step, 0, 0.0f, 0.0f, 0.0f, 0.0f}});
  }
  Tensor<float> item_table(const PackedModel& model) {
    return decode_table(backend(), model.tables.at("item"));
  }
  std::vector<float> download(View<const float> view) {
    std::vector<float> host(static_cast<size_t>(view.size()));
    backend().download(host.data(), view.data, host.size() * sizeof(float));
    return host;
  }
  /// (tokens, d) of all histories, one after the other; as in training at that step where a rate is
  /// given.
  std::vector<float> hidden(const PackedModel& model, const std::vector<History>& histories,
                            float rate = 0.0f, uint64_t step = 1) {
    const Batch batch = upload(histories);
    const Tensor<float> items = item_table(model);
    const Tensor<StepState> state = at_step(step);
    SasrecActivations kept(backend(), kShape, 200, SasrecActivations::Keep::kLast);
    const SasrecEncoder made = encoder(model);
    return download(made.forward({items, batch.items}, batch.sequences(), batch.positions,
                                 {.rate = rate, .state = state}, kept));
  }

  /// Of every length there is.
  std::vector<History> ragged(int count, uint64_t seed) {
    Random random(seed);
    std::vector<History> histories;
    for (int m = 0; m < count; ++m)
      histories.push_back(random.integers<int32_t>(1 + m * 4 % kMaxLength, 0, kItems - 1));
    return histories;
  }

  struct Counts {
    std::vector<int32_t> sampled_greater, sampled_ties, full_greater, full_ties;
  };
  Counts rank(const PackedModel& model, const std::vector<History>& histories,
              const std::vector<int32_t>& positives, const std::vector<int32_t>& candidates) {
    const auto count = static_cast<int64_t>(histories.size());
    const auto ranker = make_ranker(backend(), model);
    std::vector<Batch> batches;
    std::vector<UserHistories> parts;
    for (int64_t first = 0; first < count; first += ranker->max_histories()) {
      const int64_t last = std::min(count, first + ranker->max_histories());
      batches.push_back(upload({histories.begin() + first, histories.begin() + last}));
      parts.push_back(batches.back().histories());
    }
    std::vector<int32_t> users(histories.size());
    std::iota(users.begin(), users.end(), 0);
    const Tensor<int32_t> u = tensor(users), p = tensor(positives), none = tensor<int32_t>({}),
                          c = tensor(candidates, static_cast<int64_t>(candidates.size()) / count);
    const Tensor<int64_t> o = tensor(std::vector<int64_t>(histories.size() + 1, 0));
    Tensor<int32_t> sg = poisoned<int32_t>(count), st = poisoned<int32_t>(count),
                    fg = poisoned<int32_t>(count), ft = poisoned<int32_t>(count);
    EXPECT_GE(ranker->max_users(), count);
    ranker->rank({u, p, c, {o.view(), none.view()}, parts}, {sg, st}, {fg, ft});
    return {sg.to_host(), st.to_host(), fg.to_host(), ft.to_host()};
  }
};

TEST_P(SasrecTest, HiddenVectorsAreTheNaiveEncodersOnRaggedHistories) {
  const PackedModel model = random_model(1);
  const NaiveSasrec naive(model, kHeads, kBlocks);
  const std::vector<History> histories = ragged(13, 2);
  const auto got = hidden(model, histories);
  size_t at = 0;
  for (size_t m = 0; m < histories.size(); ++m)
    for (const double expected : naive.hidden(histories[m]))
      ASSERT_NEAR(got[at++], expected, kHiddenTolerance) << "history " << m;
  EXPECT_EQ(at, got.size());
}

TEST_P(SasrecTest, LastTokensAloneHaveTheVectorsTheyHaveAmongAll) {
  const PackedModel model = random_model(1);
  const std::vector<History> histories = ragged(13, 2);
  const std::vector<float> all = hidden(model, histories);
  const Batch batch = upload(histories);
  const Tensor<float> items = item_table(model);
  SasrecActivations kept(backend(), kShape, 200, SasrecActivations::Keep::kLast);
  const SasrecEncoder made = encoder(model);
  const std::vector<float> got = download(made.forward_last({items, batch.items}, batch.sequences(),
                                                            batch.positions, batch.last, kept));
  const size_t dim = got.size() / histories.size();
  size_t end = 0;
  for (size_t m = 0; m < histories.size(); ++m) {
    end += histories[m].size() * dim;
    const double tolerance = backend().name() == "cpu" ? 0.0 : kHiddenTolerance;
    for (size_t c = 0; c < dim; ++c)
      ASSERT_NEAR(got[m * dim + c], all[end - dim + c], tolerance) << "history " << m;
  }
}

TEST_P(SasrecTest, RanksAsNaiveScoresDo) {
  constexpr int kUsers = 30, kCandidates = 20;
  const PackedModel model = random_model(3, 0.5);  // dropout is of training alone
  const NaiveSasrec naive(model, kHeads, kBlocks);
  const std::vector<History> histories = ragged(kUsers, 4);
  Random random(5);
  const auto positives = random.integers<int32_t>(kUsers, 0, kItems - 1);
  auto candidates = random.integers<int32_t>(kUsers * kCandidates, -1, kItems - 1);
  for (int i = 0; i < kUsers * kCandidates; ++i)  // the positive is never its own candidate
    if (candidates[i] == positives[i / kCandidates]) candidates[i] = -1;
  const Counts counts = rank(model, histories, positives, candidates);
  std::vector<int32_t> all(kItems);
  std::iota(all.begin(), all.end(), 0);
  int64_t undecided = 0;
  for (int m = 0; m < kUsers; ++m) {
    const double positive = naive.score(histories[m], positives[m]);
    const auto bounds = [&](const std::vector<int32_t>& items, int32_t greater, int32_t ties) {
      int32_t surely = 0, perhaps = 0;
      for (const int32_t item : items) {
        if (item < 0 || item == positives[m]) continue;
        const double score = naive.score(histories[m], item);
        surely += score > positive + kScoreTolerance;
        perhaps += score > positive - kScoreTolerance;
      }
      undecided += perhaps - surely;
      EXPECT_GE(greater, surely) << "user " << m;
      EXPECT_LE(greater + ties, perhaps) << "user " << m;
    };
    bounds({candidates.begin() + m * kCandidates, candidates.begin() + (m + 1) * kCandidates},
           counts.sampled_greater[m], counts.sampled_ties[m]);
    bounds(all, counts.full_greater[m], counts.full_ties[m]);
  }
  EXPECT_LT(undecided, 8) << "the comparison says little";
}

TEST_P(SasrecTest, UsersWhoseHistoriesAreReadInPartsCountAsTheyDoAlone) {
  constexpr int kUsers = 140, kAlone = 128;  // the last of one part, and some of the next
  const PackedModel model = random_model(3);
  std::vector<History> histories = ragged(kUsers, 14);
  Random random(15);
  auto positives = random.integers<int32_t>(kUsers, 0, kItems - 1);
  const Counts all = rank(model, histories, positives, std::vector<int32_t>(kUsers, -1));
  histories.erase(histories.begin(), histories.begin() + kAlone);
  positives.erase(positives.begin(), positives.begin() + kAlone);
  const Counts last = rank(model, histories, positives, std::vector<int32_t>(kUsers - kAlone, -1));
  for (size_t m = 0; m < histories.size(); ++m) {
    EXPECT_EQ(all.full_greater[kAlone + m], last.full_greater[m]) << "user " << m;
    EXPECT_EQ(all.full_ties[kAlone + m], last.full_ties[m]) << "user " << m;
  }
}

TEST_P(SasrecTest, LaterActionsLeaveEarlierHiddenVectorsAsTheyAre) {
  const PackedModel model = random_model(6);
  const History one = {1, 2, 3, 4, 5, 6, 7}, other = {1, 2, 3, 4, 50, 51, 52};
  constexpr size_t kTokens = 7, kShared = 4;
  // The same place in a batch of the same shape: the same bits.
  const auto first = hidden(model, {{9, 8}, one}), second = hidden(model, {{9, 8}, other});
  for (size_t t = 0; t < 2 + kTokens; ++t) {
    const bool same = std::equal(first.begin() + t * kDim, first.begin() + (t + 1) * kDim,
                                 second.begin() + t * kDim);
    EXPECT_EQ(same, t < 2 + kShared) << "token " << t;
  }
}

TEST_P(SasrecTest, AUsersVectorsDoNotDependOnTheOthersOfTheBatch) {
  const PackedModel model = random_model(7);
  const std::vector<History> histories = ragged(11, 8);
  const auto together = hidden(model, histories);
  std::vector<History> reversed(histories.rbegin(), histories.rend());
  const auto backwards = hidden(model, reversed);
  size_t begin = 0, end = backwards.size();
  for (const History& history : histories) {
    const auto alone = hidden(model, {history});
    end -= alone.size();
    for (size_t i = 0; i < alone.size(); ++i) {
      // Back ends may choose another order of summation for another number of rows.
      ASSERT_NEAR(together[begin + i], alone[i], kHiddenTolerance);
      ASSERT_NEAR(backwards[end + i], alone[i], kHiddenTolerance);
    }
    begin += alone.size();
  }
}

// ---- dropout ------------------------------------------------------------------------------------

TEST_P(SasrecTest, DropsByStep) {
  const PackedModel model = random_model(9);
  const std::vector<History> histories = ragged(6, 10);
  const auto plain = hidden(model, histories);
  const auto dropped = hidden(model, histories, 0.4f, 1);
  EXPECT_EQ(hidden(model, histories, 0.4f, 1), dropped) << "a function of the step";
  EXPECT_NE(hidden(model, histories, 0.4f, 2), dropped);
  size_t equal = 0;
  for (size_t i = 0; i < plain.size(); ++i) equal += plain[i] == dropped[i];
  EXPECT_LT(equal, plain.size() / 20);
}

TEST_P(SasrecTest, BackwardDropsWhatForwardDropped) {
  // The encoder's gradient by the item rows against central differences of the float forward, in
  // training mode with its masks fixed by the step.
  PackedModel model = random_model(11);
  const std::vector<History> histories = {{0, 1, 2, 3}, {4, 5}, {6, 7, 8, 9, 10}};
  constexpr int64_t kTokens = 11;  // every item is looked up once, so rows and look-ups agree
  for (const float rate : {0.0f, 0.3f}) {
    SasrecEncoder made(backend(), kShape, kDropoutKey);
    TrainableSasrecEncoder trainable(backend(), made, OptimizerOptions{}, 5, kTokens);
    SasrecActivations kept(backend(), kShape, kTokens, SasrecActivations::Keep::kAll);
    made.load(model.dense);  // over the random start
    const Batch batch = upload(histories);
    const Tensor<StepState> state = at_step(3);
    const DropoutPass pass{.rate = rate, .state = state};
    const auto weights = Random(12).normals(kTokens * kDim);
    std::vector<float> rows = item_table(model).to_host();
    const auto loss = [&] {
      const Tensor<float> items = tensor(rows, kDim);
      const auto h = download(
          made.forward({items, batch.items}, batch.sequences(), batch.positions, pass, kept));
      double sum = 0.0;
      for (size_t i = 0; i < h.size(); ++i) sum += static_cast<double>(weights[i]) * h[i];
      return sum;
    };
    loss();
    Tensor<float> gradient = tensor(weights, kDim), by_items = poisoned<float>(kTokens, kDim);
    trainable.backward(batch.sequences(), pass, kept, gradient, by_items);
    const auto got = by_items.to_host();
    // The loss sums 132 values of about 1 with float errors of about 1e-6 each: 1e-5; over 2 h =
    // 4e-3 that is 3e-3. Truncation errs by h^2 times a third derivative of up to about 1e3.
    constexpr float kStep = 2e-3f;
    constexpr double kGradientTolerance = 1e-2;
    double magnitude = 0.0;
    int64_t off = 0, compared = 0;
    for (size_t i = 0; i < got.size(); i += 3, ++compared) {
      const float before = rows[i];
      rows[i] = before + kStep;
      const double above = loss();
      rows[i] = before - kStep;
      const double below = loss();
      rows[i] = before;
      const double expected = (above - below) / (2.0 * kStep);
      off += std::abs(got[i] - expected) > kGradientTolerance * (1.0 + std::abs(expected));
      magnitude = std::max(magnitude, std::abs(expected));
    }
    EXPECT_GT(magnitude, 1.0);
    // A difference across the kink of a ReLU is no derivative: a few may be off.
    EXPECT_LE(off, 2) << "of " << compared << " at rate " << rate;
  }
}

// ---- refusals -----------------------------------------------------------------------------------

TEST_P(SasrecTest, ArtifactThatDoesNotFitIsRefused) {
  const PackedModel whole = random_model(13);
  const auto refusal = [&](const PackedModel& model) -> std::string {
    try {
      make_ranker(backend(), model);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal(whole), "");
  for (const auto& [name, array] : whole.dense) {
    PackedModel model = whole;
    model.dense.erase(name);
    EXPECT_NE(refusal(model), "") << "without " << name;
  }
  for (const int32_t heads : {0, 5, -2}) {
    PackedModel model = whole;
    model.dense.at("sasrec.heads") = HostArray(std::vector<int32_t>{heads}, {1});
    EXPECT_NE(refusal(model).find("heads"), std::string::npos) << heads;
  }
  PackedModel model = whole;
  model.tables.clear();
  EXPECT_NE(refusal(model), "");
  model = whole;
  std::erase_if(model.dense, [](const auto& array) { return array.first.starts_with("block.0."); });
  EXPECT_NE(refusal(model).find("block.0"), std::string::npos);
}

TEST(SasrecConfig, HeadsThatDoNotDivideTheDimensionAreRefused) {
  Config config = default_config("sasrec");
  resolve(config);
  validate_backbone(config);
  config.model.heads = 5;
  try {
    validate_backbone(config);
    FAIL() << "was not refused";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("--heads 5 does not divide --dim 64"),
              std::string::npos)
        << error.what();
  }
}

/// Of the paper's tiers over MovieLens-1M's items, with ids and header: the claim about whole files
/// rests on it.
TEST(SasrecFile, TakesAFifthWithInt8LayersAndHalfCentroids) {
  constexpr int64_t kItemsOfMovieLens = 3416;
  const auto backend = make_backend("cpu");
  const ScratchFolder folder;
  const auto file_bytes = [&](const std::string& scheme, DType layers) {
    Config config = default_config("sasrec");
    config.embedding.scheme = scheme;
    if (scheme == "mgqe") {
      config.embedding.centroids = {256, 64};
      config.embedding.tiers = {0.1};
      config.embedding.codebook_type = CodebookType::kF16;
    }
    resolve(config);
    Artifact artifact;
    artifact.model = make_model(*backend, config, {0, kItemsOfMovieLens, 0.0})->pack();
    narrow_dense(artifact.model.dense, layers);
    std::vector<int64_t> ids(kItemsOfMovieLens);
    std::iota(ids.begin(), ids.end(), 1);
    artifact.ids["item"] = OriginalIds{std::move(ids), {}};
    artifact.config = to_json(config);
    return static_cast<double>(write_artifact(folder / scheme, artifact).file_bytes);
  };
  EXPECT_LT(file_bytes("mgqe", DType::kI8), 0.2 * file_bytes("full", DType::kF32));
  EXPECT_GT(file_bytes("mgqe", DType::kF32), 0.3 * file_bytes("full", DType::kF32));
}

MGQE_ON_EVERY_BACKEND(SasrecTest);

}  // namespace
}  // namespace mgqe::testing
