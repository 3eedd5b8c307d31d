// ItemScan: ranks user vectors against a packed catalogue, a chunk of items at a time. The
// positives' scores come first; then every chunk is decoded, scored and counted, so that the
// catalogue is never whole in floats.
//
// Among ranks a sharded catalogue is ranked where it lives: each rank counts its own items for all
// users, and the counts are to be summed. So it is with one that every rank has whole, where the
// ranks go through the users together because another table is sharded: each takes a stretch of it.
#pragma once

#include "models/packing/packed_rows.hpp"
#include "models/scorers/scorer.hpp"

namespace mgqe {

/// Items decoded at a time: 4 MB at d = 64, which a CPU keeps in its caches, and work enough for a
/// launch on a GPU.
inline constexpr int64_t kItemChunk = 1 << 14;

/// Which of a catalogue's items this rank ranks, in chunks of up to `size`: calls of
/// visit(first local row, chunk).
class ItemChunks {
 public:
  ItemChunks(const Communicator& ranks, const DevicePackedTable& items, bool together,
             int64_t size);

  /// Rows of the largest chunk.
  int64_t size() const { return size_; }
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (int64_t first = begin_; first < end_; first += size_)
      visit(first,
            ItemChunk{sharding_.global(first), std::min(size_, end_ - first), sharding_.ranks});
  }

 private:
  RowSharding sharding_;
  int64_t begin_, end_;  // of this rank's rows
  int64_t size_;
};

/// Counts of a batch to 0, which scorers add to.
void zero_counts(Backend& backend, RankCounts counts);

class ItemScan {
 public:
  /// The most users that rank() is called with, and ids that fetch() is.
  struct Room {
    int64_t users, ids;
  };
  /// together: all ranks call rank() with the same users. The table must outlive it.
  ItemScan(Backend& backend, const DevicePackedTable& items, Room room, bool together,
           int64_t chunk_items = kItemChunk);

  int64_t dim() const { return rows_.dim(); }
  /// vectors (M, d); counts as Ranker::rank gives them.
  void rank(View<const float> vectors, const RankBatch& batch, RankCounts sampled, RankCounts full);
  /// out (m, d): rows of items by id, as PackedRows gives them.
  void fetch(View<const int32_t> ids, View<float> out) { rows_.fetch(ids, out); }

 private:
  Backend& backend_;
  ItemChunks chunks_;
  PackedRows rows_;
  Tensor<float> positive_rows_, positive_scores_;  // (max users, d), (max users)
};

}  // namespace mgqe
