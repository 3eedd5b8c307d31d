#include "models/embeddings/nested_codebook.hpp"

#include <algorithm>

#include "host/base/philox.hpp"
#include "models/embeddings/quantizer.hpp"

namespace mgqe {
namespace {

constexpr int kIterations = 8;
constexpr int64_t kMostSampled = 1 << 16;  // rows that k-means goes by
constexpr int64_t kChunk = 1 << 14;

/// At most kMostSampled of the rows, evenly spaced.
std::vector<float> sample(const std::vector<float>& rows, int64_t dim) {
  const int64_t n = static_cast<int64_t>(rows.size()) / dim;
  if (n <= kMostSampled) return rows;
  std::vector<float> sampled;
  for (int64_t i = 0; i < kMostSampled; ++i) {
    const auto begin = rows.begin() + i * n / kMostSampled * dim;
    sampled.insert(sampled.end(), begin, begin + dim);
  }
  return sampled;
}

Tiers one_tier(int64_t rows, int centroids) {
  Tiers tiers;
  tiers.end[0] = rows;
  tiers.centroids[0] = centroids;
  return tiers;
}

/// (n) by the first `centroids` of codebook (K, d).
std::vector<float> errors_of(Backend& backend, View<const float> rows, View<const float> codebook,
                             int subspaces) {
  const int64_t chunk = std::min(kChunk, rows.rows);
  Tensor<float> half_norms(backend, codebook.rows, subspaces), decoded(backend, chunk, rows.cols),
      errors(backend, rows.rows);
  Tensor<uint8_t> codes(backend, chunk, subspaces);
  backend.half_norms(codebook, subspaces, half_norms);
  const Tiers tiers = one_tier(rows.rows, static_cast<int>(codebook.rows));
  for (int64_t first = 0; first < rows.rows; first += chunk) {
    const int64_t count = std::min(chunk, rows.rows - first);
    backend.assign(rows, RowSet::range(first, count), codebook, half_norms, tiers,
                   codes.view().slice(0, count), decoded.view().slice(0, count),
                   errors.view().slice(first, count));
  }
  return errors.to_host();
}

}  // namespace

std::array<std::vector<float>, kTierCentroids.size()> nested_errors(Backend& backend,
                                                                    const std::vector<float>& rows,
                                                                    int64_t dim, int subspaces,
                                                                    uint64_t seed) {
  const std::vector<float> sampled = sample(rows, dim);
  const int64_t count = static_cast<int64_t>(sampled.size()) / dim;
  const Tensor<float> queries(backend, sampled, dim);
  const Tensor<float> all(backend, rows, dim);
  std::array<std::vector<float>, kTierCentroids.size()> errors;
  std::vector<float> codebook;  // as far as it is made
  for (size_t k = kTierCentroids.size(); k-- > 0;) {
    const std::vector<float> kept = codebook;
    for (int64_t c = static_cast<int64_t>(kept.size()) / dim; c < kTierCentroids[k]; ++c) {
      const auto row = static_cast<int64_t>(
          random_below(random_u64(seed, static_cast<uint64_t>(c)), static_cast<uint64_t>(count)));
      codebook.insert(codebook.end(), sampled.begin() + row * dim,
                      sampled.begin() + (row + 1) * dim);
    }
    Tensor<float> centroids(backend, codebook, dim);
    for (int iteration = 0; iteration < kIterations; ++iteration) {
      kmeans(backend, queries, one_tier(count, kTierCentroids[k]), subspaces, 1, false, centroids);
      codebook = centroids.to_host();
      std::copy(kept.begin(), kept.end(), codebook.begin());
      centroids.assign(codebook);
    }
    errors[k] = errors_of(backend, all, centroids, subspaces);
  }
  return errors;
}

}  // namespace mgqe
