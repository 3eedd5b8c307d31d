// Assign: nearest centroid of every row in every subspace. Against a plain loop on the same
// threads; and, for batches of ids, with the batch sorted first against look-up by look-up.
#include <algorithm>
#include <memory>

#include "experiments/bench/batch.hpp"
#include "experiments/bench/naive_assign.hpp"
#include "experiments/bench/op_case.hpp"

namespace mgqe::bench {
namespace {

/// A table of queries, a codebook, and room for the codes and decoded rows of a row set.
struct AssignData {
  AssignData(Backend& backend, uint64_t seed, int64_t rows, int64_t encoded, int64_t D, int64_t K)
      : queries(backend, rows, kDim),
        codebook(backend, K, kDim),
        half_norms(backend, K, D),
        codes(backend, encoded, D),
        decoded(backend, encoded, kDim) {
    backend.fill_normal(queries, stream_key(seed, RandomStream::kItemTable), 1.0f);
    backend.fill_normal(codebook, stream_key(seed, RandomStream::kItemCodebook), 1.0f);
    backend.half_norms(codebook, static_cast<int>(D), half_norms);
  }
  void assign(Backend& backend, RowSet rows, const Tiers& tiers) {
    backend.assign(queries, rows, codebook, half_norms, tiers, codes, decoded, {});
  }

  Tensor<float> queries, codebook, half_norms;
  Tensor<uint8_t> codes;
  Tensor<float> decoded;
};

Alternative naive_alternative(const AssignData& data) {
  auto naive = std::make_shared<NaiveAssign>(data.queries.to_host(), data.codebook.to_host(), kDim,
                                             data.codes.cols());
  return {"plain loop", [naive] { naive->run(); }};
}

/// All rows of a small table, one tier.
OpCase whole_table(int64_t rows, int64_t D, int64_t K) {
  const auto prepare = [=](Backend& backend, uint64_t seed) {
    auto data = std::make_shared<AssignData>(backend, seed, rows, rows, D, K);
    Tiers tiers;
    tiers.end[0] = rows;
    tiers.centroids[0] = static_cast<int>(K);
    Workload work{[=, &backend] { data->assign(backend, RowSet::range(0, rows), tiers); },
                  assign_cost(rows, rows * K, kDim, D, K, false),
                  {}};
    if (backend.name() == "cpu") work.alternatives.push_back(naive_alternative(*data));
    return work;
  };
  return {"assign", {{"rows", rows}, {"d", kDim}, {"D", D}, {"K", K}}, prepare};
}

/// The same search over the look-ups in their order, those of a tier together: what the tiers bring
/// without deduplication.
std::function<void()> grouped_lookups(Backend& backend, std::shared_ptr<AssignData> data,
                                      const Batch& batch) {
  const Tiers tiers = head_and_tail(batch.rows);
  std::vector<int32_t> ids = batch.host_lookups;
  std::stable_partition(ids.begin(), ids.end(), [&](int32_t id) { return tiers.tier_of(id) == 0; });
  auto grouped = std::make_shared<Tensor<int32_t>>(backend, std::span<const int32_t>(ids));
  return [=, &backend] {
    data->assign(backend, RowSet{grouped->data(), nullptr, 0, grouped->rows()}, tiers);
  };
}

/// A batch of ids over a large table in two tiers.
OpCase batch_of_ids(const Sizes& sizes, const std::string& law, bool deduplicated) {
  constexpr int64_t kSubspaces = 8, kCentroids = 256;
  const int64_t n = sizes.table_rows, B = sizes.batch;
  const auto prepare = [=](Backend& backend, uint64_t seed) {
    auto data = std::make_shared<AssignData>(backend, seed, n, B, kSubspaces, kCentroids);
    auto batch = std::make_shared<Batch>(backend, law, n, B, seed);
    const Tiers tiers = head_and_tail(n);
    const std::vector<int32_t>& ids = deduplicated ? batch->host_distinct : batch->host_lookups;
    const auto each_lookup = [=, &backend] {
      data->assign(backend, RowSet{batch->lookups.data(), nullptr, 0, B}, tiers);
    };
    const auto each_distinct = [=, &backend] {
      data->assign(backend, RowSet::of(batch->unique()), tiers);
    };
    Workload work{each_lookup,
                  assign_cost(static_cast<double>(ids.size()),
                              static_cast<double>(searched_centroids(tiers, ids)), kDim, kSubspaces,
                              kCentroids, true),
                  {}};
    if (deduplicated) {
      work.run = each_distinct;
      work.alternatives = {{"each look-up", each_lookup},
                           {"look-ups in tier groups", grouped_lookups(backend, data, *batch)}};
    }
    return work;
  };
  return {deduplicated ? "assign distinct ids" : "assign each look-up",
          {{"B", B}, {"n", n}, {"ids", law}, {"d", kDim}, {"D", kSubspaces}, {"K", "256/64"}},
          prepare};
}

}  // namespace

void add_assign_cases(const Sizes& sizes, std::vector<OpCase>& cases) {
  for (const int64_t D : {8, 16, 32})
    for (const int64_t K : {256, 64}) cases.push_back(whole_table(sizes.batch, D, K));
  for (const std::string law : {"zipf", "uniform"})
    for (const bool deduplicated : {true, false})
      cases.push_back(batch_of_ids(sizes, law, deduplicated));
}

}  // namespace mgqe::bench
