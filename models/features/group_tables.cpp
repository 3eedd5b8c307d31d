#include "models/features/group_tables.hpp"

#include "host/config/choices.hpp"
#include "models/embeddings/scheme.hpp"
#include "models/features/placement.hpp"

namespace mgqe {

GroupTables::GroupTables(Backend& backend, const Config& config, const TableGroup& group,
                         int64_t max_lookups)
    : ranks_(backend.communicator()),
      rows_(group.rows),
      unique_buffer_(backend, [&] { return UniqueBuffer(backend, max_lookups); }),
      // Tables of fewer rows than ids count them themselves; dense Adam sums whole gradients.
      counts_rank_rows_(!ranks_.alone() &&
                        !find_embedding_scheme(group.embedding.scheme).shared_rows &&
                        !traits_of(config.train.optimizer).touches_all_rows) {
  if (shards_rows(backend.communicator().size(), config, rows_))
    exchange_ = std::make_unique<SparseAllToAll>(backend, rows_, max_lookups);
  for (EmbeddingSpec& spec : embedding_specs(config, group, max_lookups)) {
    all_.push_back(static_cast<int>(names_.size()));
    names_.push_back(spec.name);
    gradient_buffers_.emplace_back(backend, max_lookups, spec.config.dim);
    if (exchange_ != nullptr) {
      auto table = std::make_unique<ShardedEmbedding>(backend, std::move(spec), *exchange_);
      sharded_.push_back(table.get());
      tables_.push_back(std::move(table));
    } else {
      tables_.push_back(make_embedding(backend, spec));
    }
  }
  lookups_.resize(tables_.size());
  gradients_.resize(tables_.size());
}

void GroupTables::prepare(Backend& on, View<const int32_t> ids, int64_t lookups) {
  if (exchange_ != nullptr) {
    exchange_->prepare(on, ids, rank_rows_);
    batch_ = {ids, exchange_->requests(), lookups};
  } else {
    batch_ = {ids, unique_buffer_.turn().deduplicate(on, ids, rows_), lookups};
    if (counts_rank_rows_) count_rank_rows(on, ranks_, batch_.unique, rank_rows_);
  }
  batch_.rank_rows = rank_rows_;
}

void GroupTables::send_rows() {
  for (ShardedEmbedding* table : sharded_) table->send_rows(batch_);
}

Side GroupTables::forward() {
  for (size_t t = 0; t < tables_.size(); ++t) {
    lookups_[t] = tables_[t]->forward(batch_);
    gradients_[t] = gradient_buffers_[t].view().slice(0, batch_.ids.size());
  }
  return lookups_;
}

void GroupTables::send_gradients(const std::vector<int>& tables) {
  if (sharded_.empty()) return;
  for (const int t : tables) sharded_[t]->send_gradient(gradients_[t]);
}

void GroupTables::update(const std::vector<int>& tables, View<const StepState> state) {
  for (const int t : tables) {
    tables_[t]->backward(gradients_[t]);
    tables_[t]->step(state);
  }
}

void GroupTables::pack(DevicePackedModel& model) {
  for (size_t t = 0; t < tables_.size(); ++t) model.tables.emplace(names_[t], tables_[t]->pack());
}

void GroupTables::tier_reports(std::map<std::string, std::vector<TierReport>>& reports) const {
  for (size_t t = 0; t < tables_.size(); ++t) reports[names_[t]] = tables_[t]->tier_reports();
}

void GroupTables::visit(const TensorVisitor& visitor) {
  for (const auto& table : tables_) table->visit(visitor);
}

}  // namespace mgqe
