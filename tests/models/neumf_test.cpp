// NeuMF on every back end: ranking against naive loops in double, exact ties, pre-training of its
// halves and their join, artifacts that lack a part.
#include "models/backbones/neumf.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "models/backbones/pair_model.hpp"
#include "tests/support/reference.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

using reference::Matrix;

Matrix wide(const ArrayMap& arrays, const std::string& name) {
  const auto values = arrays.at(name).as<float>();
  return Matrix(values.begin(), values.end());
}

/// NeuMF of a packed model with full tables.
class NaiveNeumf {
 public:
  explicit NaiveNeumf(const PackedModel& model) : dense_(model.dense) {
    for (const char* name : {"gmf.user", "gmf.item", "mlp.user", "mlp.item"})
      tables_[name] = {static_cast<size_t>(model.tables.at(name).dim),
                       wide(model.tables.at(name).arrays, "table")};
  }

  double gmf_part(int64_t user, int64_t item) const {
    const Matrix w = wide(dense_, "gmf.weights");
    const size_t dim = w.size() - 1;
    double logit = w[dim];
    for (size_t c = 0; c < dim; ++c)
      logit += w[c] * at("gmf.user", user, c) * at("gmf.item", item, c);
    return logit;
  }
  double mlp_part(int64_t user, int64_t item) const {
    Matrix x;
    for (size_t c = 0; c < tables_.at("mlp.user").dim; ++c) x.push_back(at("mlp.user", user, c));
    for (size_t c = 0; c < tables_.at("mlp.item").dim; ++c) x.push_back(at("mlp.item", item, c));
    for (const char* layer : {"mlp.0", "mlp.1", "mlp.2"}) x = relu_layer(x, layer);
    const Matrix v = wide(dense_, "mlp.output");
    double logit = 0.0;
    for (size_t c = 0; c < v.size(); ++c) logit += v[c] * x[c];
    return logit;
  }
  double score(int64_t user, int64_t item) const {
    return gmf_part(user, item) + mlp_part(user, item);
  }

 private:
  struct Table {
    size_t dim;
    Matrix values;
  };

  double at(const char* name, int64_t row, size_t c) const {
    const Table& table = tables_.at(name);
    return table.values[static_cast<size_t>(row) * table.dim + c];
  }
  Matrix relu_layer(const Matrix& x, const std::string& name) const {
    const Matrix w = wide(dense_, name + ".weights");
    Matrix y = wide(dense_, name + ".bias");
    const size_t outputs = y.size();
    for (size_t o = 0; o < outputs; ++o) {
      for (size_t i = 0; i < x.size(); ++i) y[o] += x[i] * w[i * outputs + o];
      y[o] = std::max(y[o], 0.0);
    }
    return y;
  }

  ArrayMap dense_;
  std::map<std::string, Table> tables_;
};

class NeumfTest : public OnEveryBackend {
 protected:
  static constexpr int64_t kDim = 8;
  // Scores are sums of magnitude about 2 over 2d, d, d/2 and d/4 terms, one layer after another.
  const double kScoreTolerance = 2.0 * sum_tolerance(2 * kDim + kDim + kDim / 2 + kDim / 4);

  Config config(int pretrain_epochs = 0) const {
    Config config = default_config("neumf");
    config.embedding.scheme = "full";
    config.embedding.dim = kDim;
    config.model.pretrain_epochs = pretrain_epochs;
    config.train.batch = 32;
    config.train.lr = 0.02;
    resolve(config);
    return config;
  }
  /// With arrays large enough for every layer to matter.
  std::unique_ptr<Model> random_model(const Config& config, const Catalogue& catalogue,
                                      uint64_t seed) {
    auto model = make_model(backend(), config, catalogue);
    Random random(seed);
    model->visit([&](const std::string& name, Tensor<float>& tensor) {
      if (!name.ends_with(".adam_first") && !name.ends_with(".adam_second"))
        tensor.assign(random.normals(tensor.size(), 0.5f));
    });
    return model;
  }

  struct Counts {
    std::vector<int32_t> sampled_greater, sampled_ties, full_greater, full_ties;
    bool operator==(const Counts&) const = default;
  };
  Counts rank(const PackedModel& model, const std::vector<int32_t>& users,
              const std::vector<int32_t>& positives, const std::vector<int32_t>& candidates,
              const std::vector<std::set<int32_t>>& excluded) {
    std::vector<int64_t> offsets = {0};
    std::vector<int32_t> items;
    for (const auto& of_user : excluded) {
      items.insert(items.end(), of_user.begin(), of_user.end());
      offsets.push_back(static_cast<int64_t>(items.size()));
    }
    const auto count = static_cast<int64_t>(users.size());
    const Tensor<int32_t> u = tensor(users), p = tensor(positives), e = tensor(items),
                          c = tensor(candidates, static_cast<int64_t>(candidates.size()) / count);
    const Tensor<int64_t> o = tensor(offsets);
    Tensor<int32_t> sg = poisoned<int32_t>(count), st = poisoned<int32_t>(count),
                    fg = poisoned<int32_t>(count), ft = poisoned<int32_t>(count);
    const auto ranker = make_ranker(backend(), model);
    EXPECT_GE(ranker->max_users(), count);
    ranker->rank({u, p, c, {o.view(), e.view()}, {}}, {sg, st}, {fg, ft});
    return {sg.to_host(), st.to_host(), fg.to_host(), ft.to_host()};
  }

  std::map<std::string, std::vector<float>> arrays(Model& model) const {
    std::map<std::string, std::vector<float>> arrays;
    model.visit(
        [&](const std::string& name, Tensor<float>& tensor) { arrays[name] = tensor.to_host(); });
    return arrays;
  }

  /// Steps of the given epoch on fixed random pairs; returns the first step's summed loss.
  double train(Model& model, const Config& config, int epoch, int steps) {
    Random random(static_cast<uint64_t>(epoch));
    model.begin_epoch(epoch);
    Tensor<StepState> state(backend(), 1);
    Tensor<double> loss(backend(), 1);
    double first_loss = 0.0;
    for (int step = 0; step < steps; ++step) {
      const Tensor<int32_t> users = tensor(random.integers<int32_t>(20, 0, kUsers - 1)),
                            items = tensor(random.integers<int32_t>(20, 0, kItems - 1));
      const Tensor<float> labels = tensor(random.integers<float>(20, 0, 1));
      backend().begin_step(state, optimizer_options(config.train).adam);
      const Batch batch{.pairs = {users, items, labels}, .tokens = {}, .examples = 20};
      model.prepare(backend(), batch);
      model.train_step(batch, state, loss);
      if (step == 0) first_loss = loss.to_host()[0];
    }
    return first_loss;
  }
  static constexpr int kUsers = 13, kItems = 17;

  void expect_ties(int64_t items) {
    constexpr int64_t kKinds = 5, kFewUsers = 3;
    const auto kind = [](int64_t item) { return (item * item + item / 4096) % 11 % kKinds; };
    PackedModel model = random_model(config(), {kFewUsers, items, 0.0}, 5)->pack();
    for (const char* name : {"gmf.item", "mlp.item"}) {
      const HostArray& table = model.tables.at(name).arrays.at("table");
      std::vector<float> rows(table.as<float>().begin(), table.as<float>().end());
      for (int64_t item = kKinds; item < items; ++item)
        std::copy_n(&rows[kind(item) * kDim], kDim, &rows[item * kDim]);
      model.tables.at(name).arrays.at("table") = HostArray(rows, {items, kDim});
    }
    const NaiveNeumf naive(model);
    const auto kind_of_row = [&](int64_t item) { return item < kKinds ? item : kind(item); };
    std::vector<int32_t> of_kind(kKinds, 0);
    for (int64_t item = 0; item < items; ++item) ++of_kind[kind_of_row(item)];

    for (const int32_t positive : {0, 1, 2, 3, 4, 1023, 4095, 4096}) {
      const std::vector<int32_t> users = {0, 1, 2}, positives(kFewUsers, positive);
      // Some of each kind, from both chunks.
      std::vector<int32_t> some = {5, 6, 17, 1000, 4094, 4095, 4096, 4093, 9};
      std::replace(some.begin(), some.end(), positive, -1);  // never its own candidate
      std::vector<int32_t> candidates;
      for (int64_t m = 0; m < kFewUsers; ++m)
        candidates.insert(candidates.end(), some.begin(), some.end());
      const Counts counts =
          rank(model, users, positives, candidates, std::vector<std::set<int32_t>>(kFewUsers));
      for (int64_t m = 0; m < kFewUsers; ++m) {
        int32_t greater = 0;
        for (int64_t k = 0; k < kKinds; ++k) {
          if (k == kind_of_row(positive)) continue;
          const double difference = naive.score(m, k) - naive.score(m, positive);
          ASSERT_GT(std::abs(difference), kScoreTolerance) << "kinds are to differ";
          if (difference > 0.0) greater += of_kind[k];
        }
        EXPECT_EQ(counts.full_ties[m], of_kind[kind_of_row(positive)] - 1) << positive;
        EXPECT_EQ(counts.full_greater[m], greater) << positive;
        int32_t sampled_ties = 0;
        for (const int32_t item : some)
          sampled_ties += item >= 0 && kind_of_row(item) == kind_of_row(positive);
        EXPECT_EQ(counts.sampled_ties[m], sampled_ties) << positive;
      }
    }
  }

  void expect_naive_ranks(const Config& config) {
    constexpr int64_t kManyUsers = 40, kManyItems = 300;
    constexpr int kCandidates = 30;
    const PackedModel model = random_model(config, {kManyUsers, kManyItems, 0.0}, 3)->pack();
    const NaiveNeumf naive(model);
    Random random(4);
    std::vector<int32_t> users(kManyUsers);
    for (int32_t m = 0; m < kManyUsers; ++m) users[m] = (m * 7 + 3) % kManyUsers;
    const auto positives = random.integers<int32_t>(kManyUsers, 0, kManyItems - 1);
    auto candidates = random.integers<int32_t>(kManyUsers * kCandidates, -1, kManyItems - 1);
    for (int k = 0; k < kCandidates; ++k) candidates[kCandidates + k] = -1;  // a user without any
    for (int i = 0; i < kManyUsers * kCandidates; ++i)  // the positive is never its own candidate
      if (candidates[i] == positives[i / kCandidates]) candidates[i] = -1;
    std::vector<std::set<int32_t>> excluded(kManyUsers);
    for (int64_t m = 1; m < kManyUsers; ++m)
      for (const int32_t item : random.integers<int32_t>(m, 0, kManyItems - 1))
        excluded[m].insert(item);
    const Counts counts = rank(model, users, positives, candidates, excluded);

    int64_t undecided = 0;
    for (int64_t m = 0; m < kManyUsers; ++m) {
      const double positive = naive.score(users[m], positives[m]);
      const auto bounds = [&](const auto& items, int32_t greater, int32_t ties) {
        int32_t surely = 0, perhaps = 0;
        for (const int32_t item : items) {
          if (item < 0 || item == positives[m]) continue;
          const double score = naive.score(users[m], item);
          surely += score > positive + kScoreTolerance;
          perhaps += score > positive - kScoreTolerance;
        }
        undecided += perhaps - surely;
        EXPECT_GE(greater, surely) << "user " << m;
        EXPECT_LE(greater + ties, perhaps) << "user " << m;
      };
      bounds(std::vector<int32_t>(candidates.begin() + m * kCandidates,
                                  candidates.begin() + (m + 1) * kCandidates),
             counts.sampled_greater[m], counts.sampled_ties[m]);
      std::vector<int32_t> all;
      for (int32_t item = 0; item < kManyItems; ++item)
        if (!excluded[m].contains(item)) all.push_back(item);
      bounds(all, counts.full_greater[m], counts.full_ties[m]);
    }
    EXPECT_LT(undecided, 20) << "the comparison says little";
  }
};

bool of_gmf(const std::string& name) { return name.starts_with("gmf."); }

// ---- ranking ------------------------------------------------------------------------------------

TEST_P(NeumfTest, RanksAsNaiveScoresDo) {
  expect_naive_ranks(config());
  for (const int64_t mlp_dim : {4, 13}) {  // a narrower and a wider perceptron
    Config own_width = config();
    own_width.model.mlp_dim = mlp_dim;
    expect_naive_ranks(own_width);
  }
}

TEST_P(NeumfTest, EqualItemsTieExactlyWhereverTheyStand) {
  // Five different rows again and again, over more than a chunk of 4096 items; the last chunk is of
  // 1 or of 300.
  expect_ties(4096 + 1);
  expect_ties(4096 + 300);
}

TEST_P(NeumfTest, ItemsOfEqualCodesTie) {
  Config quantized = config();
  quantized.embedding.scheme = "dpq_vq";
  quantized.embedding.subspaces = {1};
  quantized.embedding.centroids = {1};  // one centroid: every item has the codes of every other
  constexpr int64_t kManyItems = 4500;
  const PackedModel model = random_model(quantized, {2, kManyItems, 0.0}, 6)->pack();
  const Counts counts = rank(model, {0, 1}, {17, 4400}, {5, 4499, 5, 4499}, {{3, 4}, {}});
  EXPECT_EQ(counts.full_greater, (std::vector<int32_t>{0, 0}));
  EXPECT_EQ(counts.full_ties, (std::vector<int32_t>{kManyItems - 3, kManyItems - 1}));
  EXPECT_EQ(counts.sampled_ties, (std::vector<int32_t>{2, 2}));
}

// ---- pre-training -------------------------------------------------------------------------------

TEST_P(NeumfTest, HalvesPretrainApart) {
  // Four models: both halves from one of two starts each. A half's end depends on its own start.
  const Config pretrained = config(2);
  const Catalogue catalogue{kUsers, kItems, 0.0};
  const auto end = [&](uint64_t gmf_seed, uint64_t mlp_seed) {
    const auto model = random_model(pretrained, catalogue, gmf_seed);
    const auto other = random_model(pretrained, catalogue, mlp_seed);
    const auto start = arrays(*other);
    model->visit([&](const std::string& name, Tensor<float>& tensor) {
      if (!of_gmf(name)) tensor.assign(start.at(name));
    });
    const auto before = arrays(*model);
    train(*model, pretrained, 1, 10);
    const auto after = arrays(*model);
    for (const auto& [name, values] : after) EXPECT_NE(values, before.at(name)) << name;
    return after;
  };
  const auto base = end(1, 1), other_gmf = end(2, 1), other_mlp = end(1, 2);
  for (const auto& [name, values] : base) {
    EXPECT_EQ(other_mlp.at(name) == values, of_gmf(name)) << name;
    EXPECT_EQ(other_gmf.at(name) == values, !of_gmf(name)) << name;
  }
}

TEST_P(NeumfTest, GmfHalfPretrainsAsGmfAlone) {
  const Config pretrained = config(2);
  Config alone = config();
  alone.model.name = "gmf";
  const Catalogue catalogue{kUsers, kItems, 0.0};
  const auto neumf = random_model(pretrained, catalogue, 1);
  const auto gmf = make_model(backend(), alone, catalogue);
  const auto in_neumf = [](const std::string& name) {
    return of_gmf(name) ? name : "gmf." + name;  // gmf.user.table is user.table there
  };
  const auto start = arrays(*neumf);
  gmf->visit([&](const std::string& name, Tensor<float>& tensor) {
    tensor.assign(start.at(in_neumf(name)));
  });
  train(*neumf, pretrained, 1, 10);
  train(*gmf, alone, 1, 10);
  const auto end = arrays(*neumf);
  for (const auto& [name, values] : arrays(*gmf)) EXPECT_EQ(values, end.at(in_neumf(name))) << name;
}

TEST_P(NeumfTest, PretrainingLossIsTheSumOfBothHalves) {
  const Config pretrained = config(1);
  const auto model = random_model(pretrained, {kUsers, kItems, 0.0}, 8);
  const NaiveNeumf naive(model->pack());  // no epoch begun: the arrays as they are
  const double mlp_bias = arrays(*model).at("mlp.pretrain_bias")[0];
  const double loss = train(*model, pretrained, 1, 1);
  Random random(1);  // as in train()
  const auto users = random.integers<int32_t>(20, 0, kUsers - 1),
             items = random.integers<int32_t>(20, 0, kItems - 1);
  const auto labels = random.integers<float>(20, 0, 1);
  double expected = 0.0;
  for (size_t b = 0; b < labels.size(); ++b) {
    const auto bce = [&](double z) { return std::log1p(std::exp(-z)) + (1.0 - labels[b]) * z; };
    expected += bce(naive.gmf_part(users[b], items[b])) +
                bce(naive.mlp_part(users[b], items[b]) + mlp_bias);
  }
  EXPECT_NEAR(loss, expected, 40 * kScoreTolerance);
}

TEST_P(NeumfTest, JoinHalvesPredictionLayersAndServesTheSameBefore) {
  const Config pretrained = config(2);
  const auto model = random_model(pretrained, {kUsers, kItems, 0.0}, 9);
  train(*model, pretrained, 1, 5);
  train(*model, pretrained, 2, 5);
  const PackedModel before = model->pack();
  const auto apart = arrays(*model);
  model->begin_epoch(3);
  const PackedModel after = model->pack();
  const auto joined = arrays(*model);

  ASSERT_NE(apart.at("mlp.pretrain_bias")[0], 0.0f);
  std::vector<float> gmf = apart.at("gmf.weights"), mlp = apart.at("mlp.output");
  gmf.back() += apart.at("mlp.pretrain_bias")[0];
  for (float& w : gmf) w *= 0.5f;
  for (float& w : mlp) w *= 0.5f;
  for (const auto& [name, values] : apart) {
    const auto& expected = name == "gmf.weights" ? gmf : name == "mlp.output" ? mlp : values;
    EXPECT_EQ(joined.at(name), expected) << name;
  }
  ASSERT_EQ(before.dense.size(), after.dense.size());
  EXPECT_FALSE(before.dense.contains("mlp.pretrain_bias"));
  for (const auto& [name, array] : after.dense) {
    EXPECT_EQ(before.dense.at(name).shape, array.shape) << name;
    EXPECT_EQ(before.dense.at(name).bytes, array.bytes) << name;
  }
  // Scores before are those after: the mean of the halves' logits.
  PackedModel halves = before;
  halves.dense.at("gmf.weights") = HostArray(apart.at("gmf.weights"), {kDim + 1});
  halves.dense.at("mlp.output") =
      HostArray(apart.at("mlp.output"), {static_cast<int64_t>(mlp.size())});
  const NaiveNeumf raw(halves), served(after);
  for (int64_t item = 0; item < kItems; ++item)
    EXPECT_NEAR(
        served.score(3, item),
        0.5 * (raw.gmf_part(3, item) + raw.mlp_part(3, item) + apart.at("mlp.pretrain_bias")[0]),
        kScoreTolerance);
  std::vector<int32_t> users, positives;
  for (int32_t m = 0; m < kUsers; ++m) {
    users.push_back(m);
    positives.push_back(m);
  }
  const std::vector<int32_t> candidates(kUsers * 4, 5);
  const std::vector<std::set<int32_t>> none(kUsers);
  EXPECT_EQ(rank(before, users, positives, candidates, none),
            rank(after, users, positives, candidates, none));

  // From here on one prediction layer learns, and the spare bias rests.
  train(*model, pretrained, 3, 1);
  const auto trained = arrays(*model);
  for (const auto& [name, values] : joined)
    EXPECT_EQ(trained.at(name) == values, name.starts_with("mlp.pretrain_bias")) << name;
}

// ---- artifacts ----------------------------------------------------------------------------------

TEST_P(NeumfTest, ArtifactThatLacksAPartIsRefused) {
  const PackedModel whole = random_model(config(), {kUsers, kItems, 0.0}, 10)->pack();
  const auto refusal = [&](const PackedModel& model) -> std::string {
    try {
      make_ranker(backend(), model);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal(whole), "");
  EXPECT_EQ(whole.dense.size(), 8u);
  for (const auto& [name, array] : whole.dense) {
    PackedModel model = whole;
    model.dense.erase(name);
    EXPECT_NE(refusal(model).find(name), std::string::npos) << name << ": " << refusal(model);
    model.dense[name] = HostArray(std::vector<float>(3, 0.0f), {3});
    EXPECT_NE(refusal(model), "") << name << " of another shape";
  }
  for (const auto& [name, table] : whole.tables) {
    PackedModel model = whole;
    model.tables.erase(name);
    EXPECT_NE(refusal(model).find(name), std::string::npos) << name << ": " << refusal(model);
  }
}

MGQE_ON_EVERY_BACKEND(NeumfTest);

}  // namespace
}  // namespace mgqe::testing
