#include "models/embeddings/memcom.hpp"

namespace mgqe {

MemcomEmbedding::MemcomEmbedding(Backend& backend, const EmbeddingSpec& spec)
    : Embedding(backend, spec.config.dim),
      table_(backend, spec.name + ".table", RowSharding::whole(spec.config.buckets),
             spec.config.dim, spec.optimizer),
      factors_(backend, spec.name + ".factors", RowSharding::whole(spec.rows), 1, spec.optimizer),
      buckets_(backend, spec.max_lookups),
      batch_factors_(backend, spec.max_lookups),
      factor_gradient_(backend, spec.max_lookups),
      rows_(backend, spec.max_lookups, spec.config.dim),
      row_gradient_(backend, spec.max_lookups, spec.config.dim),
      lookup_numbers_(number_lookups(backend, spec.max_lookups)),
      unique_buffer_(backend, spec.max_lookups) {
  table_.fill_normal(spec.table_key, spec.config.init_stddev);
  factors_.values.assign(std::vector<float>(static_cast<size_t>(spec.rows), 1.0f));
}

Lookup MemcomEmbedding::forward(const IdBatch& ids) {
  lookups_ = ids.ids.size();
  unique_ids_ = ids.unique;
  rank_rows_ = ids.rank_rows;
  const View<int32_t> buckets = buckets_.view().slice(0, lookups_);
  backend_.divide_ids(RowSet::of(ids.ids), table_.rows(), {}, buckets);
  unique_buckets_ = unique_buffer_.deduplicate(buckets, table_.rows());
  const View<float> factors = batch_factors_.view().slice(0, lookups_);
  const View<float> rows = rows_.view().slice(0, lookups_);
  backend_.gather(factors_.values, ids.ids, factors);
  backend_.multiply_rows(shared_rows(), factors, rows);
  return {rows, lookup_numbers_.view().slice(0, lookups_)};
}

void MemcomEmbedding::backward(View<const float> gradient) {
  backend_.row_dots(gradient, shared_rows(), factor_gradient_.view().slice(0, lookups_));
  backend_.multiply_rows({gradient, lookup_numbers_.view().slice(0, lookups_)},
                         batch_factors_.view().slice(0, lookups_),
                         row_gradient_.view().slice(0, lookups_));
}

void MemcomEmbedding::step(View<const StepState> state) {
  table_.step(unique_buckets_, row_gradient_.view().slice(0, lookups_), state);
  factors_.step(unique_ids_, factor_gradient_.view().slice(0, lookups_), state, rank_rows_);
}

DevicePackedTable MemcomEmbedding::pack() {
  DevicePackedTable table = packed("memcom", RowSharding::whole(factors_.rows()), table_.dim());
  table.form.buckets = table_.rows();
  table.arrays.emplace("table", table_.stored());
  table.arrays.emplace("factors", factors_.stored());
  return table;
}

void MemcomEmbedding::visit(const TensorVisitor& visitor) {
  table_.visit(visitor);
  factors_.visit(visitor);
}

}  // namespace mgqe
