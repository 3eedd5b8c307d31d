#include "models/embeddings/hashed.hpp"

namespace mgqe {

HashedEmbedding::HashedEmbedding(Backend& backend, const EmbeddingSpec& spec)
    : Embedding(backend, spec.config.dim),
      scheme_(spec.config.scheme),
      rows_(spec.rows),
      table_(backend, spec.name + ".table", RowSharding::whole(spec.config.buckets),
             spec.config.dim, spec.optimizer),
      buckets_(backend, spec.max_lookups),
      unique_buffer_(backend, spec.max_lookups) {
  table_.fill_normal(spec.table_key, spec.config.init_stddev);
}

Lookup HashedEmbedding::forward(const IdBatch& ids) {
  const int64_t buckets = table_.values.rows();
  const View<int32_t> hashed = buckets_.view().slice(0, ids.ids.size());
  backend_.hash_ids(RowSet::of(ids.ids), buckets, hashed);
  unique_ = unique_buffer_.deduplicate(hashed, buckets);
  return {table_.values, hashed};
}

void HashedEmbedding::step(View<const StepState> state) { table_.step(unique_, gradient_, state); }

DevicePackedTable HashedEmbedding::pack() {
  DevicePackedTable table = packed(scheme_, RowSharding::whole(rows_), table_.dim());
  table.form.buckets = table_.rows();
  table.arrays.emplace("table", table_.stored());
  return table;
}

}  // namespace mgqe
