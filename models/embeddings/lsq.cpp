#include "models/embeddings/lsq.hpp"

#include <cmath>
#include <numbers>

#include "models/optim/sparse_all_to_all.hpp"

namespace mgqe {

double first_lsq_step(double mean_magnitude, int bits) {
  return 2.0 * mean_magnitude / std::sqrt(static_cast<double>((1 << (bits - 1)) - 1));
}

LsqEmbedding::LsqEmbedding(Backend& backend, const EmbeddingSpec& spec)
    : Embedding(backend, spec.config.dim),
      bits_(spec.config.bits),
      sharding_(spec.rows_here()),
      table_(backend, spec.name + ".table", sharding_, spec.config.dim, spec.optimizer),
      log_steps_(backend, Weights(backend, spec.name + ".log_steps", spec.config.dim),
                 spec.optimizer),
      low_(backend, spec.config.dim),
      high_(backend, spec.config.dim),
      rows_(backend, spec.max_lookups, spec.config.dim),
      row_gradient_(backend, spec.max_lookups, spec.config.dim),
      terms_(backend, spec.max_lookups, spec.config.dim),
      lookup_numbers_(number_lookups(backend, spec.max_lookups)) {
  table_.reserve(spec.max_lookups);
  table_.fill_normal(spec.table_key, spec.config.init_stddev);
  // E|x| of a normal distribution.
  const double step =
      first_lsq_step(spec.config.init_stddev * std::sqrt(2.0 / std::numbers::pi), bits_);
  log_steps_.values().assign(
      std::vector<float>(static_cast<size_t>(spec.config.dim), static_cast<float>(std::log(step))));
}

Lookup LsqEmbedding::forward(const IdBatch& ids) {
  ids_ = ids.ids;
  unique_ = ids.unique;
  rank_rows_ = ids.rank_rows;
  const View<float> rows = rows_.view().slice(0, ids_.size());
  backend_.step_bounds(log_steps_.values(), bits_, low_, high_);
  backend_.round_to_steps({table_.values, ids_}, low_, high_, bits_, rows);
  return {rows, lookup_numbers_.view().slice(0, ids_.size())};
}

void LsqEmbedding::backward(View<const float> gradient) {
  const View<float> terms = terms_.view().slice(0, gradient.rows);
  backend_.round_to_steps_backward({table_.values, ids_}, low_, high_, bits_, gradient,
                                   row_gradient_.view().slice(0, gradient.rows), terms);
  backend_.sum_rows(terms, log_steps_.gradient);
}

void LsqEmbedding::step(View<const StepState> state) {
  table_.step(unique_, row_gradient_.view().slice(0, ids_.size()), state, rank_rows_);
  log_steps_.step(state);
}

DevicePackedTable LsqEmbedding::pack() {
  Tensor<float> low(backend_, low_.rows()), high(backend_, high_.rows());
  backend_.step_bounds(log_steps_.values(), bits_, low, high);
  const View<const float> rows = table_.values;
  Tensor<uint8_t> cells(backend_, rows.rows, packed_row_bytes(static_cast<int>(rows.cols), bits_));
  backend_.pack_cells(rows, low, high, bits_, cells);

  DevicePackedTable table = packed("lsq", sharding_, rows.cols);
  table.form.bits = bits_;
  table.arrays.emplace("cells", std::move(cells));
  table.arrays.emplace("low", std::move(low));
  table.arrays.emplace("high", std::move(high));
  return table;
}

void LsqEmbedding::visit(const TensorVisitor& visitor) {
  table_.visit(visitor);
  log_steps_.visit(visitor);
}

}  // namespace mgqe
