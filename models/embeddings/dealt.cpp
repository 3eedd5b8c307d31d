#include "models/embeddings/dealt.hpp"

#include <numeric>

namespace mgqe {
namespace {

EmbeddingSpec share_of(EmbeddingSpec spec, const RowExchange& exchange) {
  spec.dealing = exchange.dealing();
  spec.max_lookups = exchange.max_served();
  return spec;
}

/// x (n, d) as rows (n, W) of bytes.
template <class T>
View<uint8_t> row_bytes(View<T> x) {
  return {reinterpret_cast<uint8_t*>(x.data), x.rows, x.cols * static_cast<int64_t>(sizeof(T))};
}

}  // namespace

DealtEmbedding::DealtEmbedding(Backend& backend, EmbeddingSpec spec, RowExchange& exchange)
    : Embedding(backend),
      exchange_(exchange),
      share_(make_embedding(backend, share_of(spec, exchange))),
      served_(backend, exchange.max_served(), share_->wire_bytes()),
      asked_(backend, spec.max_lookups, share_->wire_bytes()),
      rows_(backend, spec.max_lookups, spec.config.dim),
      sums_(backend, spec.max_lookups, spec.config.dim),
      gradient_(backend, exchange.max_served(), spec.config.dim),
      positions_(backend, spec.max_lookups) {
  std::vector<int32_t> positions(static_cast<size_t>(spec.max_lookups));
  std::iota(positions.begin(), positions.end(), 0);
  positions_.assign(positions);
  if (!spec.optimizer.bfloat16_gradients) return;
  narrow_sums_ = Tensor<Bfloat16>(backend, sums_.rows(), sums_.cols());
  narrow_gradient_ = Tensor<Bfloat16>(backend, gradient_.rows(), gradient_.cols());
}

void DealtEmbedding::send_rows(const IdBatch& ids) {
  const View<const int32_t> served_ids = exchange_.served_ids();
  const View<uint8_t> served = served_.view().slice(0, served_ids.size());
  const Lookup share = share_->forward({served_ids, exchange_.served(), ids.lookups});
  share_->to_wire(share, served);
  exchange_.begin_answer(served, asked_.view().slice(0, exchange_.asked_rows()));
}

Lookup DealtEmbedding::forward(const IdBatch&) {
  exchange_.finish();
  const View<uint8_t> asked = asked_.view().slice(0, exchange_.asked_rows());
  const View<const int32_t> asked_ids = exchange_.asked().ids.slice(0, asked.rows);
  const View<const float> rows =
      share_->from_wire(asked, asked_ids, rows_.view().slice(0, asked.rows));
  return {rows, exchange_.asked().inverse};
}

void DealtEmbedding::send_gradient(View<const float> gradient) {
  UniqueIds summed = exchange_.asked();  // distinct id number u writes row u
  summed.ids = positions_.view().slice(0, gradient.rows);
  backend_.sum_gradients(summed, gradient, sums_);
  const View<float> sums = sums_.view().slice(0, exchange_.asked_rows());
  if (narrow_sums_.size() > 0) {
    const View<Bfloat16> narrow_sums = narrow_sums_.view().slice(0, sums.rows);
    backend_.narrow(sums, narrow_sums);
    exchange_.begin_give_back(row_bytes(narrow_sums), row_bytes(narrow_served_gradient()));
  } else {
    exchange_.begin_give_back(row_bytes(sums), row_bytes(served_gradient()));
  }
  share_->prepare_backward();
}

void DealtEmbedding::backward(View<const float>, View<const StepState> state) {
  exchange_.finish();
  const View<float> gradient = served_gradient();
  if (narrow_sums_.size() > 0)
    backend_.widen_rows(narrow_served_gradient(), RowSet::range(0, gradient.rows), gradient);
  share_->backward(gradient, state);
}

}  // namespace mgqe
