#include "models/embeddings/sharded.hpp"

#include <numeric>

namespace mgqe {
namespace {

EmbeddingSpec share_of(EmbeddingSpec spec, const SparseAllToAll& exchange) {
  spec.sharding = exchange.sharding();
  spec.max_lookups = exchange.max_owned();
  return spec;
}

/// x (n, d) as rows (n, W) of bytes.
template <class T>
View<uint8_t> row_bytes(View<T> x) {
  return {reinterpret_cast<uint8_t*>(x.data), x.rows, x.cols * static_cast<int64_t>(sizeof(T))};
}

}  // namespace

ShardedEmbedding::ShardedEmbedding(Backend& backend, EmbeddingSpec spec, SparseAllToAll& exchange)
    : Embedding(backend, spec.config.dim),
      exchange_(exchange),
      share_(make_embedding(backend, share_of(spec, exchange))),
      owned_(backend, exchange.max_owned(), share_->wire().row_bytes()),
      requests_(backend, spec.max_lookups, share_->wire().row_bytes()),
      rows_(backend, spec.max_lookups, spec.config.dim),
      sums_(backend, spec.max_lookups, spec.config.dim),
      gradient_(backend, exchange.max_owned(), spec.config.dim),
      positions_(backend, spec.max_lookups) {
  std::vector<int32_t> positions(static_cast<size_t>(spec.max_lookups));
  std::iota(positions.begin(), positions.end(), 0);
  positions_.assign(positions);
  if (!spec.optimizer.bfloat16_gradients) return;
  narrow_sums_ = Tensor<Bfloat16>(backend, sums_.rows(), sums_.cols());
  narrow_gradient_ = Tensor<Bfloat16>(backend, gradient_.rows(), gradient_.cols());
}

void ShardedEmbedding::send_rows(const IdBatch& ids) {
  const View<const int32_t> owned_ids = exchange_.owned_ids();
  const View<uint8_t> owned = owned_.view().slice(0, owned_ids.size());
  const Lookup share = share_->forward({owned_ids, exchange_.owned(), ids.lookups});
  share_->wire().encode(share, owned);
  exchange_.begin_answer(owned, requests_.view().slice(0, exchange_.request_rows()));
}

Lookup ShardedEmbedding::forward(const IdBatch&) {
  exchange_.finish();
  const View<uint8_t> requested = requests_.view().slice(0, exchange_.request_rows());
  const View<const int32_t> request_ids = exchange_.requests().ids.slice(0, requested.rows);
  const View<const float> rows =
      share_->wire().decode(requested, request_ids, rows_.view().slice(0, requested.rows));
  return {rows, exchange_.requests().inverse};
}

void ShardedEmbedding::send_gradient(View<const float> gradient) {
  UniqueIds summed = exchange_.requests();  // distinct id number u writes row u
  summed.ids = positions_.view().slice(0, gradient.rows);
  backend_.sum_gradients(summed, gradient, sums_);
  const View<float> sums = sums_.view().slice(0, exchange_.request_rows());
  if (narrow_sums_.size() > 0) {
    const View<Bfloat16> narrow_sums = narrow_sums_.view().slice(0, sums.rows);
    backend_.narrow(sums, narrow_sums);
    exchange_.begin_give_back(row_bytes(narrow_sums), row_bytes(narrow_owned_gradient()));
  } else {
    exchange_.begin_give_back(row_bytes(sums), row_bytes(owned_gradient()));
  }
  share_->prepare_backward();
}

void ShardedEmbedding::backward(View<const float>) {
  exchange_.finish();
  const View<float> gradient = owned_gradient();
  if (narrow_sums_.size() > 0)
    backend_.widen_rows(narrow_owned_gradient(), RowSet::range(0, gradient.rows), gradient);
  share_->backward(gradient);
}

}  // namespace mgqe
