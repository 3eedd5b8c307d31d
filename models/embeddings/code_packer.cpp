#include "models/embeddings/code_packer.hpp"

#include <algorithm>
#include <cmath>

#include "models/optim/sparse_all_to_all.hpp"

namespace mgqe {
namespace {

/// Rows encoded at a time: bounds the extra device memory.
constexpr int64_t kPackChunk = 1 << 18;

/// How often each (subspace, centroid) is chosen.
class CodeHistogram {
 public:
  CodeHistogram(int subspaces, int centroids)
      : subspaces_(subspaces),
        centroids_(centroids),
        counts_(static_cast<size_t>(subspaces) * centroids) {}

  void add_other_ranks(Communicator& ranks) { sum_over_ranks(ranks, counts_); }

  void add(const std::vector<uint8_t>& codes) {
    for (size_t i = 0; i < codes.size(); ++i) {
      MGQE_CHECK(codes[i] < centroids_, "code ", int{codes[i]}, " of ", centroids_);
      ++counts_[i % subspaces_ * centroids_ + codes[i]];
    }
  }
  int64_t unused() const { return std::count(counts_.begin(), counts_.end(), 0.0); }
  double mean_perplexity(int64_t rows) const {
    if (rows == 0) return 0.0;
    double sum = 0.0;
    for (int j = 0; j < subspaces_; ++j) {
      double entropy = 0.0;
      for (int k = 0; k < centroids_; ++k) {
        const double p = counts_[j * centroids_ + k] / static_cast<double>(rows);
        if (p > 0.0) entropy -= p * std::log(p);
      }
      sum += std::exp(entropy);
    }
    return sum / subspaces_;
  }

 private:
  int subspaces_, centroids_;
  std::vector<double> counts_;  // whole numbers
};

}  // namespace

PackedCodes pack_tier(Backend& backend, const TierToPack& tier, const EncodeRows& encode) {
  const int64_t begin = tier.sharding.rows_below(tier.begin);
  const int64_t rows = tier.sharding.rows_below(tier.end) - begin;
  const int bits = code_bits(tier.centroids);
  const int64_t row_bytes = packed_row_bytes(tier.subspaces, bits);
  const int64_t chunk = std::min(rows, kPackChunk);
  Tensor<uint8_t> codes(backend, chunk, tier.subspaces), bytes(backend, chunk * row_bytes);
  Tensor<float> decoded(backend, chunk, tier.dim), errors(backend, chunk);

  CodeHistogram histogram(tier.subspaces, tier.centroids);
  double squared_error = 0.0;
  std::vector<uint8_t> packed;
  packed.reserve(static_cast<size_t>(rows * row_bytes));
  for (int64_t first = 0; first < rows; first += chunk) {
    const int64_t here = std::min(chunk, rows - first);
    encode(RowSet::range(begin + first, here), codes.view().slice(0, here),
           decoded.view().slice(0, here), errors.view().slice(0, here));
    std::vector<uint8_t> host_codes = codes.to_host();
    host_codes.resize(static_cast<size_t>(here * tier.subspaces));
    histogram.add(host_codes);
    const std::vector<float> host_errors = errors.to_host();
    for (int64_t r = 0; r < here; ++r) squared_error += host_errors[r];
    if (bits == 0) continue;
    const View<uint8_t> target(bytes.data(), here, row_bytes);
    backend.pack_codes(codes.view().slice(0, here), bits, target);
    const std::vector<uint8_t> host_bytes = bytes.to_host();
    packed.insert(packed.end(), host_bytes.begin(), host_bytes.begin() + target.size());
  }
  const int64_t all_rows = tier.end - tier.begin;
  if (tier.sharding.ranks > 1) {
    Communicator& ranks = backend.communicator();
    histogram.add_other_ranks(ranks);
    std::vector<double> error = {squared_error};
    sum_over_ranks(ranks, error);
    squared_error = error[0];
    packed = collect_rows(ranks, tier.sharding, tier.begin, tier.end, std::move(packed), row_bytes);
  }
  const double values = static_cast<double>(all_rows * tier.dim);
  return {HostArray(packed, {all_rows, row_bytes}),
          {all_rows, tier.centroids, histogram.mean_perplexity(all_rows), histogram.unused(),
           all_rows == 0 ? 0.0 : squared_error / values}};
}

}  // namespace mgqe
