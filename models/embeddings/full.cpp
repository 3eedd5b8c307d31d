#include "models/embeddings/full.hpp"

namespace mgqe {

FullEmbedding::FullEmbedding(Backend& backend, const EmbeddingSpec& spec)
    : table_(backend, spec.name + ".table", spec.rows, spec.config.dim, spec.optimizer),
      unique_buffer_(backend, spec.max_lookups) {
  backend.fill_normal(table_.values, spec.table_key, static_cast<float>(spec.config.init_stddev));
}

Lookup FullEmbedding::forward(View<const int32_t> ids) {
  ids_ = ids;
  return {table_.values, ids};
}

void FullEmbedding::backward(View<const float> gradient, View<const StepState> state) {
  table_.step(unique_buffer_.deduplicate(ids_, table_.values.rows()), gradient, state);
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
