// Rows stored in bfloat16: the conversions against rounding in double, and a table whose batches
// are widened, updated in f32 and rounded at random against the same done on the host.
#include "host/base/bfloat16.hpp"

#include <bit>
#include <cmath>
#include <limits>

#include "models/backbones/model.hpp"
#include "models/features/placement.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

Bfloat16 bfloat(int bits) { return {static_cast<uint16_t>(bits)}; }
bool is_nan(int bits) { return (bits & 0x7FFF) > 0x7F80; }

TEST(Bfloat16, EveryOneIsAFloatAndComesBack) {
  for (int bits = 0; bits < 65536; ++bits) {
    const float x = to_float(bfloat(bits));
    ASSERT_EQ(std::isnan(x), is_nan(bits)) << bits;
    if (is_nan(bits)) {
      EXPECT_TRUE(std::isnan(to_float(to_bfloat16(x)))) << bits;
      continue;
    }
    ASSERT_EQ(to_bfloat16(x).bits, bits);
    for (const int random : {0, 1, 65535})  // nothing to round
      ASSERT_EQ(to_bfloat16_stochastic(x, static_cast<uint16_t>(random)).bits, bits);
  }
}

TEST(Bfloat16, RoundsToNearestAndTiesToEven) {
  for (int low = 0; low < 0x7F7F; ++low) {
    const int high = low + 1, even = low % 2 == 0 ? low : high;
    const auto middle = static_cast<float>(
        (double{to_float(bfloat(low))} + double{to_float(bfloat(high))}) / 2);  // exact
    for (const int sign : {0, 0x8000}) {
      const float s = sign == 0 ? 1.0f : -1.0f;
      ASSERT_EQ(to_bfloat16(s * middle).bits, sign | even) << low;
      ASSERT_EQ(to_bfloat16(s * std::nextafter(middle, 0.0f)).bits, sign | low) << low;
      ASSERT_EQ(
          to_bfloat16(s * std::nextafter(middle, std::numeric_limits<float>::infinity())).bits,
          sign | high)
          << low;
    }
  }
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(to_bfloat16(infinity).bits, 0x7F80);
  EXPECT_EQ(to_bfloat16_stochastic(-infinity, 65535).bits, 0xFF80);
  EXPECT_TRUE(std::isnan(to_float(to_bfloat16(std::bit_cast<float>(0x7F800001)))));
  EXPECT_TRUE(
      std::isnan(to_float(to_bfloat16_stochastic(std::bit_cast<float>(0xFFFFFFFF), 65535))));
}

/// Over all random numbers the mean is x itself: each float between two neighbours takes either.
TEST(Bfloat16, RoundsStochasticallyWithoutBias) {
  Random random(3);
  for (const float x : random.normals(50)) {
    double sum = 0.0;
    const float low = to_float(to_bfloat16_stochastic(x, 0));
    for (int r = 0; r < 65536; ++r) {
      const float rounded = to_float(to_bfloat16_stochastic(x, static_cast<uint16_t>(r)));
      sum += rounded;
      ASSERT_LT(std::abs(rounded - low), std::abs(x) / 64);
    }
    EXPECT_NEAR(sum / 65536, x, 1e-9) << x;
  }
}

class Bfloat16Rows : public OnEveryBackend {};

constexpr int kRows = 300, kDim = 20;

OptimizerOptions options_of(Optimizer optimizer, RowType type) {
  OptimizerOptions options;
  options.adam.learning_rate = 0.05;
  options.optimizer = optimizer;
  options.table_l2 = 0.01;
  options.row_type = type;
  return options;
}

// One step of a table in bfloat16 is that of a table of floats with the same start, rounded to one
// of two neighbours; rows that the batch has not touched keep their bits.
TEST_P(Bfloat16Rows, MoveAsRowsOfFloatsAndAreRoundedToANeighbour) {
  for (const Optimizer optimizer : {Optimizer::kRowwiseAdagrad, Optimizer::kSgd}) {
    TrainableTable narrow(backend(), "table", RowSharding::whole(kRows), kDim,
                          options_of(optimizer, RowType::kBf16));
    TrainableTable wide(backend(), "table", RowSharding::whole(kRows), kDim,
                        options_of(optimizer, RowType::kF32));
    narrow.fill_normal(5, 0.3);
    EXPECT_EQ(narrow.dim(), kDim);
    EXPECT_EQ(narrow.values.size(), 0);
    Random random(1);
    UniqueBuffer buffer(backend(), 500);
    Tensor<StepState> state(backend(), 1);
    int64_t up = 0, moved = 0;
    for (int step = 0; step < 4; ++step) {
      const std::vector<float> before = narrow.to_host();
      wide.values.assign(before);
      const auto ids = random.integers<int32_t>(500, 0, kRows / 2);
      const Tensor<int32_t> batch = tensor(ids);
      const Tensor<float> gradient = tensor(random.normals(500 * kDim), kDim);
      backend().begin_step(state, {});
      UniqueIds unique = buffer.deduplicate(batch, kRows), same = unique;
      narrow.fetch(unique);
      wide.fetch(same);
      EXPECT_TRUE(unique.gathered);
      EXPECT_FALSE(same.gathered);
      narrow.step(unique, gradient, state);
      wide.step(same, gradient, state);
      const std::vector<float> got = narrow.to_host(), exact = wide.values.to_host();
      for (size_t i = 0; i < got.size(); ++i) {
        if (static_cast<int>(i) / kDim > kRows / 2) {
          ASSERT_EQ(got[i], before[i]) << i;
          continue;
        }
        const float low = to_float(to_bfloat16_stochastic(exact[i], 0));
        const float high = to_float(to_bfloat16_stochastic(exact[i], 65535));
        ASSERT_TRUE(got[i] == low || got[i] == high) << got[i] << " for " << exact[i];
        if (low == high) continue;
        ++moved;
        up += got[i] == high;
      }
    }
    ArrayMap packed;
    narrow.pack(packed);
    EXPECT_EQ(packed.at("table").shape, (std::vector<int64_t>{kRows, kDim}));
    const auto served = packed.at("table").as<float>();
    EXPECT_EQ(std::vector<float>(served.begin(), served.end()), narrow.to_host());
    // Fair on average: the share of each value's way is uniform.
    EXPECT_NEAR(static_cast<double>(up) / static_cast<double>(moved), 0.5, 0.03);
  }
}

// Which way a value goes depends on key, step and place in the whole table alone.
TEST_P(Bfloat16Rows, AreRoundedAlikeWhereverTheyLie) {
  const std::vector<float> values = Random(2).normals(kRows * kDim);
  const Tensor<float> given = tensor(values, kDim);
  Tensor<StepState> state(backend(), 1);
  backend().begin_step(state, {});
  Tensor<Bfloat16> whole(backend(), kRows, kDim), again(backend(), kRows, kDim);
  const auto rows = RowSet::range(0, kRows);
  backend().narrow_rows(given, rows, RowSharding::whole(kRows), 9, state, whole);
  backend().narrow_rows(given, rows, RowSharding::whole(kRows), 10, state, again);
  const std::vector<Bfloat16> expected = whole.to_host();
  int64_t other_key = 0;
  const std::vector<Bfloat16> other = again.to_host();
  for (size_t i = 0; i < other.size(); ++i) other_key += other[i].bits != expected[i].bits;
  EXPECT_GT(other_key, kRows * kDim / 5);
  backend().begin_step(state, {});
  backend().narrow_rows(given, rows, RowSharding::whole(kRows), 9, state, again);
  int64_t other_step = 0;
  const std::vector<Bfloat16> later = again.to_host();
  for (size_t i = 0; i < later.size(); ++i) other_step += later[i].bits != expected[i].bits;
  EXPECT_GT(other_step, kRows * kDim / 5);
  Tensor<StepState> first_step(backend(), 1);
  backend().begin_step(first_step, {});
  for (int rank = 0; rank < 3; ++rank) {
    const RowSharding sharding{kRows, 3, rank};
    std::vector<float> mine;
    for (int64_t r = 0; r < sharding.local_rows(); ++r)
      mine.insert(mine.end(), values.begin() + sharding.global(r) * kDim,
                  values.begin() + (sharding.global(r) + 1) * kDim);
    Tensor<Bfloat16> share(backend(), sharding.local_rows(), kDim);
    const Tensor<float> share_values = tensor(mine, kDim);
    backend().narrow_rows(share_values, RowSet::range(0, sharding.local_rows()), sharding, 9,
                          first_step, share);
    const std::vector<Bfloat16> got = share.to_host();
    for (size_t i = 0; i < got.size(); ++i) {
      const int64_t row = sharding.global(static_cast<int64_t>(i) / kDim);
      ASSERT_EQ(got[i].bits, expected[static_cast<size_t>(row * kDim) + i % kDim].bits) << i;
    }
  }
}

// Codes and the codebook's gradient of gathered rows are those of the rows in their table.
TEST_P(Bfloat16Rows, AreQuantizedByTheTierOfTheirId) {
  constexpr int kSubspaces = 5, kCentroids = 16;
  Tiers tiers;
  tiers.count = 2;
  tiers.end[0] = 30;
  tiers.end[1] = kRows;
  tiers.centroids[0] = kCentroids;
  tiers.centroids[1] = 3;
  Random random(4);
  const std::vector<float> values = random.normals(kRows * kDim);
  const Tensor<float> table = tensor(values, kDim),
                      codebook = tensor(random.normals(kCentroids * kDim), kDim);
  const Tensor<int32_t> batch = tensor(random.integers<int32_t>(200, 0, kRows - 1));
  UniqueBuffer buffer(backend(), 200);
  const UniqueIds unique = buffer.deduplicate(batch, kRows);
  Tensor<float> gathered(backend(), 200, kDim);
  backend().gather(table, unique.ids, gathered);
  UniqueIds at_hand = unique;
  at_hand.gathered = true;
  std::vector<std::vector<uint8_t>> codes;
  std::vector<std::vector<float>> decoded, gradients;
  for (const bool is_gathered : {false, true}) {
    Tensor<float> half_norms(backend(), kCentroids, kSubspaces), rows(backend(), 200, kDim),
        gradient(backend(), kCentroids, kDim), errors(backend(), 200);
    Tensor<uint8_t> code(backend(), 200, kSubspaces);
    const View<const float> queries = is_gathered ? View<const float>(gathered) : table;
    const UniqueIds& ids = is_gathered ? at_hand : unique;
    backend().assign_with_gradient(queries, ids, codebook, tiers, 0.5f, {half_norms, code}, rows,
                                   gradient);
    codes.push_back(code.to_host());
    decoded.push_back(rows.to_host());
    gradients.push_back(gradient.to_host());
    backend().half_norms(codebook, kSubspaces, half_norms);
    backend().assign(queries, RowSet::of(ids), codebook, half_norms, tiers, code, rows, errors);
    codes.push_back(code.to_host());
    decoded.push_back(errors.to_host());
    backend().codebook_gradient(queries, ids, tiers, code, codebook, 0.5f, gradient);
    gradients.push_back(gradient.to_host());
    const Tensor<float> none(backend(), 200, kDim), committed(backend(), 200, kDim);
    backend().commitment_gradient(queries, ids, rows, none, 2.0f, committed);
    decoded.push_back(committed.to_host());
  }
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(codes[i], codes[i + 2]) << i;
    EXPECT_EQ(decoded[i], decoded[i + 3]) << i;
    EXPECT_EQ(gradients[i], gradients[i + 2]) << i;
  }
  EXPECT_EQ(decoded[2], decoded[5]);
}

// The biases of a relevance model are no rows: they stay floats, and a step moves them.
TEST_P(Bfloat16Rows, LeaveTheBiasesOfRelevanceFloats) {
  constexpr int64_t kItems = 20;
  Config config = default_config("gmf", TaskKind::kRelevance);
  config.embedding.scheme = "full";
  config.embedding.dim = 8;
  config.train.optimizer = Optimizer::kRowwiseAdagrad;
  config.train.row_type = RowType::kBf16;
  config.train.batch = 3;
  resolve(config);
  const auto model = make_model(backend(), config, {0, kItems, 0.5});
  const Tensor<int32_t> left = tensor<int32_t>({1, 4, 7}), right = tensor<int32_t>({2, 4, 19});
  const Tensor<float> targets = tensor<float>({0.0f, 1.0f, 0.9f});
  const Batch batch{{left, right, targets}, {}, {}, 3, 0};
  Tensor<StepState> state(backend(), 1);
  Tensor<double> loss(backend(), 1);
  backend().begin_step(state, {});
  model->prepare(backend(), batch);
  model->train_step(batch, state, loss);
  EXPECT_GT(loss.to_host()[0], 0.0);
  const PackedModel packed = model->pack();
  const HostArray& biases = packed.dense.at("relevance.biases");
  ASSERT_EQ(biases.shape, (std::vector<int64_t>{kItems}));
  for (int64_t i = 0; i < kItems; ++i)
    EXPECT_EQ(biases.as<float>()[i] != 0.0f, i == 1 || i == 2 || i == 4 || i == 7 || i == 19) << i;
  Tensor<float> scores(backend(), 3);
  make_pair_scorer(backend(), packed)->score(left, right, scores);
  for (const float score : scores.to_host()) EXPECT_TRUE(std::isfinite(score));
}

MGQE_ON_EVERY_BACKEND(Bfloat16Rows);

TEST(Bfloat16Plan, RowsTakeHalf) {
  Config config = default_config("gmf");
  config.train.optimizer = Optimizer::kRowwiseAdagrad;
  config.embedding.dim = 64;
  resolve(config);
  EXPECT_EQ(table_bytes(config, 1000, 64), 1000 * (256 + 4));
  config.train.row_type = RowType::kBf16;
  EXPECT_EQ(table_bytes(config, 1000, 64), 1000 * (128 + 4));
  const Catalogue catalogue{1000, 2000};
  const auto planned = [&](const std::string& ending) {
    int64_t bytes = 0;
    for (const MemoryPlan::Line& line : plan_memory(1, config, catalogue).lines)
      if (line.what.ends_with(ending)) bytes += line.bytes;
    return bytes;
  };
  EXPECT_EQ(planned(" rows"), 3000 * 128);
  const int64_t batches = planned("batches");
  config.train.row_type = RowType::kF32;
  EXPECT_EQ(planned(" rows"), 3000 * 256);
  EXPECT_EQ(batches - planned("batches"), 2 * 256 * config.train.batch) << "both sides, widened";
}

}  // namespace
}  // namespace mgqe::testing
