// Options of DPQ training against their formulas in double: batch-normalized distances and a
// k-means start. The commitment loss is checked by gradients in quantized_schemes_test.cpp.
#include "host/engine/functors/quantizer_functors.hpp"
#include "models/embeddings/quantizer.hpp"
#include "tests/support/quantized_testing.hpp"

namespace mgqe::testing {
namespace {

using reference::Matrix;

/// Mean and variance of the distances to centroid k, over look-ups and subspaces.
struct Moments1 {
  double mean = 0.0, variance = 1.0;
};

class QuantizerOptions : public QuantizedFixture {
 protected:
  /// Moments by centroid index, of the look-ups whose tier may use it; keys: indices that any may.
  std::map<int, Moments1> moments_of(const std::vector<int32_t>& ids, const std::string& codebook,
                                     const std::map<std::string, std::vector<float>>& all) {
    std::map<int, std::vector<double>> distances;
    const Matrix e = reference::widen(all.at("t.queries")), c = reference::widen(all.at(codebook));
    for (const int32_t id : ids) {
      if (codebook_name(id) != codebook) continue;
      const int w = static_cast<int>(kTableDim) / subspaces(id);
      for (int k = 0; k < limit(id); ++k)
        for (int j = 0; j < subspaces(id); ++j)
          distances[k].push_back(
              reference::squared_distance(&e[id * kTableDim], &c[k * kTableDim], j, w));
    }
    std::map<int, Moments1> moments;
    for (const auto& [k, values] : distances) {
      Moments1 m{0.0, 0.0};
      for (const double x : values) m.mean += x / static_cast<double>(values.size());
      for (const double x : values)
        m.variance += (x - m.mean) * (x - m.mean) / static_cast<double>(values.size());
      moments[k] = m;
    }
    return moments;
  }
  static double normalized(double distance, const Moments1& m) {
    return (distance - m.mean) / std::sqrt(m.variance + 1e-3);
  }
  /// The row's codes have the least normalized distance; returns in how many subspaces the plain
  /// distance would have chosen another.
  int expect_least(const float* row, int32_t id, const std::map<int, Moments1>& moments,
                   const std::map<std::string, std::vector<float>>& all) {
    const std::vector<float>& codebook = all.at(codebook_name(id));
    const Matrix e = reference::widen(all.at("t.queries")), c = reference::widen(codebook);
    const auto codes = codes_of(row, id, codebook);
    const int w = static_cast<int>(kTableDim) / subspaces(id);
    int changed = 0;
    for (int j = 0; j < subspaces(id); ++j) {
      const auto score = [&](int k) {
        return normalized(reference::squared_distance(&e[id * kTableDim], &c[k * kTableDim], j, w),
                          moments.at(k));
      };
      double least = INFINITY;
      for (int k = 0; k < limit(id); ++k) least = std::min(least, score(k));
      // Distances up to about 16 w are rounded, then divided by no less than sqrt(1e-3) = 0.03.
      EXPECT_LE(score(codes[j]) - least, 16 / 0.03 * sum_tolerance(2 * w)) << "id " << id;
      changed += codes[j] != reference::nearest(&e[id * kTableDim], c, limit(id), kTableDim, j, w);
    }
    return changed;
  }
};

TEST_P(QuantizerOptions, NormalizedDistancesChooseTheCodes) {
  for (EmbeddingConfig config : vector_quantized_configs())
    for (const Grouping grouping : {Grouping::kTier, Grouping::kLookup}) {
      config.distance_bn = DistanceBn::kTf;
      config.grouping = grouping;
      SCOPED_TRACE(label(config));
      make(config);
      const auto ids = Random(3).integers<int32_t>(kMaxLookups, 0, kTableRows - 1);
      const auto rows = forward(ids);
      const auto all = arrays();
      int changed = 0;
      for (size_t b = 0; b < ids.size(); ++b)
        changed += expect_least(&rows[b * kTableDim], ids[b],
                                moments_of(ids, codebook_name(ids[b]), all), all);
      EXPECT_GT(changed, 0) << "normalization that changes no code is not tested";
    }
}

TEST_P(QuantizerOptions, RunningMomentsFollowBatchesAndServe) {
  for (EmbeddingConfig config : vector_quantized_configs()) {
    config.distance_bn = DistanceBn::kTf;
    SCOPED_TRACE(label(config));
    make(config);
    std::map<std::string, std::map<int, Moments1>> running;
    for (int step = 0; step < 4; ++step) {
      // Some batches without the head: what no look-up may use keeps its running moments.
      const auto ids = Random(step).integers<int32_t>(kMaxLookups, step % 2 == 1 ? 6 : 0, 59);
      const auto before = arrays();
      forward(ids);
      backward(Random(step + 50).normals(kMaxLookups * kTableDim, 0.1f));
      for (const int32_t id : {0, 6, 30}) {
        const std::string name = codebook_name(id);
        for (int k = 0; k < limit(id); ++k) running[name].try_emplace(k);
      }
      for (auto& [name, by_index] : running)
        for (const auto& [k, batch] : moments_of(ids, name, before)) {
          by_index[k].mean = 0.99 * by_index[k].mean + 0.01 * batch.mean;
          by_index[k].variance = 0.99 * by_index[k].variance + 0.01 * batch.variance;
        }
    }
    const auto all = arrays();
    for (const auto& [name, by_index] : running) {
      const std::vector<float>& got = all.at(name + ".distance_moments");
      ASSERT_EQ(got.size(), 2 * by_index.size());
      for (const auto& [k, expected] : by_index) {
        EXPECT_NEAR(got[2 * k], expected.mean, 10 * sum_tolerance(4)) << name << " " << k;
        EXPECT_NEAR(got[2 * k + 1], expected.variance, 10 * sum_tolerance(4)) << name << " " << k;
      }
    }
    const auto rows = decode_table(backend(), embedding().pack()).to_host();
    for (int32_t id = 0; id < kTableRows; ++id)
      expect_least(&rows[id * kTableDim], id, running.at(codebook_name(id)), all);
  }
}

// On a CPU the search is written anew, with centroids in lanes: codes and sums are the functors',
// bit for bit, with ties, rows that are no numbers, and tiers that are not encoded.
TEST_P(QuantizerOptions, TheNormalizedSearchHasTheBitsOfItsFunctors) {
  if (backend().name() != "cpu") GTEST_SKIP() << "runs the functors themselves";
  constexpr int64_t kRows = 90, kSubspaces = 4;
  for (const int64_t width : {1, 2, 3, 4, 8})
    for (const int centroids : {1, 5, 16, 100, 256})
      for (const bool whole_numbers : {false, true}) {
        SCOPED_TRACE(detail::concat("w ", width, ", K ", centroids, ", ties ", whole_numbers));
        const int64_t dim = width * kSubspaces;
        Random random(static_cast<uint64_t>(width * 1000 + centroids));
        const auto draw = [&](int64_t n) {
          return whole_numbers ? random.integers<float>(n, -2, 2) : random.normals(n);
        };
        auto values = draw(kRows * dim);
        values[0] = NAN;
        values[static_cast<size_t>(dim)] = INFINITY;
        const Tensor<float> queries = tensor(values, dim),
                            codebook = tensor(draw(centroids * dim), dim);
        std::vector<float> means_and_variances;
        for (int k = 0; k < centroids; ++k)
          means_and_variances.insert(
              means_and_variances.end(),
              {0.1f * static_cast<float>(k % 3), 1.0f + 0.5f * static_cast<float>(k % 2)});
        const Tensor<float> moments = tensor(means_and_variances, 2);
        Tiers tiers;
        tiers.count = 3;
        const int ends[] = {20, 50, kRows}, limits[] = {centroids, 0, (centroids + 1) / 2};
        for (int i = 0; i < 3; ++i) {
          tiers.end[i] = ends[i];
          tiers.centroids[i] = limits[i];
        }
        const Tensor<int32_t> ids = tensor(random.integers<int32_t>(200, 0, kRows - 1));
        UniqueBuffer buffer(backend(), ids.rows());
        const UniqueIds unique = buffer.deduplicate(ids, kRows);

        Tensor<double> sums(backend(), centroids * kSubspaces, 3),
            naive_sums(backend(), centroids * kSubspaces, 3);
        backend().distance_sums(queries, unique, tiers, codebook, sums);
        const PartialDistanceMoments sum{queries, unique, tiers, codebook, naive_sums};
        for (int64_t i = 0; i < naive_sums.rows(); ++i) sum(i);
        const auto bits = [](const auto& x) {
          const auto host = x.to_host();
          return std::string(reinterpret_cast<const char*>(host.data()),
                             host.size() * sizeof(host[0]));
        };
        if (bits(sums) != bits(naive_sums)) {  // other NaNs are as good
          const auto got = sums.to_host(), expected = naive_sums.to_host();
          for (size_t i = 0; i < got.size(); ++i)
            EXPECT_TRUE(got[i] == expected[i] || (std::isnan(got[i]) && std::isnan(expected[i])))
                << i;
        }

        for (const RowSet& rows : {RowSet::of(unique), RowSet::range(3, kRows - 3)}) {
          const int64_t capacity = rows.capacity;
          Tensor<uint8_t> codes(backend(), capacity, kSubspaces),
              naive_codes(backend(), capacity, kSubspaces);
          Tensor<float> decoded(backend(), capacity, dim), naive_decoded(backend(), capacity, dim);
          backend().assign_normalized(queries, rows, codebook, moments, tiers, codes, decoded, {});
          const AssignNormalized assign{queries, rows,        codebook,     moments,
                                        tiers,   naive_codes, naive_decoded};
          for (int64_t i = 0; i < naive_codes.size(); ++i) assign(i);
          EXPECT_EQ(codes.to_host(), naive_codes.to_host());
          EXPECT_EQ(bits(decoded), bits(naive_decoded));
        }
      }
}

TEST_P(QuantizerOptions, OtherSchemesStoreNoMoments) {
  make(quantized_config("mgqe"));
  EXPECT_EQ(arrays().count("t.codebook.distance_moments"), 0u);
}

// Whole numbers: sums are exact, so every centroid is the correctly rounded mean.
TEST_P(QuantizerOptions, AnIterationOfKmeansMovesCentroidsToTheMeansOfTheirRows) {
  const int rows = 200, dim = 8, subspaces = 4, width = 2, centroids = 10;
  Random random(7);
  const auto queries = random.integers<float>(rows * dim, -4, 4);
  auto codebook = random.integers<float>(centroids * dim, -4, 4);
  for (int q = 0; q < dim; ++q) codebook[9 * dim + q] = 1000.0f;  // no row's nearest
  Tiers tiers;
  tiers.count = 3;
  const int ends[] = {50, 120, rows}, limits[] = {10, 0, 3};
  for (int i = 0; i < 3; ++i) {
    tiers.end[i] = ends[i];
    tiers.centroids[i] = limits[i];
  }
  const Tensor<float> e = tensor(queries, dim);
  Tensor<float> got = tensor(codebook, dim);
  kmeans(backend(), e, tiers, subspaces, 1, false, got);

  const Matrix wide = reference::widen(queries), start = reference::widen(codebook);
  Matrix sums(codebook.size()), counts(codebook.size());
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < subspaces && (r < 50 || r >= 120); ++j) {
      const int k = reference::nearest(&wide[r * dim], start, r < 50 ? 10 : 3, dim, j, width);
      for (int q = j * width; q < (j + 1) * width; ++q) {
        sums[k * dim + q] += wide[r * dim + q];
        counts[k * dim + q] += 1.0;
      }
    }
  const auto values = got.to_host();
  for (size_t i = 0; i < values.size(); ++i)
    EXPECT_EQ(values[i], counts[i] > 0.0 ? static_cast<float>(sums[i] / counts[i]) : codebook[i])
        << i;
  EXPECT_EQ(values[9 * dim], 1000.0f);
}

TEST_P(QuantizerOptions, KmeansStartLowersTheDistortionOfEveryTier) {
  for (EmbeddingConfig config : vector_quantized_configs()) {
    SCOPED_TRACE(label(config));
    std::map<int, double> total;  // (e - c)^2 by iterations
    std::map<int, std::vector<TierReport>> reports;
    std::vector<float> start;
    for (const int iterations : {0, 1, 8}) {
      config.kmeans_start = iterations;
      make(config);
      if (start.empty()) start = arrays().at("t.queries");
      EXPECT_EQ(arrays().at("t.queries"), start);
      embedding().pack();
      reports[iterations] = embedding().tier_reports();
      for (const TierReport& report : reports[iterations])
        total[iterations] += report.mean_squared_error * static_cast<double>(report.rows);
    }
    EXPECT_LT(total[1], 0.95 * total[0]);
    EXPECT_LT(total[8], total[1]);
    for (size_t tier = 0; config.variant != Variant::kSharedK && tier < reports[0].size(); ++tier)
      EXPECT_LT(reports[8][tier].mean_squared_error, reports[0][tier].mean_squared_error) << tier;
  }
}

MGQE_ON_EVERY_BACKEND(QuantizerOptions);

}  // namespace
}  // namespace mgqe::testing
