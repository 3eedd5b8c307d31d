// How rows are sharded and travel, op by op, against loops written anew here.
#include <algorithm>
#include <map>

#include "models/optim/unique_buffer.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

TEST(RowSharding, EveryRowHasOnePlace) {
  for (const int64_t rows : {1, 5, 12, 13})
    for (const int n : {1, 2, 3, 5}) {
      std::vector<int> seen(static_cast<size_t>(rows), 0);
      int64_t sum = 0;
      for (int r = 0; r < n; ++r) {
        const RowSharding sharding{rows, n, r};
        sum += sharding.local_rows();
        for (int64_t l = 0; l < sharding.local_rows(); ++l) {
          const int64_t g = sharding.global(l);
          ASSERT_LT(g, rows);
          ++seen[static_cast<size_t>(g)];
          EXPECT_EQ(sharding.sharded(g), r * sharding.most_rows() + l);
          EXPECT_EQ(sharding.unsharded(sharding.sharded(g)), g);
        }
        // rows_below counts what the loop counts
        for (int64_t end = 0; end <= rows; ++end) {
          int64_t below = 0;
          for (int64_t g = 0; g < end; ++g) below += g % n == r;
          EXPECT_EQ(sharding.rows_below(end), below) << rows << " rows, rank " << r << " of " << n;
        }
      }
      EXPECT_EQ(sum, rows);
      EXPECT_EQ(seen, std::vector<int>(static_cast<size_t>(rows), 1));
    }
}

TEST(RowSharding, ATierOfTheTableIsATierOfTheShare) {
  Tiers tiers;
  tiers.count = 3;
  const int64_t ends[] = {2, 7, 20};
  const int centroids[] = {32, 8, 2};
  for (int i = 0; i < 3; ++i) tiers.end[i] = ends[i], tiers.centroids[i] = centroids[i];
  for (int r = 0; r < 3; ++r) {
    const RowSharding sharding{20, 3, r};
    const Tiers local = sharding.local(tiers);
    for (int64_t l = 0; l < sharding.local_rows(); ++l)
      EXPECT_EQ(local.limit(l), tiers.limit(sharding.global(l))) << "rank " << r << " row " << l;
  }
}

class ExchangeOpsTest : public OnEveryBackend {};

/// Rows that owners give and others leave 0 add up to every row, to the bit.
TEST_P(ExchangeOpsTest, OwnedRowsAddUp) {
  constexpr int64_t kRows = 11, kDim = 5;
  constexpr int kRanks = 3;
  Random random(4);
  const auto table = random.normals(kRows * kDim);
  const std::vector<int32_t> ids = {10, 0, 4, 4, 7, 2};
  const Tensor<int32_t> ids_device = tensor(ids);
  std::vector<float> sum(ids.size() * kDim, 0.0f);
  for (int r = 0; r < kRanks; ++r) {
    const RowSharding sharding{kRows, kRanks, r};
    std::vector<float> share;
    for (int64_t l = 0; l < sharding.local_rows(); ++l)
      share.insert(share.end(), table.begin() + sharding.global(l) * kDim,
                   table.begin() + (sharding.global(l) + 1) * kDim);
    Tensor<int32_t> local = poisoned<int32_t>(static_cast<int64_t>(ids.size()));
    Tensor<float> rows = poisoned<float>(static_cast<int64_t>(ids.size()), kDim);
    backend().local_rows(ids_device, sharding, local);
    backend().gather(tensor(share, kDim), local, rows);
    backend().keep_owned(ids_device, sharding, rows);
    const auto host = rows.to_host();
    for (size_t i = 0; i < host.size(); ++i) sum[i] += host[i];
  }
  for (size_t i = 0; i < sum.size(); ++i)
    EXPECT_EQ(sum[i], table[ids[i / kDim] * kDim + i % kDim]) << "look-up " << i / kDim;
}

TEST_P(ExchangeOpsTest, SharesOfATableAreFilledLikeTheWhole) {
  constexpr int64_t kRows = 11, kDim = 5;
  Tensor<float> whole = poisoned<float>(kRows, kDim);
  backend().fill_normal(whole, 9, 0.1f);
  const std::vector<float> expected = whole.to_host();
  for (int r = 0; r < 3; ++r) {
    const RowSharding sharding{kRows, 3, r};
    Tensor<float> share = poisoned<float>(sharding.local_rows(), kDim);
    backend().fill_normal_rows(share, sharding, 9, 0.1f);
    const std::vector<float> got = share.to_host();
    for (int64_t l = 0; l < sharding.local_rows(); ++l)
      for (int64_t c = 0; c < kDim; ++c)
        EXPECT_EQ(got[l * kDim + c], expected[sharding.global(l) * kDim + c]);
  }
}

TEST_P(ExchangeOpsTest, RouteGroupsDistinctIdsByOwner) {
  constexpr int64_t kRows = 23;
  constexpr int kRanks = 4;
  const RowSharding sharding{kRows, kRanks, 2};
  Random random(3);
  for (const int64_t lookups : {int64_t{0}, int64_t{1}, int64_t{60}}) {
    const std::vector<int32_t> ids = random.integers<int32_t>(lookups, 0, kRows - 1);
    const Tensor<int32_t> device = tensor(ids);
    Tensor<int32_t> sharded(backend(), lookups), ends = poisoned<int32_t>(kRanks);
    Tensor<int32_t> local = poisoned<int32_t>(lookups), global = poisoned<int32_t>(lookups);
    Tensor<int32_t> counts = poisoned<int32_t>(lookups);
    UniqueBuffer buffer(backend(), std::max<int64_t>(lookups, 1));
    backend().shard_ids(device, sharding, sharded);
    const UniqueIds unique = buffer.deduplicate(sharded, sharding.most_rows() * kRanks);
    backend().route(unique, sharding, ends, local, global, counts);

    // owner -> id -> look-ups
    std::map<int, std::map<int32_t, int>> expected;
    for (const int32_t id : ids) ++expected[id % kRanks][id];
    size_t u = 0;
    for (int r = 0; r < kRanks; ++r) {
      for (const auto& [id, times] : expected[r]) {
        EXPECT_EQ(global.to_host()[u], id);
        EXPECT_EQ(local.to_host()[u], id / kRanks);
        EXPECT_EQ(counts.to_host()[u], times);
        ++u;
      }
      EXPECT_EQ(ends.to_host()[r], static_cast<int32_t>(u)) << "rank " << r;
    }
  }
}

TEST_P(ExchangeOpsTest, RepeatsAreSummedByDistinctRow) {
  const std::vector<int32_t> rows = {4, 1, 4, 2, 4}, repeats = {10, 7, 20, 1, 300};
  const Tensor<int32_t> device = tensor(rows), stands_for = tensor(repeats);
  UniqueBuffer buffer(backend(), 5);
  UniqueIds unique = buffer.deduplicate(device, 6);
  Tensor<int32_t> weights = poisoned<int32_t>(5);
  backend().sum_repeats(unique, weights);
  std::vector<int32_t> got = weights.to_host();
  got.resize(3);
  EXPECT_EQ(got, (std::vector<int32_t>{1, 1, 3})) << "without repeats each counts once";
  unique.repeats = stands_for.view();
  backend().sum_repeats(unique, weights);
  got = weights.to_host();
  got.resize(3);
  EXPECT_EQ(got, (std::vector<int32_t>{7, 1, 330}));
}

TEST_P(ExchangeOpsTest, CodesTravelAndAreDecodedWhereTheTierIsTheCodebooks) {
  constexpr int64_t kDim = 8;
  constexpr int kSubspaces = 4, kWire = 6;
  Tiers tiers;  // rows 0 to 2 are another codebook's
  tiers.count = 2;
  tiers.end[0] = 3;
  tiers.end[1] = 9;
  tiers.centroids[0] = 0;
  tiers.centroids[1] = 16;
  Random random(5);
  const std::vector<uint8_t> codes = random.integers<uint8_t>(5 * kSubspaces, 0, 15);
  const std::vector<int32_t> index = {4, 0, 2, 2}, ids = {8, 1, 3, 2};
  const std::vector<float> codebook = random.normals(16 * kDim);
  const std::vector<uint8_t> before(4 * kWire, 99);
  Tensor<uint8_t> wire = tensor(before, kWire);
  backend().codes_to_wire(tensor(codes, kSubspaces).view(), tensor(index).view(),
                          tensor(ids).view(), tiers, wire);
  const std::vector<float> untouched(4 * kDim, -7.0f);
  Tensor<float> rows = tensor(untouched, kDim);
  backend().wire_to_rows(wire.view(), tensor(ids).view(), tiers, kSubspaces,
                         tensor(codebook, kDim).view(), rows);
  const std::vector<uint8_t> sent = wire.to_host();
  const std::vector<float> got = rows.to_host();
  for (int b = 0; b < 4; ++b) {
    const bool here = ids[b] >= 3;
    for (int j = 0; j < kWire; ++j)
      EXPECT_EQ(int{sent[b * kWire + j]},
                here && j < kSubspaces ? int{codes[index[b] * kSubspaces + j]} : 99);
    for (int c = 0; c < kDim; ++c) {
      const int code = codes[index[b] * kSubspaces + c / 2];
      EXPECT_EQ(got[b * kDim + c], here ? codebook[code * kDim + c] : -7.0f);
    }
  }
}

/// A look-up that stands for many weighs as they would.
TEST_P(ExchangeOpsTest, WeightsOfRepeatsAreThoseOfLookups) {
  constexpr int64_t kRows = 6, kDim = 4;
  constexpr int kSubspaces = 2, kCentroids = 3;
  Random random(8);
  const std::vector<float> queries = random.normals(kRows * kDim);
  const std::vector<float> codebook = random.normals(kCentroids * kDim);
  const std::vector<int32_t> repeated = {5, 5, 5, 1, 4, 4}, once = {5, 1, 4}, times = {3, 1, 2};
  Tiers tiers;
  tiers.end[0] = kRows;
  tiers.centroids[0] = kCentroids;
  const Tensor<float> e = tensor(queries, kDim), c = tensor(codebook, kDim);
  const auto gradient = [&](const std::vector<int32_t>& ids, const std::vector<int32_t>* repeats) {
    const Tensor<int32_t> device = tensor(ids);
    const Tensor<int32_t> stands_for = tensor(repeats != nullptr ? *repeats : ids);
    const auto lookups = static_cast<int64_t>(ids.size());
    UniqueBuffer buffer(backend(), lookups);
    UniqueIds unique = buffer.deduplicate(device, kRows);
    Tensor<int32_t> weights(backend(), lookups);
    if (repeats != nullptr) {
      unique.repeats = stands_for.view();
      backend().sum_repeats(unique, weights);
      unique.weights = weights.view();
    }
    Tensor<float> half_norms(backend(), kCentroids, kSubspaces), decoded(backend(), lookups, kDim);
    Tensor<uint8_t> codes(backend(), lookups, kSubspaces);
    Tensor<float> sums = poisoned<float>(kCentroids, kDim);
    backend().assign_with_gradient(e, unique, c, tiers, 0.5f, {half_norms, codes}, decoded, sums);
    return sums.to_host();
  };
  EXPECT_EQ(gradient(once, &times), gradient(repeated, nullptr));
}

MGQE_ON_EVERY_BACKEND(ExchangeOpsTest);

}  // namespace
}  // namespace mgqe::testing
