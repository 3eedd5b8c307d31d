#include "models/embeddings/dpq_sx.hpp"

#include <array>
#include <numeric>

#include "host/engine/profile_range.hpp"
#include "models/embeddings/code_packer.hpp"

namespace mgqe {
namespace {

/// Codes as the training keeps them: one byte each, which decode reads as packed.
constexpr int kByteCodes = 8;

std::vector<int32_t> count_to(int64_t last) {
  std::vector<int32_t> values(static_cast<size_t>(last) + 1);
  std::iota(values.begin(), values.end(), 0);
  return values;
}

}  // namespace

class DpqSxEmbedding::Codec final : public WireCodec {
 public:
  explicit Codec(DpqSxEmbedding& embedding) : embedding_(embedding) {}

  int64_t row_bytes() const override { return embedding_.subspaces_; }
  void encode(const Lookup& rows, View<uint8_t> wire) override {
    embedding_.backend_.codes_to_wire(embedding_.codes_, rows.index, embedding_.ids_.ids,
                                      embedding_.tiers_, wire);
  }
  View<const float> decode(View<uint8_t> wire, View<const int32_t>, View<float> rows) override {
    embedding_.backend_.decode(wire, kByteCodes, embedding_.subspaces_, embedding_.served_values(),
                               rows);
    return rows;
  }

 private:
  DpqSxEmbedding& embedding_;
};

DpqSxEmbedding::DpqSxEmbedding(Backend& backend, const EmbeddingSpec& spec)
    : Embedding(backend, spec.config.dim, std::make_unique<Codec>(*this)),
      sharding_(spec.rows_here()),
      subspaces_(spec.config.subspaces[0]),
      tiers_(make_tiers(spec.config, spec.rows)),
      queries_(backend, spec.name + ".queries", sharding_, spec.config.dim, spec.optimizer),
      keys_(backend, Weights(backend, spec.name + ".keys", tiers_.centroids[0], spec.config.dim),
            spec.optimizer),
      values_(backend,
              Weights(backend, spec.name + ".values", tiers_.centroids[0], spec.config.dim),
              spec.optimizer),
      rounded_(backend, spec.config.codebook_type, values_.values()),
      responses_(backend, spec.name, spec.config, tiers_.centroids[0]),
      codes_(backend, spec.max_lookups, subspaces_),
      chosen_keys_(backend, spec.max_lookups, spec.config.dim),
      decoded_(backend, spec.max_lookups, spec.config.dim),
      row_gradient_(backend, spec.max_lookups, spec.config.dim),
      query_gradient_(backend, spec.max_lookups, spec.config.dim),
      counting_(backend, std::span<const int32_t>(count_to(spec.max_lookups))) {
  const float stddev = static_cast<float>(spec.config.init_stddev);
  queries_.fill_normal(spec.table_key, spec.config.init_stddev);
  backend.fill_normal(keys_.values(), spec.codebook_key, stddev);
  backend.fill_normal(values_.values(), random_u64(spec.codebook_key, 0), stddev);
}

void DpqSxEmbedding::encode(RowSet rows, View<uint8_t> codes, View<float> near,
                            View<float> squared_error) {
  // A search whose half norms are offsets has the greatest score where its own is least.
  const SoftmaxKeys keys = responses_.keys(keys_.values());
  backend_.assign(queries_.values, rows, keys.keys, keys.offsets, tiers_, codes, near,
                  squared_error);
}

Lookup DpqSxEmbedding::forward(const IdBatch& ids) {
  const int64_t lookups = ids.ids.size();
  ids_ = ids;
  const View<uint8_t> codes = codes_.view().slice(0, lookups);
  const View<float> decoded = decoded_.view().slice(0, lookups);
  const ProfileRange range(backend_, "assign");
  responses_.follow_batch(queries_.values, ids.unique, keys_.values());
  encode(RowSet::of(ids.unique), codes, chosen_keys_.view().slice(0, lookups), {});
  rounded_.refresh(backend_, values_.values());
  backend_.decode(codes, kByteCodes, subspaces_, served_values(), decoded);
  return {decoded, ids.unique.inverse};
}

void DpqSxEmbedding::backward(View<const float> gradient) {
  const int64_t lookups = gradient.rows;
  const View<int32_t> counting = counting_;
  const View<int32_t> positions = counting.slice(0, lookups);
  const View<float> row_gradient = row_gradient_.view().slice(0, lookups);
  const View<float> query_gradient = query_gradient_.view().slice(0, lookups);

  UniqueIds summed = ids_.unique;  // distinct id number u writes row u
  summed.ids = positions;
  backend_.sum_gradients(summed, gradient, row_gradient);

  const SoftmaxRows rows{queries_.values, RowSet::of(ids_.unique), codes_.view().slice(0, lookups),
                         row_gradient};
  const SoftmaxGradients gradients{query_gradient, keys_.gradient, responses_.offset_gradient(),
                                   values_.gradient};
  backend_.softmax_backward(rows, responses_.keys(keys_.values()), served_values(), gradients);
  responses_.backward(queries_.values, ids_.unique, keys_.values(), gradients);
}

void DpqSxEmbedding::step(View<const StepState> state) {
  const int64_t lookups = ids_.ids.size();
  const View<int32_t> counting = counting_;
  const View<int32_t> positions = counting.slice(0, lookups);
  const UniqueIds once{ids_.unique.ids, counting.slice(0, lookups + 1), positions, positions,
                       ids_.unique.count};  // each distinct id with one gradient
  queries_.step(once, query_gradient_.view().slice(0, lookups), state, ids_.rank_rows);
  step_together(std::array{&keys_, &values_}, state, Traffic::kCodebook);
}

void DpqSxEmbedding::visit(const TensorVisitor& visitor) {
  queries_.visit(visitor);
  keys_.visit(visitor);
  values_.visit(visitor);
  responses_.visit(visitor);
}

DevicePackedTable DpqSxEmbedding::pack() {
  DevicePackedTable table = packed("dpq_sx", sharding_, queries_.values.cols());
  const int64_t rows = table.form.rows, dim = table.form.dim;
  table.form.tiers = {{rows, tiers_.centroids[0], subspaces_}};
  table.form.codebook_type = rounded_.type();
  rounded_.refresh(backend_, values_.values());
  responses_.serve(keys_.values());
  table.arrays.emplace("codebook", DeviceArray::borrow<float>(served_values()));
  const TierToPack tier{sharding_, 0, rows, tiers_.centroids[0], subspaces_, dim};
  auto [codes, report] =
      pack_tier(backend_, tier,
                [&](RowSet rows, View<uint8_t> codes, View<float> near, View<float> squared_error) {
                  encode(rows, codes, near, squared_error);
                });
  table.arrays.emplace("codes.0", std::move(codes));
  reports_ = {report};
  return table;
}

}  // namespace mgqe
