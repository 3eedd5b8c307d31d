#include "models/embeddings/mgqe.hpp"

#include <numeric>

#include "models/embeddings/code_packer.hpp"

namespace mgqe {
namespace {

/// The tiers as the private codebook of one of them sees them.
Tiers only_tier(Tiers tiers, int tier) {
  for (int i = 0; i < tiers.count; ++i)
    if (i != tier) tiers.centroids[i] = 0;
  return tiers;
}

std::vector<Quantizer> make_quantizers(Backend& backend, const EmbeddingSpec& spec,
                                       const Tiers& tiers) {
  const std::vector<int>& subspaces = spec.config.subspaces;
  const std::string name = spec.name + ".codebook";
  std::vector<Quantizer> quantizers;
  if (spec.config.variant == Variant::kSharedK) {
    quantizers.emplace_back(backend, name, spec, tiers, subspaces[0], spec.codebook_key);
    return quantizers;
  }
  for (int i = 0; i < tiers.count; ++i)
    quantizers.emplace_back(backend, name + "." + std::to_string(i), spec, only_tier(tiers, i),
                            subspaces.size() == 1 ? subspaces[0] : subspaces[i],
                            random_u64(spec.codebook_key, static_cast<uint64_t>(i)));
  return quantizers;
}

}  // namespace

/// Codes, of the widest codebook's number of subspaces: a row has those of its tier's.
class MgqeEmbedding::Codec final : public WireCodec {
 public:
  explicit Codec(MgqeEmbedding& embedding) : embedding_(embedding) {}

  int64_t row_bytes() const override {
    int widest = 0;
    for (const Quantizer& quantizer : embedding_.quantizers_)
      widest = std::max(widest, quantizer.subspaces());
    return widest;
  }
  void encode(const Lookup& rows, View<uint8_t> wire) override {
    for (const Quantizer& quantizer : embedding_.quantizers_)
      quantizer.to_wire(rows.index, embedding_.ids_.ids, wire);
  }
  View<const float> decode(View<uint8_t> wire, View<const int32_t> ids, View<float> rows) override {
    for (const Quantizer& quantizer : embedding_.quantizers_) quantizer.from_wire(wire, ids, rows);
    return rows;
  }

 private:
  MgqeEmbedding& embedding_;
};

MgqeEmbedding::MgqeEmbedding(Backend& backend, const EmbeddingSpec& spec)
    : Embedding(backend, spec.config.dim, std::make_unique<Codec>(*this)),
      config_(spec.config),
      variant_(config_.variant),
      searches_lookups_(config_.grouping == Grouping::kLookup),
      sharding_(spec.rows_here()),
      tiers_(make_tiers(spec.config, spec.rows)),
      queries_(backend, spec.name + ".queries", sharding_, spec.config.dim, spec.optimizer),
      quantizers_(make_quantizers(backend, spec, tiers_)),
      decoded_(backend, spec.max_lookups, spec.config.dim) {
  queries_.reserve(spec.max_lookups);
  queries_.fill_normal(spec.table_key, config_.init_stddev);
  if (config_.commitment_weight > 0.0)
    gradient_ = Tensor<float>(backend, spec.max_lookups, config_.dim);
  if (searches_lookups_) {
    std::vector<int32_t> counting(static_cast<size_t>(spec.max_lookups) + 1);
    std::iota(counting.begin(), counting.end(), 0);
    counting_ = Tensor<int32_t>(backend, std::span<const int32_t>(counting));
  }
  for (Quantizer& quantizer : quantizers_)
    quantizer.start_from_kmeans(queries_.values, config_.kmeans_start);
}

UniqueIds MgqeEmbedding::every_lookup(const IdBatch& batch) {
  const View<const int32_t> ids = batch.ids;
  const int64_t lookups = ids.size();
  const View<int32_t> counting = counting_;
  const View<int32_t> positions = counting.slice(0, lookups);
  // What reads a UniqueIds leaves its ids alone.
  const View<int32_t> rows(const_cast<int32_t*>(ids.data), lookups);
  return {rows,
          counting.slice(0, lookups + 1),
          positions,
          positions,
          counting.slice(lookups, 1),
          batch.unique.repeats,
          batch.unique.repeats};
}

Lookup MgqeEmbedding::forward(const IdBatch& ids) {
  const int64_t lookups = ids.ids.size();
  ids_ = ids;
  rows_ = searches_lookups_ ? every_lookup(ids) : ids.unique;
  fetched_ = queries_.fetch(rows_);
  const View<float> decoded = decoded_.view().slice(0, lookups);
  const float scale = mean_square_scale(config_.codebook_weight);
  for (Quantizer& quantizer : quantizers_) quantizer.forward(fetched_, rows_, scale, decoded);
  return {decoded, rows_.inverse};
}

void MgqeEmbedding::prepare_backward() {
  const float scale = mean_square_scale(config_.codebook_weight);
  for (Quantizer& quantizer : quantizers_) quantizer.find_gradient(fetched_, rows_, scale);
}

void MgqeEmbedding::backward(View<const float> gradient) {
  query_gradient_ = gradient;  // straight-through: d/de = d/dc
  if (config_.commitment_weight > 0.0) {
    const View<float> with_commitment = gradient_.view().slice(0, gradient.rows);
    backend_.commitment_gradient(fetched_, rows_, decoded_, gradient,
                                 mean_square_scale(config_.commitment_weight), with_commitment);
    query_gradient_ = with_commitment;
  }
}

void MgqeEmbedding::step(View<const StepState> state) {
  queries_.step(ids_.unique, query_gradient_, state, ids_.rank_rows);
  Trainables codebooks;
  for (Quantizer& quantizer : quantizers_) codebooks.push_back(&quantizer.codebook());
  step_together(codebooks, state, Traffic::kCodebook);
}

void MgqeEmbedding::visit(const TensorVisitor& visitor) {
  queries_.visit(visitor);
  for (Quantizer& quantizer : quantizers_) quantizer.visit(visitor);
}

DevicePackedTable MgqeEmbedding::pack() {
  DevicePackedTable table = packed(config_.scheme, sharding_, config_.dim);
  table.form.private_codebooks = is_private();
  reports_.clear();
  for (Quantizer& quantizer : quantizers_) quantizer.refresh();
  for (int i = 0; i < tiers_.count; ++i) {
    Quantizer& quantizer = quantizer_of(i);
    table.form.tiers.push_back({tiers_.end[i], tiers_.centroids[i], quantizer.subspaces()});
    table.form.codebook_type = quantizer.codebook_type();
    table.arrays.try_emplace(table.form.codebook_name(i), quantizer.packed_codebook());
    const TierToPack tier{sharding_,           tiers_.begin(i),       tiers_.end[i],
                          tiers_.centroids[i], quantizer.subspaces(), config_.dim};
    auto [codes, report] = pack_tier(
        backend_, tier,
        [&](RowSet rows, View<uint8_t> codes, View<float> decoded, View<float> squared_error) {
          const View<const float> queries = queries_.fetch(rows);
          quantizer.encode(queries, rows, codes, decoded, squared_error);
        });
    table.arrays.emplace("codes." + std::to_string(i), std::move(codes));
    reports_.push_back(report);
  }
  return table;
}

}  // namespace mgqe
