#include "models/scorers/item_scan.hpp"

#include <algorithm>

namespace mgqe {

ItemChunks::ItemChunks(const Communicator& ranks, const DevicePackedTable& items, bool together,
                       int64_t size)
    : sharding_(items.sharding), begin_(0), end_(items.sharding.local_rows()) {
  if (together && !items.sharded()) {
    const BatchShare stretch = BatchShare::of(ranks, items.form.rows);
    begin_ = stretch.first;
    end_ = begin_ + stretch.count;
  }
  size_ = std::clamp<int64_t>(end_ - begin_, 1, size);
}

void zero_counts(Backend& backend, RankCounts counts) {
  for (const View<int32_t> count : {counts.greater, counts.ties})
    backend.zero(count.data, static_cast<size_t>(count.size()) * sizeof(int32_t));
}

ItemScan::ItemScan(Backend& backend, const DevicePackedTable& items, Room room, bool together,
                   int64_t chunk_items)
    : backend_(backend),
      chunks_(backend.communicator(), items, together, chunk_items),
      rows_(backend, items, {.range = chunks_.size(), .ids = std::max(room.users, room.ids)}),
      positive_rows_(backend, room.users, items.form.dim),
      positive_scores_(backend, room.users) {}

void ItemScan::rank(View<const float> vectors, const RankBatch& batch, RankCounts sampled,
                    RankCounts full) {
  const int64_t users = vectors.rows;
  const View<float> positive_rows = positive_rows_.view().slice(0, users);
  const View<float> positive_scores = positive_scores_.view().slice(0, users);
  rows_.fetch(batch.positives, positive_rows);
  backend_.score_pairs(vectors, positive_rows, positive_scores);
  zero_counts(backend_, sampled);
  zero_counts(backend_, full);
  chunks_.for_each([&](int64_t first, const ItemChunk& chunk) {
    const RankQuery query{vectors,
                          rows_.range(first, chunk.rows),
                          chunk,
                          {batch.positives, positive_scores},
                          batch.enough};
    backend_.count_candidates(query, batch.candidates, sampled);
    backend_.count_items(query, batch.excluded, full);
  });
}

}  // namespace mgqe
