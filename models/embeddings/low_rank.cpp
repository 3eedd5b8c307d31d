#include "models/embeddings/low_rank.hpp"

#include <cmath>

#include "models/optim/sparse_all_to_all.hpp"

namespace mgqe {

LowRankEmbedding::LowRankEmbedding(Backend& backend, const EmbeddingSpec& spec)
    : Embedding(backend, spec.config.dim),
      sharding_(spec.rows_here()),
      factor_(backend, spec.name + ".factor", sharding_, spec.config.rank, spec.optimizer),
      basis_(backend, Weights(backend, spec.name + ".basis", spec.config.rank, spec.config.dim),
             spec.optimizer),
      factors_(backend, spec.max_lookups, spec.config.rank),
      rows_(backend, spec.max_lookups, spec.config.dim),
      factor_gradient_(backend, spec.max_lookups, spec.config.rank),
      lookup_numbers_(number_lookups(backend, spec.max_lookups)) {
  // A component of a row sums r products of variance stddev^4, so it starts as init_stddev says.
  const double stddev =
      std::sqrt(spec.config.init_stddev / std::sqrt(static_cast<double>(spec.config.rank)));
  factor_.fill_normal(spec.table_key, stddev);
  backend.fill_normal(basis_.values(), spec.codebook_key, static_cast<float>(stddev));
}

Lookup LowRankEmbedding::forward(const IdBatch& ids) {
  unique_ = ids.unique;
  rank_rows_ = ids.rank_rows;
  const int64_t lookups = ids.ids.size();
  const View<float> factors = factors_.view().slice(0, lookups);
  const View<float> rows = rows_.view().slice(0, lookups);
  backend_.gather(factor_.values, ids.ids, factors);
  backend_.matmul(factors, basis_.values(), rows);
  return {rows, lookup_numbers_.view().slice(0, lookups)};
}

void LowRankEmbedding::backward(View<const float> gradient) {
  const View<float> factors = factors_.view().slice(0, gradient.rows);
  const View<float> factor_gradient = factor_gradient_.view().slice(0, gradient.rows);
  backend_.matmul(gradient, transposed(basis_.values()), factor_gradient);
  backend_.matmul(transposed(factors), gradient, basis_.gradient);
}

void LowRankEmbedding::step(View<const StepState> state) {
  const View<const float> factor_gradient = factor_gradient_.view().slice(0, unique_.ids.rows);
  factor_.step(unique_, factor_gradient, state, rank_rows_);
  basis_.step(state);
}

DevicePackedTable LowRankEmbedding::pack() {
  DevicePackedTable table = packed("low_rank", sharding_, basis_.values().cols());
  table.form.rank = basis_.values().rows();
  table.arrays.emplace("factor", factor_.stored());
  table.arrays.emplace("basis", DeviceArray::borrow<float>(basis_.values().view()));
  return table;
}

void LowRankEmbedding::visit(const TensorVisitor& visitor) {
  factor_.visit(visitor);
  basis_.visit(visitor);
}

}  // namespace mgqe
