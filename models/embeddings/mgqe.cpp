#include "models/embeddings/mgqe.hpp"

#include <algorithm>
#include <cmath>

namespace mgqe {
namespace {

/// Rows encoded at a time by pack(): bounds its extra device memory.
constexpr int64_t kPackChunk = 1 << 18;

/// How often each (subspace, centroid) is chosen.
class CodeHistogram {
 public:
  CodeHistogram(int subspaces, int centroids)
      : subspaces_(subspaces),
        centroids_(centroids),
        counts_(static_cast<size_t>(subspaces) * centroids) {}

  void add(const std::vector<uint8_t>& codes) {
    for (size_t i = 0; i < codes.size(); ++i) ++counts_[i % subspaces_ * centroids_ + codes[i]];
  }
  int64_t unused() const { return std::count(counts_.begin(), counts_.end(), 0); }
  double mean_perplexity(int64_t rows) const {
    if (rows == 0) return 0.0;
    double sum = 0.0;
    for (int j = 0; j < subspaces_; ++j) {
      double entropy = 0.0;
      for (int k = 0; k < centroids_; ++k) {
        const double p = static_cast<double>(counts_[j * centroids_ + k]) / rows;
        if (p > 0.0) entropy -= p * std::log(p);
      }
      sum += std::exp(entropy);
    }
    return sum / subspaces_;
  }

 private:
  int subspaces_, centroids_;
  std::vector<int64_t> counts_;
};

}  // namespace

MgqeEmbedding::MgqeEmbedding(Backend& backend, const EmbeddingSpec& spec)
    : backend_(backend),
      subspaces_(spec.config.subspaces),
      codebook_weight_(static_cast<float>(spec.config.codebook_weight)),
      tiers_(make_tiers(spec.config, spec.rows)),
      queries_(backend, spec.name + ".queries", spec.rows, spec.config.dim, spec.optimizer),
      codebook_(backend, spec.name + ".codebook", spec.config.centroids[0], spec.config.dim,
                spec.optimizer),
      half_norms_(backend, spec.config.centroids[0], subspaces_),
      codebook_gradient_(backend, spec.config.centroids[0], spec.config.dim),
      codes_(backend, spec.max_lookups, subspaces_),
      decoded_(backend, spec.max_lookups, spec.config.dim),
      unique_buffer_(backend, spec.max_lookups) {
  const float stddev = static_cast<float>(spec.config.init_stddev);
  backend.fill_normal(queries_.values, spec.table_key, stddev);
  backend.fill_normal(codebook_.values, spec.codebook_key, stddev);
}

Lookup MgqeEmbedding::forward(View<const int32_t> ids) {
  const int64_t lookups = ids.size(), dim = queries_.values.cols();
  unique_ = unique_buffer_.deduplicate(ids, queries_.values.rows());
  const View<uint8_t> codes = codes_.view().slice(0, lookups);
  const View<float> decoded = decoded_.view().slice(0, lookups);
  backend_.half_norms(codebook_.values, subspaces_, half_norms_);
  backend_.assign(queries_.values, RowSet::of(unique_), codebook_.values, half_norms_, tiers_,
                  codes, decoded, {});
  const float scale = 2.0f * codebook_weight_ / static_cast<float>(lookups * dim);
  backend_.codebook_gradient(queries_.values, unique_, codes, codebook_.values, scale,
                             codebook_gradient_);
  return {decoded, unique_.inverse};
}

void MgqeEmbedding::backward(View<const float> gradient, View<const StepState> state) {
  queries_.step(unique_, gradient, state);  // straight-through: d/de = d/dc
  codebook_.step(codebook_gradient_, state);
}

void MgqeEmbedding::visit(const TensorVisitor& visitor) {
  queries_.visit(visitor);
  codebook_.visit(visitor);
}

PackedTable MgqeEmbedding::pack() {
  PackedTable packed;
  packed.scheme = "mgqe";
  packed.rows = queries_.values.rows();
  packed.dim = queries_.values.cols();
  packed.subspaces = subspaces_;
  packed.tiers = tiers_;
  packed.arrays.emplace(
      "codebook", HostArray(codebook_.values.to_host(), {codebook_.values.rows(), packed.dim}));
  backend_.half_norms(codebook_.values, subspaces_, half_norms_);
  reports_.clear();
  for (int tier = 0; tier < tiers_.count; ++tier) pack_tier(tier, packed);
  return packed;
}

void MgqeEmbedding::pack_tier(int tier, PackedTable& packed) {
  const int64_t rows = tiers_.rows(tier), dim = packed.dim;
  const int limit = tiers_.centroids[tier], bits = code_bits(limit);
  const int64_t row_bytes = packed_row_bytes(subspaces_, bits);
  const int64_t chunk = std::min(rows, kPackChunk);
  Tensor<uint8_t> codes(backend_, chunk, subspaces_);
  Tensor<uint8_t> bytes(backend_, chunk * row_bytes);
  Tensor<float> decoded(backend_, chunk, dim), errors(backend_, chunk);

  CodeHistogram histogram(subspaces_, limit);
  double squared_error = 0.0;
  std::vector<uint8_t> packed_bytes;
  packed_bytes.reserve(static_cast<size_t>(rows * row_bytes));
  for (int64_t first = 0; first < rows; first += chunk) {
    const int64_t here = std::min(chunk, rows - first);
    backend_.assign(queries_.values, RowSet::range(tiers_.begin(tier) + first, here),
                    codebook_.values, half_norms_, tiers_, codes.view().slice(0, here),
                    decoded.view().slice(0, here), errors.view().slice(0, here));
    std::vector<uint8_t> host_codes = codes.to_host();
    host_codes.resize(static_cast<size_t>(here * subspaces_));
    histogram.add(host_codes);
    const std::vector<float> host_errors = errors.to_host();
    for (int64_t r = 0; r < here; ++r) squared_error += host_errors[r];
    if (bits == 0) continue;
    const View<uint8_t> target(bytes.data(), here, row_bytes);
    backend_.pack_codes(codes.view().slice(0, here), bits, target);
    const std::vector<uint8_t> host_bytes = bytes.to_host();
    packed_bytes.insert(packed_bytes.end(), host_bytes.begin(), host_bytes.begin() + target.size());
  }
  packed.arrays.emplace("codes." + std::to_string(tier),
                        HostArray(packed_bytes, {rows, row_bytes}));
  reports_.push_back({rows, limit, histogram.mean_perplexity(rows), histogram.unused(),
                      rows == 0 ? 0.0 : squared_error / static_cast<double>(rows * dim)});
}

}  // namespace mgqe
