#include <algorithm>

#include "models/embeddings/quantizer.hpp"
#include "models/optim/sparse_all_to_all.hpp"

namespace mgqe {
namespace {

/// Rows assigned and downloaded at a time.
constexpr int64_t kChunk = 1 << 16;

/// Sums of the rows that chose each centroid, and their number.
class CentroidSums {
 public:
  CentroidSums(int64_t centroids, int64_t dim, int subspaces)
      : dim_(dim),
        subspaces_(subspaces),
        sums_(static_cast<size_t>(centroids * dim)),
        counts_(static_cast<size_t>(centroids) * subspaces) {}

  /// rows (count, d), codes (count, D).
  void add(const std::vector<float>& rows, const std::vector<uint8_t>& codes, int64_t count) {
    const int64_t width = dim_ / subspaces_;
    for (int64_t r = 0; r < count; ++r)
      for (int64_t j = 0; j < subspaces_; ++j) {
        const int64_t k = codes[r * subspaces_ + j];
        ++counts_[k * subspaces_ + j];
        for (int64_t c = j * width; c < (j + 1) * width; ++c)
          sums_[k * dim_ + c] += rows[r * dim_ + c];
      }
  }
  void add_other_ranks(Communicator& ranks) {
    sum_over_ranks(ranks, sums_);
    sum_over_ranks(ranks, counts_);
  }
  /// Chosen centroids become the means of their rows.
  void move(std::vector<float>& codebook) const {
    for (size_t i = 0; i < codebook.size(); ++i) {
      const int64_t k = static_cast<int64_t>(i) / dim_, c = static_cast<int64_t>(i) % dim_;
      const double count = counts_[k * subspaces_ + c * subspaces_ / dim_];
      if (count > 0.0) codebook[i] = static_cast<float>(sums_[i] / count);
    }
  }

 private:
  int64_t dim_, subspaces_;
  std::vector<double> sums_;    // (K, d)
  std::vector<double> counts_;  // (K, D), whole numbers
};

}  // namespace

void kmeans(Backend& backend, View<const float> queries, const Tiers& tiers, int subspaces,
            int iterations, bool sharded, Tensor<float>& codebook) {
  const int64_t dim = queries.cols, chunk = std::min(kChunk, queries.rows);
  Tensor<float> half_norms(backend, codebook.rows(), subspaces), decoded(backend, chunk, dim);
  Tensor<uint8_t> codes(backend, chunk, subspaces);
  std::vector<float> rows(static_cast<size_t>(chunk * dim));
  for (int iteration = 0; iteration < iterations; ++iteration) {
    backend.half_norms(codebook, subspaces, half_norms);
    CentroidSums sums(codebook.rows(), dim, subspaces);
    for (int tier = 0; tier < tiers.count; ++tier) {
      if (tiers.centroids[tier] == 0) continue;
      for (int64_t first = tiers.begin(tier); first < tiers.end[tier]; first += chunk) {
        const int64_t count = std::min(chunk, tiers.end[tier] - first);
        backend.assign(queries, RowSet::range(first, count), codebook, half_norms, tiers,
                       codes.view().slice(0, count), decoded.view().slice(0, count), {});
        backend.download(rows.data(), queries.row(first),
                         sizeof(float) * static_cast<size_t>(count * dim));
        sums.add(rows, codes.to_host(), count);
      }
    }
    if (sharded) sums.add_other_ranks(backend.communicator());
    std::vector<float> moved = codebook.to_host();
    sums.move(moved);
    codebook.assign(moved);
  }
}

}  // namespace mgqe
