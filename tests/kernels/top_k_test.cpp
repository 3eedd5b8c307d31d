// Bodies of the search for top-k lists: bounds against sums in doubles, candidates against all rows
// by naive loops, selection and order against sorts.
#include <algorithm>
#include <set>

#include "tests/kernels/kernel_testing.hpp"
#include "tests/serve/coded_table.hpp"
// Kernel bodies come after the harness.
#include "cuda/top_k_product_kernel.cuh"
#include "cuda/top_k_select_kernel.cuh"

namespace mgqe {
namespace {

using testing::CodedTable;

/// A table and queries as the launcher has them, and what naive loops say of them.
struct Problem {
  const CodedTable coded;
  int64_t queries, k, capacity;
  Buffer<float> query_rows;
  std::vector<Buffer<uint8_t>> codes;
  std::vector<Buffer<float>> codebooks, columns, greatest;
  std::vector<Buffer<Bfloat16>> rounded;
  Buffer<TierBound> bounds;
  Buffer<float> deficits;
  Buffer<uint64_t> floors, fresh;
  Buffer<unsigned> fresh_count;
  TopKArguments arguments{};

  Problem(const testing::CodedShape& shape, int levels, int64_t queries, int64_t k,
          int64_t capacity, float scale = 1.0f)
      : coded(shape, levels, 7),
        queries(queries),
        k(k),
        capacity(capacity),
        query_rows(queries, coded.dim()),
        bounds(queries * coded.table().ranges.count),
        deficits(queries * deficits_of(coded.table())),
        floors(std::vector<uint64_t>(queries, 0)),
        fresh(queries * capacity),
        fresh_count(std::vector<unsigned>(queries, 0)) {
    testing::Random random(5);
    const auto normals = random.normals(query_rows.size(), scale);
    const auto whole = random.integers<float>(query_rows.size(), -1, 1);
    for (int64_t i = 0; i < query_rows.size(); ++i)
      query_rows[i] = levels > 0 ? whole[static_cast<size_t>(i)] : normals[static_cast<size_t>(i)];
    const PackedTiers& table = coded.table();
    TopKArguments& a = arguments;
    a.table = table;
    for (int t = 0; t < table.ranges.count; ++t) {
      const int64_t bytes = table.ranges.rows(t) * table.tiers[t].row_bytes();
      const int64_t centroids = table.ranges.centroids[t], d = table.dim;
      codes.emplace_back((bytes + 15) / 16 * 16);
      std::copy_n(table.tiers[t].codes, bytes, codes.back().data());
      codebooks.emplace_back(centroids * d);
      columns.emplace_back(centroids * d);
      rounded.emplace_back(centroids * d);
      greatest.emplace_back(std::vector<float>(static_cast<size_t>(d), 0.0f));
      for (int64_t c = 0; c < centroids; ++c)
        for (int64_t i = 0; i < d; ++i) {
          const float x = table.tiers[t].codebook[c * d + i];
          codebooks.back()[c * d + i] = columns.back()[i * centroids + c] = x;
          rounded.back()[c * d + i] = to_bfloat16(x);
          greatest.back()[i] = std::max(greatest.back()[i], std::abs(x));
        }
      a.table.tiers[t].codes = codes.back().data();
      a.table.tiers[t].codebook = codebooks.back().data();
      a.columns[t] = columns.back().data();
      a.rounded[t] = rounded.back().data();
      a.greatest[t] = greatest.back().data();
      a.deficits_begin[t + 1] = a.deficits_begin[t] + table.tiers[t].subspaces * centroids;
    }
    a.queries = query_rows;
    a.k = k;
    a.capacity = capacity;
    a.bounds = bounds.data();
    a.deficits = deficits.data();
    a.floors = floors.data();
    a.fresh = fresh.data();
    a.fresh_count = fresh_count.data();
  }

  static int64_t deficits_of(const PackedTiers& table) {
    int64_t sum = 0;
    for (int t = 0; t < table.ranges.count; ++t)
      sum += table.tiers[t].subspaces * table.ranges.centroids[t];
    return sum;
  }
  void find_bounds(uint64_t seed) {
    const auto tiers = static_cast<unsigned>(coded.table().ranges.count);
    simt::launch(dim3(static_cast<unsigned>(queries), tiers), kBoundThreads, 0, seed,
                 bound_scores_kernel, arguments);
  }
  float score(int64_t m, int64_t row) const { return coded.score(query_rows.row(m), row); }
  /// The floor that the best `count` rows reach.
  void set_floors(size_t count) {
    for (int64_t m = 0; m < queries; ++m) floors[m] = keys_of(m, 0, coded.rows(), 0)[count - 1];
  }
  /// Keys of rows [first, last) that may enter, largest first.
  std::vector<uint64_t> keys_of(int64_t m, int64_t first, int64_t last, uint64_t floor) const {
    std::vector<uint64_t> keys;
    for (int64_t row = first; row < last; ++row) {
      const uint64_t key = key_of(score(m, row), static_cast<int32_t>(row));
      if (arguments.admits(m, static_cast<int32_t>(row)) && key != 0 && key >= floor)
        keys.push_back(key);
    }
    std::sort(keys.begin(), keys.end(), std::greater<>());
    return keys;
  }
  /// The candidates are all rows of a tier's part that reach the floor, and no others.
  void expect_candidates(int tier, int64_t first, int64_t last) {
    const int64_t begin = coded.table().ranges.begin(tier);
    for (int64_t m = 0; m < queries; ++m) {
      const auto wanted = keys_of(m, begin + first, begin + last, floors[m]);
      ASSERT_EQ(fresh_count[m], wanted.size()) << "query " << m;
      std::vector<uint64_t> found(fresh.data() + m * capacity,
                                  fresh.data() + m * capacity + fresh_count[m]);
      std::sort(found.begin(), found.end(), std::greater<>());
      ASSERT_EQ(found, wanted) << "query " << m;
      fresh_count[m] = 0;
    }
  }
};

TEST(TopKKernels, KeysAreInTheOrderOfLists) {
  const float scores[] = {INFINITY, 3.0f, 1e-45f, 0.0f, -1e-45f, -2.0f, -INFINITY};
  for (size_t i = 0; i + 1 < std::size(scores); ++i) {
    EXPECT_GT(key_of(scores[i], INT32_MAX), key_of(scores[i + 1], 0));
    EXPECT_GT(key_of(scores[i], 4), key_of(scores[i], 5));
    EXPECT_EQ(threshold_of(key_of(scores[i], 9)), scores[i]);
    EXPECT_EQ(row_of(key_of(scores[i], INT32_MAX - 1)), INT32_MAX - 1);
  }
  EXPECT_EQ(key_of(-0.0f, 3), key_of(0.0f, 3));
  EXPECT_EQ(key_of(NAN, 0), 0u);
  EXPECT_GT(key_of(-INFINITY, INT32_MAX), 0u);
  EXPECT_EQ(threshold_of(0), -INFINITY);
}

TEST(TopKKernels, BoundsHoldAndAreClose) {
  for (const float scale : {1.0f, 1e-30f, 1e-44f}) {
    Problem problem({3, 5, {90, 60}, {40, 9}}, 0, 2, 10, 1, scale);
    const PackedTiers& table = problem.coded.table();
    for (const uint64_t seed : kScheduleSeeds) {
      problem.find_bounds(seed);
      for (int64_t m = 0; m < 2; ++m)
        for (int64_t row = 0; row < problem.coded.rows(); ++row) {
          const int t = table.ranges.tier_of(row);
          const TierBound& bound = problem.arguments.bound(m, t);
          const float* deficits = problem.arguments.deficits_of(m, t);
          double sum = 0.0;
          for (int j = 0; j < 5; ++j)
            sum += deficits[j * table.ranges.centroids[t] +
                            unpack_code(table.row(t, row), j, table.tiers[t].bits)];
          const float score = problem.score(m, row);
          ASSERT_LE(sum, gap_of(bound, score)) << scale;  // a row reaches its own score
          const double exact = problem.coded.exact_score(problem.query_rows.row(m), row);
          // Deficits are short of themselves by 2^-22 at most, or by what underflow costs.
          ASSERT_NEAR(bound.most - sum, exact, std::abs(sum) * 0x1p-22 + bound.slack) << scale;
          ASSERT_LT(bound.slack, 1e-5 * scale * 15 * 4 + 1e-43);
        }
    }
  }
}

TEST(TopKKernels, NoBoundHoldsWhereScoresOverflow) {
  Problem problem({3, 5, {90}, {40}}, 0, 1, 10, 1, 3e37f);
  problem.find_bounds(1);
  EXPECT_EQ(problem.bounds[0].most, INFINITY);
  EXPECT_EQ(problem.bounds[0].product_error, INFINITY);
  EXPECT_EQ(gap_of(problem.bounds[0], 1.0f), INFINITY);
  for (const float deficit : problem.deficits.values()) EXPECT_EQ(deficit, 0.0f);
}

template <int kQueries>
void expect_tables(Problem& problem, uint64_t seed, unsigned blocks) {
  const PackedTiers& table = problem.coded.table();
  for (int t = 0; t < table.ranges.count; ++t) {
    const CodedTier& tier = table.tiers[t];
    const int64_t begin = (kScanThreads * tier.row_bytes() + 127) / 128 * 128;
    const int64_t bytes = begin + 2 * kQueries * (int64_t{tier.subspaces} << tier.bits);
    const int64_t n = table.ranges.rows(t);
    for (const auto& [first, last] : {std::pair<int64_t, int64_t>{0, n}, {n / 3, n - n / 4}}) {
      simt::launch(dim3(blocks, blocks_of(problem.queries, kQueries)), kScanThreads,
                   static_cast<size_t>(bytes), seed, scan_tables_kernel<kQueries>,
                   problem.arguments, t, first, last, begin);
      problem.expect_candidates(t, first, last);
    }
  }
}

TEST(TopKKernels, TablesLeaveTheRowsThatReachTheFloor) {
  for (const int levels : {0, 3}) {
    // Codes of eight bits, of five, which cross words, and of none.
    Problem problem({2, 7, {200, 555, 300}, {200, 20, 1}}, levels, 5, 10, 600);
    for (const size_t best : {size_t{0}, size_t{1}, size_t{60}}) {
      if (best > 0) problem.set_floors(best);
      for (const uint64_t seed : kScheduleSeeds) {
        problem.find_bounds(seed);
        expect_tables<1>(problem, seed, 2);
        expect_tables<4>(problem, seed, 1);
        expect_tables<8>(problem, seed, 3);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(TopKKernels, EveryWayLeavesTheSameRows) {
  const std::vector<int32_t> blocked = {0, 3, 100, 101, 499};
  std::vector<uint8_t> bitmap(63, 0xB7);
  for (const testing::CodedShape& shape :
       {testing::CodedShape{2, 7, {100, 400}, {200, 40}}, testing::CodedShape{35, 2, {500}, {6}},
        testing::CodedShape{1, 3, {500}, {1}}}) {
    Problem problem(shape, 0, 70, 10, 500);
    problem.arguments.block = {blocked.data(), 5, nullptr};
    problem.arguments.allow = {nullptr, 0, bitmap.data()};
    const Tiers& ranges = problem.coded.table().ranges;
    for (const size_t best : {size_t{0}, size_t{20}}) {
      if (best > 0) problem.set_floors(best);
      const uint64_t seed = 1 + best;
      problem.find_bounds(seed);
      for (int t = 0; t < ranges.count; ++t) {
        const int64_t first = ranges.rows(t) / 5, last = ranges.rows(t) - 3;
        simt::launch(dim3(2, 2), kProductThreads, 0, seed, scan_products_kernel, problem.arguments,
                     t, first, last);
        problem.expect_candidates(t, first, last);
        simt::launch(dim3(2, 70), kScanThreads, 0, seed, scan_any_kernel, problem.arguments, t,
                     first, last);
        problem.expect_candidates(t, first, last);
        if (HasFatalFailure()) return;
      }
      simt::launch(dim3(2, 70), kScanThreads, 0, seed, score_rows_kernel, problem.arguments,
                   static_cast<const int32_t*>(nullptr), int64_t{ranges.begin(ranges.count - 1)},
                   problem.coded.rows());
      problem.expect_candidates(ranges.count - 1, 0, ranges.rows(ranges.count - 1));
      if (HasFatalFailure()) return;
    }
  }
}

TEST(TopKKernels, ProductsAreWithinTheirBound) {
  for (const float scale : {1.0f, 1e-37f, 1e30f}) {
    Problem problem({5, 4, {64}, {64}}, 0, 64, 10, 1, scale);
    problem.find_bounds(1);
    const Buffer<Bfloat16> rows(kProductRows * kProductStride), queries(rows.size());
    const Buffer<float> sums(kProductRows * kSumStride);
    const auto multiply = [](const TopKArguments& a, Bfloat16* rows, Bfloat16* queries,
                             float* sums) {
      decode_tile(a, 0, 0, 0, 32, rows);
      round_queries(a, 0, 0, 32, queries);
      __syncthreads();
      multiply_tile(rows, queries, 16, true, sums);
      __syncthreads();
      multiply_tile(rows + 16, queries + 16, 16, false, sums);
    };
    simt::launch(1, kProductThreads, 0, 1, multiply, problem.arguments, rows.data(), queries.data(),
                 sums.data());
    double largest = 0.0;
    for (int64_t m = 0; m < 64; ++m)
      for (int64_t row = 0; row < 64; ++row) {
        const double error = problem.bounds[m].product_error;
        const double off =
            std::abs(static_cast<double>(sums[row * kSumStride + m]) - problem.score(m, row));
        ASSERT_LE(off, error);
        largest = std::max(largest, off / error);
      }
    if (scale == 1.0f) {
      EXPECT_GT(largest, 1e-2) << "the bound says nothing";
    }
  }
}

TEST(TopKKernels, KeepsTheBestAndPutsThemInOrder) {
  testing::Random random(3);
  for (const int64_t k : {1, 5, 300})
    for (const int64_t kept : {int64_t{0}, k / 2, k})
      for (const int64_t candidates : {0, 1, 7, 900}) {
        const int64_t queries = 2, capacity = 800;
        Problem problem({1, 2, {3000}, {16}}, 0, queries, k, capacity);
        // Distinct keys of which the highest digits are alike.
        std::vector<std::vector<uint64_t>> wanted;
        const Buffer<uint64_t> from(queries * k), to(queries * k);
        const Buffer<int32_t> counts(queries), overflowed(std::vector<int32_t>(queries, 0));
        std::mt19937 engine(static_cast<unsigned>(k + kept + candidates));
        for (int64_t m = 0; m < queries; ++m) {
          std::vector<int32_t> rows(3000);
          for (int32_t row = 0; row < 3000; ++row) rows[static_cast<size_t>(row)] = row;
          std::shuffle(rows.begin(), rows.end(), engine);
          std::vector<uint64_t> keys;
          for (int64_t i = 0; i < kept + std::min(candidates, capacity); ++i) {
            const int32_t row = rows[static_cast<size_t>(i)];
            keys.push_back(key_of(problem.score(m, row), row));
            (i < kept ? from[m * k + i] : problem.fresh[m * capacity + i - kept]) = keys.back();
          }
          counts[m] = static_cast<int32_t>(kept);
          problem.fresh_count[m] = static_cast<unsigned>(candidates);
          std::sort(keys.begin(), keys.end(), std::greater<>());
          keys.resize(std::min(keys.size(), static_cast<size_t>(k)));
          wanted.push_back(keys);
        }
        const Buffer<int32_t> counts_before(counts.values());
        for (const uint64_t seed : kScheduleSeeds) {
          std::copy_n(counts_before.data(), queries, counts.data());
          for (int64_t m = 0; m < queries; ++m) {
            problem.fresh_count[m] = static_cast<unsigned>(candidates);
            problem.floors[m] = 0;
          }
          simt::launch(queries, kSelectThreads, 0, seed, select_best_kernel, problem.arguments,
                       BestKeys{from.data(), to.data(), counts.data(), overflowed.data()});
          const Buffer<int32_t> rows(queries, k), listed(queries), lost(queries);
          const Buffer<float> scores(queries, k);
          simt::launch(dim3(blocks_of(k, kOrderThreads), queries), kOrderThreads, 0, seed,
                       order_best_kernel, problem.arguments,
                       BestKeys{to.data(), nullptr, counts.data(), overflowed.data()},
                       OrderedLists{rows, scores, listed.data(), lost.data()});
          for (int64_t m = 0; m < queries; ++m) {
            const auto& keys = wanted[static_cast<size_t>(m)];
            const auto count = static_cast<int64_t>(keys.size());
            ASSERT_EQ(listed[m], count);
            ASSERT_EQ(lost[m], candidates > capacity);
            ASSERT_EQ(problem.fresh_count[m], 0u);
            ASSERT_EQ(problem.floors[m], count == k ? keys.back() : 0u);
            for (int64_t i = 0; i < k; ++i) {
              ASSERT_EQ(rows.row(m)[i], i < count ? row_of(keys[static_cast<size_t>(i)]) : -1);
              ASSERT_EQ(scores.row(m)[i], i < count ? problem.score(m, rows.row(m)[i]) : -INFINITY);
            }
          }
        }
      }
}

TEST(TopKConfig, ChunksCoverAllRows) {
  for (const int64_t rows : {0, 1, 4096, 4097, 5'000'000})
    for (const int64_t k : {1, 10'000}) {
      const TopKPlan plan = plan_top_k(rows, k);
      EXPECT_LE(plan.first, plan.capacity);
      for (const auto& ends : {growing_chunks(rows, plan), even_chunks(rows, plan)}) {
        EXPECT_EQ(ends.back(), rows);
        EXPECT_TRUE(std::is_sorted(ends.begin(), ends.end()));
      }
      int64_t before = 0;
      for (const int64_t end : even_chunks(rows, plan)) {
        EXPECT_LE(end - before, plan.capacity);
        before = end;
      }
      EXPECT_LE(growing_chunks(rows, plan).size(), 4u);
    }
}

TEST(TopKConfig, QueriesShareABlockWhereTheirTablesFit) {
  const ScanDevice device{132, 227 << 10};
  const auto queries = [&](const ScanShape& shape) { return choose_scan(shape, device).queries; };
  EXPECT_EQ(queries({1000, 6, 8, 6, 16}), 8);
  EXPECT_EQ(queries({1000, 6, 8, 6, 3}), 4);
  EXPECT_EQ(queries({1000, 6, 8, 6, 1}), 1);
  EXPECT_EQ(queries({1000, 64, 64, 8, 16}), 2);  // 32 KiB a query, 16 of codes
  EXPECT_EQ(queries({1000, 1024, 1024, 8, 16}), 0);
  const ScanConfig config = choose_scan({1000, 6, 8, 6, 16}, device);
  EXPECT_EQ(config, (ScanConfig{8, 1536, 1536 + 8 * 1024, 4})) << describe(config);
}

}  // namespace
}  // namespace mgqe
