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

PackedTable FullEmbedding::pack() {
  PackedTable packed;
  packed.scheme = "full";
  packed.rows = sharding_.rows;
  packed.dim = table_.dim();
  packed.arrays.emplace(
      "table", HostArray(collect_table(backend_.communicator(), sharding_, table_.to_host()),
                         {packed.rows, packed.dim}));
  return packed;
}

}  // namespace mgqe
