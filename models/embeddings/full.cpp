#include "models/embeddings/full.hpp"

#include "models/optim/sparse_all_to_all.hpp"

namespace mgqe {

FullEmbedding::FullEmbedding(Backend& backend, const EmbeddingSpec& spec)
    : Embedding(backend, spec.config.dim),
      sharding_(spec.rows_here()),
      table_(backend, spec.name + ".table", sharding_, spec.config.dim, spec.optimizer) {
  table_.reserve(spec.max_lookups);
  table_.fill_normal(spec.table_key, spec.config.init_stddev);
}

Lookup FullEmbedding::forward(const IdBatch& ids) {
  unique_ = ids.unique;
  rank_rows_ = ids.rank_rows;
  const View<const float> rows = table_.fetch(unique_);
  return {rows, unique_.gathered ? View<const int32_t>(unique_.inverse) : ids.ids};
}

void FullEmbedding::step(View<const StepState> state) {
  table_.step(unique_, gradient_, state, rank_rows_);
}

DevicePackedTable FullEmbedding::pack() {
  DevicePackedTable table = packed("full", sharding_, table_.dim());
  table.arrays.emplace("table", table_.stored());
  return table;
}

}  // namespace mgqe
