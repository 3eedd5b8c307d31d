#include "models/embeddings/full.hpp"

namespace mgqe {

FullEmbedding::FullEmbedding(Backend& backend, const EmbeddingSpec& spec)
    : table_(backend, spec.name + ".table", spec.rows, spec.config.dim, spec.optimizer) {
  backend.fill_normal(table_.values, spec.table_key, static_cast<float>(spec.config.init_stddev));
}

Lookup FullEmbedding::forward(const IdBatch& ids) {
  unique_ = ids.unique;
  return {table_.values, ids.ids};
}

void FullEmbedding::backward(View<const float> gradient, View<const StepState> state) {
  table_.step(unique_, gradient, state);
}

PackedTable FullEmbedding::pack() {
  PackedTable packed;
  packed.scheme = "full";
  packed.rows = table_.values.rows();
  packed.dim = table_.values.cols();
  packed.arrays.emplace("table", HostArray(table_.values.to_host(), {packed.rows, packed.dim}));
  return packed;
}

}  // namespace mgqe
