// Row rules and SGD on every back end over many steps against loops in double written from the
// formulas of PyTorch and FBGEMM, and what an optimizer of a run allocates and moves.
#include <cmath>
#include <map>

#include "models/backbones/model.hpp"
#include "tests/support/reference.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

using reference::Matrix;

constexpr int kTableRows = 40;
constexpr int kSteps = 8;

/// The formulas, a row at a time, in double.
struct Reference {
  AdamOptions options;
  Matrix table, first, second, square_sums;
  int d, step = 0;

  Reference(const AdamOptions& options, const std::vector<float>& start, int d)
      : options(options),
        table(reference::widen(start)),
        first(table.size(), 0.0),
        second(table.size(), 0.0),
        square_sums(kTableRows, 0.0),
        d(d) {}

  /// torch.optim.SparseAdam; l2 as torch's weight_decay.
  void sparse_adam(int row, const double* g) {
    const double bias1 = 1.0 - std::pow(options.beta1, step);
    const double bias2 = 1.0 - std::pow(options.beta2, step);
    for (int i = row * d; i < (row + 1) * d; ++i) {
      const double gi = g[i - row * d] + options.l2 * table[i];
      first[i] = options.beta1 * first[i] + (1.0 - options.beta1) * gi;
      second[i] = options.beta2 * second[i] + (1.0 - options.beta2) * gi * gi;
      table[i] -= options.learning_rate * std::sqrt(bias2) / bias1 * first[i] /
                  (std::sqrt(second[i]) + options.epsilon);
    }
  }
  /// FBGEMM's rowwise_adagrad with L2 weight decay.
  void rowwise_adagrad(int row, const double* g) {
    double sum = 0.0;
    for (int c = 0; c < d; ++c) {
      const double gc = g[c] + options.l2 * table[row * d + c];
      sum += gc * gc;
    }
    square_sums[row] += sum / d;
    const double rate = options.learning_rate / (std::sqrt(square_sums[row]) + options.epsilon);
    for (int c = 0; c < d; ++c)
      table[row * d + c] -= rate * (g[c] + options.l2 * table[row * d + c]);
  }
  /// torch.optim.SGD.
  void sgd(int row, const double* g) {
    for (int c = 0; c < d; ++c)
      table[row * d + c] -= options.learning_rate * (g[c] + options.l2 * table[row * d + c]);
  }
  void update(RowRule rule, const std::vector<int32_t>& ids, const std::vector<float>& gradient) {
    ++step;
    std::map<int32_t, std::vector<double>> sums;
    for (size_t b = 0; b < ids.size(); ++b) {
      std::vector<double>& sum = sums.try_emplace(ids[b], d, 0.0).first->second;
      for (int c = 0; c < d; ++c) sum[c] += gradient[b * d + c];
    }
    for (const auto& [row, sum] : sums) {
      if (rule == RowRule::kSparseAdam) sparse_adam(row, sum.data());
      if (rule == RowRule::kRowwiseAdagrad) rowwise_adagrad(row, sum.data());
      if (rule == RowRule::kSgd) sgd(row, sum.data());
    }
  }
};

/// Gradients whose sums are exact in float: a sum near 0 would come out with a large relative
/// error, which Adam's ratio shows. The l2 below is a power of two for the same reason.
std::vector<float> draw_gradient(int64_t n, Random& random) {
  std::vector<float> gradient = random.integers<float>(n, -16, 16);
  for (float& g : gradient) g /= 128.0f;
  return gradient;
}

std::vector<int32_t> draw_ids(const std::string& kind, int lookups, Random& random) {
  if (kind == "one id") return std::vector<int32_t>(static_cast<size_t>(lookups), 7);
  std::vector<int32_t> ids = random.integers<int32_t>(lookups, 0, kTableRows - 1);
  if (kind == "distinct")
    for (int b = 0; b < lookups; ++b) ids[b] = (ids[0] + b) % kTableRows;
  if (kind == "skewed")
    for (int32_t& id : ids) id = id * id / kTableRows;
  return ids;
}

class Optimizers : public OnEveryBackend {
 protected:
  void follow(RowRule rule, const std::string& kind, int lookups, int d) {
    const AdamOptions options{0.05, 0.9, 0.999, 1e-8, 0.03125};
    Random random(static_cast<uint64_t>(lookups * 1000 + d));
    const auto start = random.normals(kTableRows * d);
    Reference expected(options, start, d);
    Tensor<float> table = tensor(start, d), first(backend(), kTableRows, d),
                  second(backend(), kTableRows, d), square_sums(backend(), kTableRows);
    Tensor<StepState> state(backend(), 1);
    UniqueBuffer unique(backend(), lookups);
    for (int t = 0; t < kSteps; ++t) {
      const auto ids = draw_ids(kind, lookups, random);
      const auto gradient = draw_gradient(static_cast<int64_t>(lookups) * d, random);
      backend().begin_step(state, options);
      const Tensor<int32_t> batch = tensor(ids);
      backend().update_rows(table, unique.deduplicate(batch, kTableRows), tensor(gradient, d),
                            {rule, options, {first, second}, square_sums}, state);
      expected.update(rule, ids, gradient);
    }
    // Values stay below 8, so a step rounds one by at most 5e-7. Adam's and Adagrad's step is 0.05
    // times a ratio near 1, SGD's 0.05 times a sum of B terms of 0.07: with a dozen roundings.
    const double move = rule == RowRule::kSgd ? 0.05 * 0.07 * std::sqrt(lookups) : 0.05;
    const double tolerance = kSteps * (move * 12 * 6e-8 + 5e-7);
    const auto got = table.to_host();
    for (size_t i = 0; i < got.size(); ++i)
      ASSERT_NEAR(got[i], expected.table[i], tolerance)
          << kind << ", B " << lookups << ", d " << d << ", row " << i / d << ", column " << i % d;
    if (rule != RowRule::kRowwiseAdagrad) return;
    const auto sums = square_sums.to_host();
    for (int r = 0; r < kTableRows; ++r)
      ASSERT_NEAR(sums[r], expected.square_sums[r], 1e-5 * (expected.square_sums[r] + 1e-3)) << r;
  }
  void follow(RowRule rule) {
    for (const char* kind : {"distinct", "one id", "skewed"})
      for (const int lookups : {1, 2, 39, 700, 1501}) {  // past 512, chunks and a carry on a GPU
        if (std::string(kind) == "distinct" && lookups > kTableRows) continue;
        for (const int d : {1, 3, 64, 100, 130}) follow(rule, kind, lookups, d);
      }
  }
};

TEST_P(Optimizers, SparseAdamFollowsItsFormula) { follow(RowRule::kSparseAdam); }
TEST_P(Optimizers, RowwiseAdagradFollowsItsFormula) { follow(RowRule::kRowwiseAdagrad); }
TEST_P(Optimizers, SgdFollowsItsFormula) { follow(RowRule::kSgd); }

TEST_P(Optimizers, DenseSgdFollowsItsFormula) {
  Random random(5);
  const auto start = random.normals(1000), gradient = random.normals(1000);
  Tensor<float> parameter = tensor(start);
  const Tensor<StepState> state(backend(), 1);
  backend().sgd(parameter, tensor(gradient), 0.1, 0.25, state);
  const auto got = parameter.to_host();
  for (int i = 0; i < 1000; ++i)
    EXPECT_NEAR(got[i], start[i] - 0.1 * (gradient[i] + 0.25 * double{start[i]}), 1e-6) << i;
}

/// Arrays that step together step as each of them alone, to the bit.
TEST_P(Optimizers, DenseArraysStepTogether) {
  const std::vector<int64_t> sizes = {1, 64, 5000, 1023, 1024, 1025};
  const AdamOptions options{0.05, 0.9, 0.98, 1e-8, 0.01};
  for (const size_t count : {size_t{1}, size_t{5}, size_t{40}}) {  // a GPU's launch takes 32
    Random random(count);
    std::vector<Tensor<float>> arrays[2], first[2], second[2], gradients;
    std::vector<DenseArray> together;
    for (size_t a = 0; a < count; ++a) {
      const auto start = random.normals(sizes[a % sizes.size()]);
      gradients.push_back(tensor(random.normals(static_cast<int64_t>(start.size()))));
      for (const int which : {0, 1}) {
        arrays[which].push_back(tensor(start));
        first[which].emplace_back(backend(), static_cast<int64_t>(start.size()));
        second[which].emplace_back(backend(), static_cast<int64_t>(start.size()));
      }
    }
    Tensor<StepState> state(backend(), 1);
    for (size_t a = 0; a < count; ++a)
      together.push_back({arrays[0][a], gradients[a], {first[0][a], second[0][a]}});
    for (int step = 0; step < 2; ++step) {
      backend().begin_step(state, options);
      backend().adam_each(together, options, state);
      for (size_t a = 0; a < count; ++a)
        backend().adam(arrays[1][a], gradients[a], {first[1][a], second[1][a]}, options, state);
    }
    backend().sgd_each(together, 0.1, 0.25, state);
    for (size_t a = 0; a < count; ++a) {
      backend().sgd(arrays[1][a], gradients[a], 0.1, 0.25, state);
      EXPECT_EQ(arrays[0][a].to_host(), arrays[1][a].to_host()) << a << " of " << count;
      EXPECT_EQ(second[0][a].to_host(), second[1][a].to_host()) << a << " of " << count;
    }
  }
}

/// torch.optim.Adam, for shapes that threads split by rows, by columns, or not at all.
TEST_P(Optimizers, DenseAdamFollowsItsFormula) {
  AdamOptions options;
  options.learning_rate = 0.1;
  for (const auto& [rows, cols] :
       std::vector<std::pair<int, int>>{{5, 3}, {256, 64}, {200, 48}, {300, 64}, {9000, 1}}) {
    Random random(8);
    const int n = rows * cols;
    const auto start = random.normals(n);
    Tensor<float> x = tensor(start, cols), first(backend(), rows, cols),
                  second(backend(), rows, cols);
    Tensor<StepState> state(backend(), 1);
    std::vector<double> expected = reference::widen(start), m(n, 0.0), v(n, 0.0);
    for (int step = 1; step <= 3; ++step) {
      const auto gradient = random.normals(n);
      backend().begin_step(state, options);
      backend().adam(x, tensor(gradient, cols), {first, second}, options, state);
      for (int i = 0; i < n; ++i) {
        m[i] = options.beta1 * m[i] + (1.0 - options.beta1) * gradient[i];
        v[i] = options.beta2 * v[i] + (1.0 - options.beta2) * gradient[i] * gradient[i];
        expected[i] -= options.learning_rate / (1.0 - std::pow(options.beta1, step)) * m[i] /
                       (std::sqrt(v[i] / (1.0 - std::pow(options.beta2, step))) + options.epsilon);
      }
    }
    const auto got = x.to_host();
    for (int i = 0; i < n; ++i) ASSERT_NEAR(got[i], expected[i], 4e-6) << rows << " " << i;
  }
}

TEST_P(Optimizers, NoLookupsChangeNothing) {
  const Tensor<int32_t> none = tensor<int32_t>({});
  Tensor<float> table = tensor(std::vector<float>(kTableRows * 4, 2.0f), 4);
  UniqueBuffer unique(backend(), 0);
  backend().update_rows(table, unique.deduplicate(none, kTableRows), Tensor<float>(backend(), 0, 4),
                        {RowRule::kSgd, {}, {}, {}}, {});
  EXPECT_EQ(table.to_host(), std::vector<float>(kTableRows * 4, 2.0f));
}

TEST_P(Optimizers, StateOfAnotherShapeIsRefused) {
  Tensor<float> table(backend(), kTableRows, 4), moment(backend(), kTableRows, 4);
  const Tensor<int32_t> ids = tensor<int32_t>({1});
  UniqueBuffer buffer(backend(), 1);
  const UniqueIds unique = buffer.deduplicate(ids, kTableRows);
  const Tensor<float> gradient(backend(), 1, 4);
  EXPECT_THROW(backend().update_rows(table, unique, gradient,
                                     {RowRule::kSparseAdam, {}, {moment, {}}, {}}, {}),
               Error);
  EXPECT_THROW(backend().update_rows(table, unique, gradient,
                                     {RowRule::kRowwiseAdagrad, {}, {moment, moment}, moment}, {}),
               Error);
}

// ---- of a run -----------------------------------------------------------------------------------

Config small_config(Optimizer optimizer) {
  Config config;
  config.embedding.scheme = "mgqe";
  config.embedding.dim = 8;
  config.embedding.subspaces = {4};
  config.embedding.centroids = {16};
  config.embedding.tiers = {};
  config.train.batch = 64;
  config.train.optimizer = optimizer;
  resolve(config);
  validate(config);
  return config;
}

/// Every array of a model by name, with its shape's size.
std::map<std::string, std::vector<float>> arrays_of(Model& model) {
  std::map<std::string, std::vector<float>> arrays;
  model.visit(
      [&](const std::string& name, Tensor<float>& tensor) { arrays[name] = tensor.to_host(); });
  return arrays;
}

TEST_P(Optimizers, ARunKeepsTheStateItsOptimizerHas) {
  const std::map<Optimizer, std::vector<std::string>> table_state = {
      {Optimizer::kSparseAdam, {".adam_first", ".adam_second"}},
      {Optimizer::kAdam, {".adam_first", ".adam_second"}},
      {Optimizer::kRowwiseAdagrad, {".adagrad"}},
      {Optimizer::kSgd, {}}};
  for (const auto& [optimizer, state] : table_state) {
    const auto model = make_model(backend(), small_config(optimizer), {30, 50, 0.0});
    const auto arrays = arrays_of(*model);
    size_t expected = 0;
    for (const auto& [name, values] : arrays) {
      if (name.find(".ad") != std::string::npos) continue;
      const bool is_table = name.ends_with(".queries");
      const std::vector<std::string> dense_state = optimizer == Optimizer::kSgd
                                                       ? std::vector<std::string>()
                                                       : table_state.at(Optimizer::kAdam);
      for (const std::string& suffix : is_table ? state : dense_state) {
        ASSERT_TRUE(arrays.contains(name + suffix))
            << name_of(optimizer) << " lacks " << name << suffix;
        EXPECT_EQ(arrays.at(name + suffix).size(),
                  suffix == ".adagrad" ? values.size() / 8 : values.size())
            << name << suffix;
      }
      expected += 1 + (is_table ? state : dense_state).size();
    }
    EXPECT_EQ(arrays.size(), expected) << name_of(optimizer) << " keeps what it does not use";
  }
}

/// The largest move of a value of array `name` over one step on pairs of ids 0 .. 63, of whose rate
/// so much is cut.
double move_of(Backend& backend, const Config& config, const std::string& name,
               float rate_cut = 0.0f) {
  const auto model = make_model(backend, config, {64, 64, 0.0});
  const auto before = arrays_of(*model).at(name);
  std::vector<int32_t> ids(64);
  for (int32_t b = 0; b < 64; ++b) ids[b] = b;
  const Tensor<int32_t> all(backend, std::span<const int32_t>(ids));
  const std::vector<float> ones(64, 1.0f);
  const Tensor<float> labels(backend, std::span<const float>(ones));
  StepState first{};
  first.rate_cut = rate_cut;
  const Tensor<StepState> state(backend, std::span(&first, 1));
  Tensor<double> loss(backend, 1);
  backend.begin_step(state, optimizer_options(config.train).adam);
  const Batch batch{.pairs = {all, all, labels}, .tokens = {}, .examples = 64};
  model->prepare(backend, batch);
  model->train_step(batch, state, loss);
  const auto after = arrays_of(*model).at(name);
  double move = 0.0;
  for (size_t i = 0; i < before.size(); ++i)
    move = std::max(move, std::abs(double{after[i]} - before[i]));
  return move;
}

TEST_P(Optimizers, TableRateMovesRowsAlone) {
  for (const Optimizer optimizer :
       {Optimizer::kSparseAdam, Optimizer::kAdam, Optimizer::kRowwiseAdagrad, Optimizer::kSgd}) {
    Config config = small_config(optimizer);
    config.train.lr = 1e-3;
    const double rows = move_of(backend(), config, "item.queries");
    const double codebook = move_of(backend(), config, "item.codebook");
    config.train.table_lr = 1e-2;
    ASSERT_GT(rows, 0.0) << name_of(optimizer);
    // Moves are differences of values of about 0.02, each rounded to 2e-9.
    EXPECT_NEAR(move_of(backend(), config, "item.queries"), 10 * rows, 0.001 * 10 * rows + 2e-8)
        << name_of(optimizer);
    EXPECT_EQ(move_of(backend(), config, "item.codebook"), codebook) << name_of(optimizer);
  }
}

/// What is cut of the rate is missing from every move: of rows, of a codebook and of weights.
TEST_P(Optimizers, RatesAreCutAlike) {
  for (const Optimizer optimizer :
       {Optimizer::kSparseAdam, Optimizer::kAdam, Optimizer::kRowwiseAdagrad, Optimizer::kSgd}) {
    Config config = small_config(optimizer);
    for (const char* name : {"item.queries", "item.codebook", "gmf.weights"}) {
      const double whole = move_of(backend(), config, name);
      ASSERT_GT(whole, 0.0) << name_of(optimizer) << ", " << name;
      // As above.
      EXPECT_NEAR(move_of(backend(), config, name, 0.75f), 0.25 * whole, 0.001 * whole + 2e-8)
          << name_of(optimizer) << ", " << name;
    }
  }
}

MGQE_ON_EVERY_BACKEND(Optimizers);

}  // namespace
}  // namespace mgqe::testing
