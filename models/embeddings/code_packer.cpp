#include "models/embeddings/code_packer.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "models/optim/sparse_all_to_all.hpp"

namespace mgqe {
namespace {

/// exp(entropy) of the codes, mean over subspaces; counts (D, K).
double mean_perplexity(const std::vector<double>& counts, int subspaces, int64_t rows) {
  if (rows == 0) return 0.0;
  const size_t centroids = counts.size() / static_cast<size_t>(subspaces);
  double sum = 0.0;
  for (int j = 0; j < subspaces; ++j) {
    double entropy = 0.0;
    for (size_t k = 0; k < centroids; ++k) {
      const double p = counts[j * centroids + k] / static_cast<double>(rows);
      if (p > 0.0) entropy -= p * std::log(p);
    }
    sum += std::exp(entropy);
  }
  return sum / subspaces;
}

}  // namespace

PackedCodes pack_tier(Backend& backend, const TierToPack& tier, const EncodeRows& encode) {
  const int64_t begin = tier.sharding.rows_below(tier.begin);
  const int64_t rows = tier.sharding.rows_below(tier.end) - begin;
  const int bits = code_bits(tier.centroids);
  const int64_t row_bytes = packed_row_bytes(tier.subspaces, bits);
  const int64_t chunk = std::min(rows, kPackChunk);
  Tensor<uint8_t> codes(backend, chunk, tier.subspaces);
  Tensor<float> decoded(backend, chunk, tier.dim), errors(backend, chunk);
  Tensor<int32_t> counts(backend, tier.subspaces, tier.centroids);
  Tensor<double> squared_error(backend, 1);
  Tensor<uint8_t> packed;
  if (row_bytes > 0) packed = Tensor<uint8_t>(backend, rows, row_bytes);

  for (int64_t first = 0; first < rows; first += chunk) {
    const int64_t here = std::min(chunk, rows - first);
    const View<uint8_t> codes_here = codes.view().slice(0, here);
    const View<float> errors_here = errors.view().slice(0, here);
    encode(RowSet::range(begin + first, here), codes_here, decoded.view().slice(0, here),
           errors_here);
    backend.count_codes(codes_here, counts);
    backend.accumulate(errors_here, squared_error);
    if (row_bytes > 0) backend.pack_codes(codes_here, bits, packed.view().slice(first, here));
  }
  // D K counts and a sum are all that leaves the device.
  const std::vector<int32_t> counted = counts.to_host();
  std::vector<double> sums(counted.begin(), counted.end());
  MGQE_CHECK(
      std::accumulate(sums.begin(), sums.end(), 0.0) == static_cast<double>(rows * tier.subspaces),
      "codes of ", tier.centroids, " or more");
  sums.push_back(squared_error.to_host()[0]);
  if (tier.sharding.ranks > 1) sum_over_ranks(backend.communicator(), sums);
  const double error = sums.back();
  sums.pop_back();
  const int64_t all_rows = tier.end - tier.begin;
  const double values = static_cast<double>(all_rows * tier.dim);
  return {std::move(packed),
          {all_rows, tier.centroids, mean_perplexity(sums, tier.subspaces, all_rows),
           std::count(sums.begin(), sums.end(), 0.0), all_rows == 0 ? 0.0 : error / values}};
}

}  // namespace mgqe
