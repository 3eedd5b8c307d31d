#include "models/embeddings/dealt.hpp"

#include <numeric>

namespace mgqe {
namespace {

EmbeddingSpec share_of(EmbeddingSpec spec, const RowExchange& exchange) {
  spec.dealing = exchange.dealing();
  spec.max_lookups = exchange.max_served();
  return spec;
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
}

Lookup DealtEmbedding::forward(const IdBatch& ids) {
  const View<const int32_t> served_ids = exchange_.served_ids();
  const View<uint8_t> served = served_.view().slice(0, served_ids.size());
  const View<uint8_t> asked = asked_.view().slice(0, exchange_.asked_rows());
  const Lookup share = share_->forward({served_ids, exchange_.served(), ids.lookups});
  share_->to_wire(share, served);
  exchange_.answer(served, asked);
  const View<const int32_t> asked_ids = exchange_.asked().ids.slice(0, asked.rows);
  const View<const float> rows =
      share_->from_wire(asked, asked_ids, rows_.view().slice(0, asked.rows));
  return {rows, exchange_.asked().inverse};
}

void DealtEmbedding::backward(View<const float> gradient, View<const StepState> state) {
  UniqueIds summed = exchange_.asked();  // distinct id number u writes row u
  summed.ids = positions_.view().slice(0, gradient.rows);
  backend_.sum_gradients(summed, gradient, sums_);
  const View<float> of_served = gradient_.view().slice(0, exchange_.served_ids().size());
  exchange_.give_back(sums_, of_served);
  share_->backward(of_served, state);
}

}  // namespace mgqe
