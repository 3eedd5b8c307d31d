#include "models/embeddings/quantizer.hpp"

#include "host/config/choices.hpp"
#include "host/engine/profile_range.hpp"

namespace mgqe {

Quantizer::Quantizer(Backend& backend, const std::string& name, const EmbeddingSpec& spec,
                     const Tiers& tiers, int subspaces, uint64_t key)
    : backend_(backend),
      name_(name),
      all_tiers_(tiers),
      tiers_(spec.rows_here().local(tiers)),
      subspaces_(subspaces),
      normalized_(spec.config.distance_bn == DistanceBn::kTf),
      sharded_(spec.rows_here().ranks > 1),
      codebook_(
          backend,
          Weights(backend, name, *std::max_element(tiers.centroids, tiers.centroids + tiers.count),
                  spec.config.dim),
          spec.optimizer),
      rounded_(backend, spec.config.codebook_type, codebook_.values()),
      half_norms_(backend, codebook_.values().rows(), subspaces),
      codes_(backend, spec.max_lookups, subspaces) {
  backend.fill_normal(codebook_.values(), key, static_cast<float>(spec.config.init_stddev));
  if (!normalized_) return;
  const int64_t centroids = codebook_.values().rows();
  partials_ = Tensor<double>(backend, centroids * subspaces, 3);
  moments_ = Tensor<float>(backend, centroids, 2);
  std::vector<float> start;  // mean 0, variance 1
  for (int64_t k = 0; k < centroids; ++k) start.insert(start.end(), {0.0f, 1.0f});
  running_ = Tensor<float>(backend, std::span<const float>(start), 2);
}

void Quantizer::forward(View<const float> queries, const UniqueIds& rows, float scale,
                        View<float> decoded) {
  const View<uint8_t> codes = codes_.view().slice(0, decoded.rows);
  const ProfileRange range(backend_, "assign");
  rounded_.refresh(backend_, codebook_.values());
  if (normalized_) {
    backend_.distance_sums(queries, rows, tiers_, served(), partials_);
    if (Communicator& ranks = backend_.communicator(); !ranks.alone())
      ranks.all_reduce(Traffic::kCodebook, partials_.view());
    backend_.combine_moments(partials_, moments_, running_);
    backend_.assign_normalized(queries, RowSet::of(rows), served(), moments_, tiers_, codes,
                               decoded, {});
    if (!sharded_) find_gradient(queries, rows, scale);
  } else if (sharded_) {
    backend_.half_norms(served(), subspaces_, half_norms_);
    backend_.assign(queries, RowSet::of(rows), served(), half_norms_, tiers_, codes, decoded, {});
  } else {
    backend_.assign_with_gradient(queries, rows, served(), tiers_, scale, {half_norms_, codes},
                                  decoded, codebook_.gradient);
  }
}

void Quantizer::find_gradient(View<const float> queries, const UniqueIds& rows, float scale) {
  backend_.codebook_gradient(queries, rows, tiers_, codes_.view().slice(0, rows.order.size()),
                             served(), scale, codebook_.gradient);
}

void Quantizer::from_wire(View<const uint8_t> wire, View<const int32_t> ids,
                          View<float> rows) const {
  constexpr int kByteCodes = 8;
  const int* const end = all_tiers_.centroids + all_tiers_.count;
  const bool every_row = std::find(all_tiers_.centroids, end, 0) == end;
  if (every_row && wire.cols == subspaces_)
    backend_.decode(wire, kByteCodes, subspaces_, served(), rows);
  else
    backend_.wire_to_rows(wire, ids, all_tiers_, subspaces_, served(), rows);
}

void Quantizer::refresh() {
  rounded_.refresh(backend_, codebook_.values());
  backend_.half_norms(served(), subspaces_, half_norms_);
}

void Quantizer::encode(View<const float> queries, RowSet rows, View<uint8_t> codes,
                       View<float> decoded, View<float> squared_error) {
  if (normalized_)
    backend_.assign_normalized(queries, rows, served(), running_, tiers_, codes, decoded,
                               squared_error);
  else
    backend_.assign(queries, rows, served(), half_norms_, tiers_, codes, decoded, squared_error);
}

void Quantizer::start_from_kmeans(View<const float> queries, int iterations) {
  kmeans(backend_, queries, tiers_, subspaces_, iterations, sharded_, codebook_.values());
}

void Quantizer::visit(const TensorVisitor& visitor) {
  codebook_.visit(visitor);
  if (normalized_) visitor(name_ + ".distance_moments", running_);
}

}  // namespace mgqe
