#include "models/embeddings/mixed_dim.hpp"

#include <cmath>

#include "host/base/philox.hpp"

namespace mgqe {

MixedDimEmbedding::MixedDimEmbedding(Backend& backend, const EmbeddingSpec& spec)
    : Embedding(backend, spec.config.dim),
      rows_(spec.rows),
      sums_(backend, spec.max_lookups, spec.config.dim),
      lookup_numbers_(number_lookups(backend, spec.max_lookups)) {
  const Tiers tiers = make_tiers(spec.config, spec.rows);
  const int64_t dim = spec.config.dim;
  for (int t = 0; t < tiers.count; ++t) {
    const auto tier = static_cast<uint64_t>(t);
    const std::string number = std::to_string(t);
    Block block;
    block.begin = tiers.begin(t);
    block.rows = tiers.rows(t);
    block.width = spec.config.widths[tier];
    block.table = std::make_unique<TrainableTable>(backend, spec.name + ".table." + number,
                                                   RowSharding::whole(block.rows), block.width,
                                                   spec.optimizer);
    double stddev = spec.config.init_stddev;
    if (block.width < dim) {
      // A component sums w products of variance stddev^4, as of a low-rank table.
      stddev = std::sqrt(stddev / std::sqrt(static_cast<double>(block.width)));
      block.projection = std::make_unique<Trainable>(
          backend, Weights(backend, spec.name + ".projection." + number, block.width, dim),
          spec.optimizer);
      backend.fill_normal(block.projection->values(), random_u64(spec.codebook_key, tier),
                          static_cast<float>(stddev));
    }
    block.table->fill_normal(random_u64(spec.table_key, tier), stddev);
    block.ids = Tensor<int32_t>(backend, spec.max_lookups);
    block.narrow = Tensor<float>(backend, spec.max_lookups, block.width);
    block.gradient = Tensor<float>(backend, spec.max_lookups, block.width);
    block.buffer = std::make_unique<UniqueBuffer>(backend, spec.max_lookups);
    blocks_.push_back(std::move(block));
  }
}

Lookup MixedDimEmbedding::forward(const IdBatch& ids) {
  lookups_ = ids.ids.size();
  const View<float> sums = sums_.view().slice(0, lookups_);
  bool first = true;
  for (Block& block : blocks_) {
    const View<int32_t> own = block.ids.view().slice(0, lookups_);
    backend_.block_ids(ids.ids, block.begin, block.rows, own);
    block.unique = block.buffer->deduplicate(own, block.rows + 1);
    backend_.leave_out_last(block.unique, static_cast<int32_t>(block.rows));  // other blocks' ids
    const View<float> narrow = block.narrow.view().slice(0, lookups_);
    backend_.block_rows(block.table->values, RowSet::of(ids.ids), block.begin, narrow);
    if (block.projection != nullptr)
      backend_.matmul(narrow, block.projection->values(), sums, !first);
    else if (first)
      backend_.copy_values(narrow, sums);
    else
      backend_.add(sums, narrow, sums);
    first = false;
  }
  return {sums, lookup_numbers_.view().slice(0, lookups_)};
}

void MixedDimEmbedding::backward(View<const float> gradient) {
  for (Block& block : blocks_) {
    const View<float> narrow = block.gradient.view().slice(0, lookups_);
    if (block.projection == nullptr) {
      backend_.copy_values(gradient, narrow);
      continue;
    }
    backend_.matmul(gradient, transposed(block.projection->values()), narrow);
    backend_.matmul(transposed(block.narrow.view().slice(0, lookups_)), gradient,
                    block.projection->gradient);
  }
}

void MixedDimEmbedding::step(View<const StepState> state) {
  for (Block& block : blocks_) {
    block.table->step(block.unique, block.gradient.view().slice(0, lookups_), state);
    if (block.projection != nullptr) block.projection->step(state);
  }
}

DevicePackedTable MixedDimEmbedding::pack() {
  DevicePackedTable table = packed("mixed_dim", RowSharding::whole(rows_), sums_.cols());
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const Block& block = blocks_[i];
    const std::string number = std::to_string(i);
    table.form.blocks.push_back({block.begin + block.rows, block.width});
    table.arrays.emplace("table." + number, block.table->stored());
    if (block.projection != nullptr)
      table.arrays.emplace("projection." + number,
                           DeviceArray::borrow<float>(block.projection->values().view()));
  }
  return table;
}

void MixedDimEmbedding::visit(const TensorVisitor& visitor) {
  for (const Block& block : blocks_) {
    block.table->visit(visitor);
    if (block.projection != nullptr) block.projection->visit(visitor);
  }
}

}  // namespace mgqe
