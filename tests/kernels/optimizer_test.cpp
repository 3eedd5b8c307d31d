// Sums of look-up gradients and row optimizers against loops in double written from the formulas,
// whatever the schedule, the grid and the chunks.
#include "tests/kernels/kernel_testing.hpp"
// Kernel bodies come after the harness.
#include "cuda/optimizer_kernel.cuh"

namespace mgqe {
namespace {

constexpr int64_t kRows = 300;

struct Ids {
  const char* name;
  std::vector<int32_t> lookups;
};

/// What batches are like: every id once, one id for all, Zipf, and few rows over many chunks.
std::vector<Ids> kinds_of_ids(int64_t lookups, testing::Random& random) {
  std::vector<int32_t> distinct, zipf;
  for (int64_t b = 0; b < lookups; ++b) distinct.push_back((b * 7 + 3) % kRows);
  // Row r with odds 1 / (r + 1): the inverse of the logarithm that the sum of the odds is near to.
  for (const int32_t draw : random.integers<int32_t>(lookups, 0, 999))
    zipf.push_back(static_cast<int32_t>(std::pow(kRows + 1.0, draw / 1000.0)) - 1);
  return {{"distinct", distinct},
          {"one id", std::vector<int32_t>(static_cast<size_t>(lookups), 5)},
          {"zipf", zipf},
          {"few rows", random.integers<int32_t>(lookups, 0, 4)}};
}

struct Launch {
  RowChunks chunks;
  unsigned blocks = 2;
  uint64_t seed = 1;
};

/// Both launches of CudaBackend::reduce_rows; the carry holds as many chunks as B makes.
template <class Rule>
void reduce_rows(const Rule& rule, const UniqueIds& unique, View<const float> gradient,
                 const Launch& run) {
  const int64_t d = gradient.cols;
  const int64_t chunks = (unique.ids.rows + run.chunks.length - 1) / run.chunks.length;
  const int64_t carried = run.chunks.whole_rows ? 0 : chunks;
  const Buffer<float> heads(carried, d), tails(carried, d);
  const RowCarry carry{heads.data(), tails.data()};
  with_row_shape(d, d % 4 == 0, [&](auto shape) {
    using Shape = decltype(shape);
    simt::launch(run.blocks, kRowThreads, 0, run.seed, update_rows_kernel<Shape, Rule>, rule,
                 unique, gradient, run.chunks, carry);
    if (run.chunks.whole_rows) return;
    simt::launch(run.blocks, kRowThreads, carried_shared_bytes<Shape>(d), run.seed,
                 update_carried_kernel<Shape, Rule>, rule, unique, static_cast<int>(d), run.chunks,
                 carry);
  });
}

const RowChunks kChunks[] = {{1, true}, {1, false}, {8, false}, {50, false}};

/// Rows of `sums` against double sums of whole numbers, which no order of additions rounds.
void expect_exact_sums(const Buffer<float>& sums, const DistinctIds& unique,
                       const Buffer<float>& gradient, const char* name, const Launch& run) {
  const int64_t d = sums.size() / kRows;
  for (int32_t r = 0; r < kRows; ++r) {
    const auto found = unique.lookups().find(r);
    for (int64_t c = 0; c < d; ++c) {
      if (found == unique.lookups().end()) {
        ASSERT_TRUE(std::isnan(sums.row(r)[c])) << name << ": untouched row " << r << " written";
        continue;
      }
      double sum = 0.0;
      for (const int32_t b : found->second) sum += gradient.row(b)[c];
      ASSERT_EQ(sums.row(r)[c], sum) << name << ", " << gradient.rows() << " look-ups, chunks of "
                                     << run.chunks.length << ", row " << r << ", column " << c;
    }
  }
}

TEST(OptimizerKernels, SumsAreExactOnWholeNumbers) {
  testing::Random random(2);
  for (const int64_t lookups : {1, 2, 33, 299})
    for (const int64_t d : {1, 3, 64, 100, 130, 132})
      for (const auto& [name, ids] : kinds_of_ids(lookups, random)) {
        const DistinctIds unique(ids);
        const Buffer<float> gradient(random.integers<float>(lookups * d, -1000, 1000), d);
        for (const RowChunks& chunks : kChunks)
          for (const uint64_t seed : kScheduleSeeds) {
            const Launch run{chunks, 2, seed};
            const Buffer<float> sums(kRows, d);
            reduce_rows(StoreSumRule{{sums}}, unique.view(), gradient, run);
            expect_exact_sums(sums, unique, gradient, name, run);
            if (HasFatalFailure()) return;
          }
      }
}

TEST(OptimizerKernels, WidestRowsAreExact) {
  testing::Random random(5);
  for (const int64_t d : {1023, 1024}) {
    const DistinctIds unique(random.integers<int32_t>(60, 0, 3));
    const Buffer<float> gradient(random.integers<float>(60 * d, -1000, 1000), d);
    const Launch run{{2, false}};
    const Buffer<float> sums(kRows, d);
    reduce_rows(StoreSumRule{{sums}}, unique.view(), gradient, run);
    expect_exact_sums(sums, unique, gradient, "widest", run);
  }
}

TEST(OptimizerKernels, NoLookupsChangeNothing) {
  const DistinctIds unique({});
  const Buffer<float> gradient(0, 4), sums(kRows, 4);
  for (const RowChunks& chunks : {RowChunks{1, true}, RowChunks{8, false}})
    reduce_rows(StoreSumRule{{sums}}, unique.view(), gradient, {chunks});
  for (const float value : sums.values()) ASSERT_TRUE(std::isnan(value));
}

TEST(OptimizerKernels, FewerLookupsThanRoom) {
  // As DPQ-SX's keys are updated: room for 100 look-ups, 37 distinct ids with one gradient each.
  std::vector<int32_t> counting(101);
  for (int32_t i = 0; i <= 100; ++i) counting[i] = i;
  const Buffer<int32_t> ids(counting), count(std::vector<int32_t>{37});
  const View<int32_t> positions = ids.view().slice(0, 100);
  const UniqueIds unique{positions, ids, positions, positions, count};
  testing::Random random(6);
  const Buffer<float> gradient(random.normals(100 * 8), 8);
  for (const RowChunks& chunks : kChunks) {
    const Buffer<float> sums(kRows, 8);
    reduce_rows(StoreSumRule{{sums}}, unique, gradient, {chunks});
    for (int64_t r = 0; r < 100; ++r)
      for (int64_t c = 0; c < 8; ++c)
        if (r < 37)
          ASSERT_EQ(sums.row(r)[c], gradient.row(r)[c]);
        else
          ASSERT_TRUE(std::isnan(sums.row(r)[c]));
  }
}

/// The float sum of column c of a row in the order the kernels promise: the look-ups of each chunk
/// in order, then the chunks' sums in order. For rows of up to kFewParts chunks.
float sum_in_promised_order(const DistinctIds& unique, int32_t row, const Buffer<float>& gradient,
                            int64_t c, int64_t length) {
  int64_t p = 0;
  for (const auto& [id, lookups] : unique.lookups()) {
    if (id == row) break;
    p += static_cast<int64_t>(lookups.size());
  }
  const auto& lookups = unique.lookups().at(row);
  const auto count = static_cast<int64_t>(lookups.size());
  float sum = 0.0f;
  for (int64_t done = 0; done < count;) {
    const int64_t here = std::min(count - done, length - (p + done) % length);
    float part = gradient.row(lookups[done])[c];
    for (int64_t i = 1; i < here; ++i) part += gradient.row(lookups[done + i])[c];
    sum = done == 0 ? part : sum + part;
    done += here;
  }
  return sum;
}

TEST(OptimizerKernels, SumsAddLookupsAndChunksInOrder) {
  constexpr int64_t kWholeRow = 1 << 20;  // a chunk that no row leaves
  testing::Random random(3);
  for (const int64_t d : {8, 9, 132})
    for (const auto& [name, ids] : kinds_of_ids(299, random)) {
      const DistinctIds unique(ids);
      const Buffer<float> gradient(random.normals(299 * d), d);
      for (const RowChunks& chunks : {RowChunks{1, true}, RowChunks{20, false}, {37, false}}) {
        const Buffer<float> sums(kRows, d);
        reduce_rows(StoreSumRule{{sums}}, unique.view(), gradient, {chunks});
        const int64_t length = chunks.whole_rows ? kWholeRow : chunks.length;
        for (const auto& [row, lookups] : unique.lookups())
          for (int64_t c = 0; c < d; ++c)
            ASSERT_EQ(sums.row(row)[c], sum_in_promised_order(unique, row, gradient, c, length))
                << name << ", chunks of " << length << ", row " << row << ", column " << c;
      }
    }
}

/// A table and the state of every rule, in the middle of a training run.
struct Table {
  Buffer<float> parameter, first, second, square_sums;
  explicit Table(int64_t d)
      : parameter(testing::Random(9).normals(kRows * d), d),
        first(testing::Random(10).normals(kRows * d, 0.1f), d),
        second(testing::Random(11).normals(kRows * d, 0.1f), d),
        square_sums(testing::Random(12).normals(kRows)) {
    for (int64_t i = 0; i < second.size(); ++i) second[i] *= second[i];
    for (int64_t i = 0; i < kRows; ++i) square_sums[i] *= square_sums[i];
  }
};

constexpr double kUlp = 0x1p-22;  // of values of magnitude at most a few, with one to spare

/// Where an update should end, and how far from there float rounding may leave it.
struct Near {
  double value, tolerance;
};
void expect_near(float got, const Near& expected, const char* what) {
  ASSERT_NEAR(got, expected.value, expected.tolerance + kUlp * (1 + std::abs(expected.value)))
      << what;
}

/// Gradient sum and the bound on its rounding error, by column.
std::vector<Near> sum_rows(const std::vector<int32_t>& lookups, const Buffer<float>& gradient) {
  std::vector<Near> sums;
  for (int64_t c = 0; c < gradient.size() / gradient.rows(); ++c) {
    double g = 0.0, magnitude = 0.0;
    for (const int32_t b : lookups) {
      g += gradient.row(b)[c];
      magnitude += std::abs(gradient.row(b)[c]);
    }
    sums.push_back({g, rounding_bound(static_cast<int64_t>(lookups.size()), magnitude)});
  }
  return sums;
}

const AdamOptions kOptions{0.01, 0.9, 0.99, 1e-8, 0.02};
constexpr double kStep = 4;
constexpr float kRateCut = 0.25f;
constexpr double kRate = 0.01 * 0.75;  // what it leaves

void expect_sparse_adam(const Table& after, const Table& before, int64_t row,
                        const std::vector<Near>& sums) {
  const double bias1 = 1 - std::pow(0.9, kStep), bias2 = 1 - std::pow(0.99, kStep);
  const double rate = kRate * std::sqrt(bias2) / bias1;
  for (size_t c = 0; c < sums.size(); ++c) {
    const double p = before.parameter.row(row)[c], error = sums[c].tolerance;
    const double g = sums[c].value + 0.02 * p;
    const double m = 0.9 * before.first.row(row)[c] + 0.1 * g;
    const double v = 0.99 * before.second.row(row)[c] + 0.01 * g * g;
    const double v_error = 0.02 * std::abs(g) * error + 0.01 * error * error + 4 * kUlp * v;
    expect_near(after.first.row(row)[c], {m, 0.1 * error}, "first moment");
    expect_near(after.second.row(row)[c], {v, v_error}, "second moment");
    const double update = rate * m / (std::sqrt(v) + 1e-8);
    const double update_error = rate * (0.1 * error + kUlp) / std::sqrt(v) +
                                std::abs(update) * (v_error / (2 * v) + 8 * kUlp);
    expect_near(after.parameter.row(row)[c], {p - update, update_error}, "SparseAdam");
  }
}

void expect_rowwise_adagrad(const Table& after, const Table& before, int64_t row,
                            const std::vector<Near>& sums) {
  const auto d = static_cast<int64_t>(sums.size());
  double mean = 0.0, mean_error = 0.0;
  for (int64_t c = 0; c < d; ++c) {
    const double g = sums[c].value + 0.02 * before.parameter.row(row)[c];
    mean += g * g / static_cast<double>(d);
    mean_error += 2 * std::abs(g) * sums[c].tolerance / static_cast<double>(d);
  }
  mean_error += rounding_bound(d, mean);
  const double sum = before.square_sums[row] + mean;
  expect_near(after.square_sums[row], {sum, mean_error + kUlp * sum}, "sum of squares");
  const double rate = kRate / (std::sqrt(sum) + 1e-8);
  for (int64_t c = 0; c < d; ++c) {
    const double p = before.parameter.row(row)[c];
    const double update = rate * (sums[c].value + 0.02 * p);
    const double error =
        rate * sums[c].tolerance + std::abs(update) * (mean_error / (2 * sum) + 8 * kUlp);
    expect_near(after.parameter.row(row)[c], {p - update, error}, "row-wise Adagrad");
  }
}

void expect_sgd(const Table& after, const Table& before, int64_t row,
                const std::vector<Near>& sums) {
  for (size_t c = 0; c < sums.size(); ++c) {
    const double p = before.parameter.row(row)[c];
    const double update = kRate * (sums[c].value + 0.02 * p);
    expect_near(after.parameter.row(row)[c],
                {p - update, kRate * sums[c].tolerance + 8 * kUlp * std::abs(update)}, "SGD");
  }
}

/// A rule by name, what it is given, and what it must do to a touched row.
struct Case {
  RowRule rule;
  void (*expect)(const Table&, const Table&, int64_t, const std::vector<Near>&);
};
const Case kCases[] = {{RowRule::kSparseAdam, expect_sparse_adam},
                       {RowRule::kRowwiseAdagrad, expect_rowwise_adagrad},
                       {RowRule::kSgd, expect_sgd}};

Table update(RowRule rule, const DistinctIds& unique, const Buffer<float>& gradient,
             const Launch& run) {
  Table table(gradient.size() / gradient.rows());
  const Buffer<StepState> state(1);  // what a rule does not read stays poisoned
  state[0].rate_cut = kRateCut;
  state[0].sparse_scale =
      static_cast<float>(0.75 * std::sqrt(1 - std::pow(0.99, kStep)) / (1 - std::pow(0.9, kStep)));
  const RowUpdate options{rule, kOptions, {table.first, table.second}, table.square_sums};
  with_row_rule(table.parameter, unique.view().gathered, options, state.view(),
                [&](const auto& rule) { reduce_rows(rule, unique.view(), gradient, run); });
  return table;
}

TEST(OptimizerKernels, RulesFollowTheirFormulasOnTouchedRowsAlone) {
  testing::Random random(4);
  for (const int64_t lookups : {1, 2, 299})
    for (const int64_t d : {1, 3, 64, 100, 132, 133})
      for (const auto& [name, ids] : kinds_of_ids(lookups, random)) {
        const DistinctIds unique(ids);
        const Buffer<float> gradient(random.normals(lookups * d), d);
        const Table before(d);
        for (const auto& [rule, expect] : kCases)
          for (const RowChunks& chunks : {RowChunks{1, true}, RowChunks{8, false}}) {
            const Table after = update(rule, unique, gradient, {chunks});
            for (int32_t row = 0; row < kRows; ++row) {
              const auto found = unique.lookups().find(row);
              if (found != unique.lookups().end()) {
                expect(after, before, row, sum_rows(found->second, gradient));
                ASSERT_FALSE(HasFatalFailure()) << name << ", d " << d << ", row " << row;
                continue;
              }
              for (int64_t i = row * d; i < (row + 1) * d; ++i) {
                ASSERT_EQ(after.parameter[i], before.parameter[i]);
                ASSERT_EQ(after.first[i], before.first[i]);
                ASSERT_EQ(after.second[i], before.second[i]);
              }
              ASSERT_EQ(after.square_sums[row], before.square_sums[row]);
            }
          }
      }
}

// Rows of a batch alone, in the order of its ids, move as those of the table; what a rule keeps of
// a row is found by id.
TEST(OptimizerKernels, GatheredRowsMoveAsTheRowsOfTheirTable) {
  testing::Random random(5);
  for (const int64_t d : {3, 64, 133})
    for (const auto& [name, ids] : kinds_of_ids(299, random)) {
      const DistinctIds unique(ids);
      const Buffer<float> gradient(random.normals(299 * d), d);
      UniqueIds gathered = unique.view();
      gathered.gathered = true;
      for (const RowRule rule : {RowRule::kRowwiseAdagrad, RowRule::kSgd})
        for (const RowChunks& chunks : {RowChunks{1, true}, RowChunks{8, false}}) {
          const Table expected = update(rule, unique, gradient, {chunks}), got(d);
          const Buffer<float> rows(gathered.count[0], d);
          for (int64_t u = 0; u < rows.rows(); ++u)
            std::copy_n(got.parameter.row(gathered.ids[u]), d, rows.row(u));
          const Buffer<StepState> state(1);
          state[0].rate_cut = kRateCut;
          const RowUpdate options{rule, kOptions, {}, got.square_sums};
          with_row_rule(rows, true, options, state.view(),
                        [&](const auto& rule) { reduce_rows(rule, gathered, gradient, {chunks}); });
          for (int64_t u = 0; u < rows.rows(); ++u) {
            const int32_t id = gathered.ids[u];
            for (int64_t c = 0; c < d; ++c)
              ASSERT_EQ(rows.row(u)[c], expected.parameter.row(id)[c]) << name << ", d " << d;
            ASSERT_EQ(got.square_sums[id], expected.square_sums[id]) << name << ", d " << d;
          }
        }
    }
}

TEST(OptimizerKernels, NeitherScheduleNorGridChangesABit) {
  testing::Random random(7);
  for (const int64_t d : {33, 64, 132})
    for (const auto& [name, ids] : kinds_of_ids(299, random)) {
      const DistinctIds unique(ids);
      const Buffer<float> gradient(random.normals(299 * d), d);
      for (const auto& [rule, expect] : kCases)
        for (const RowChunks& chunks : {RowChunks{1, true}, RowChunks{2, false}, {8, false}}) {
          const Table first = update(rule, unique, gradient, {chunks, 1, 1});
          for (const unsigned blocks : {3u, 40u})
            for (const uint64_t seed : kScheduleSeeds) {
              const Table table = update(rule, unique, gradient, {chunks, blocks, seed});
              expect_same_bits(table.parameter.values(), first.parameter.values());
              expect_same_bits(table.second.values(), first.second.values());
              expect_same_bits(table.square_sums.values(), first.square_sums.values());
              ASSERT_FALSE(HasFatalFailure()) << name << ", d " << d << ", " << blocks << " blocks";
            }
        }
    }
}

TEST(OptimizerKernels, ChunksDependOnTheNumberOfLookups) {
  for (const int64_t lookups : {1, 512}) {
    EXPECT_TRUE(row_chunks(lookups).whole_rows);
    EXPECT_EQ(row_chunks(lookups).length, 1);
  }
  for (const int64_t lookups : {513, 25'600, 131'073, 1'000'000, INT32_MAX}) {
    const RowChunks chunks = row_chunks(lookups);
    EXPECT_FALSE(chunks.whole_rows);
    EXPECT_GE(chunks.length, kMinRowChunk);
    EXPECT_LE((lookups + chunks.length - 1) / chunks.length, kMaxRowChunks);
  }
}

}  // namespace
}  // namespace mgqe
