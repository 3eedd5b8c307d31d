// A backbone as it is served, from the arrays of a packed model: Ranker orders a catalogue for its
// users, PairScorer scores pairs of items, CtrScorer rows of many features. They hold weights
// alone.
#pragma once

#include <span>
#include <vector>

#include "host/engine/backend.hpp"

namespace mgqe {

/// What some users read before they are asked to rank; only sequence backbones look at it.
struct UserHistories {
  Sequences sequences;            // of those users
  View<const int32_t> items;      // (T) in time order, the latest max_length of each user
  View<const int32_t> positions;  // (T) as SequenceTokens counts them
  View<const int32_t> last;       // each user's last token; everyone has one
};

/// M users, what each should have ranked first, and against what.
struct RankBatch {
  View<const int32_t> users;       // (M)
  View<const int32_t> positives;   // (M)
  View<const int32_t> candidates;  // (M, C); -1 stands for none
  Histories excluded;              // what the full catalogue is ranked without
  /// Of the users in their order, Ranker::max_histories() of them in each part but the last.
  std::span<const UserHistories> histories;
  int32_t enough = kEveryItem;  // of RankCounts, for the full catalogue
};

class Ranker {
 public:
  virtual ~Ranker() = default;
  /// Users it can take in one batch; bounds its scratch memory.
  virtual int64_t max_users() const = 0;
  /// Those whose histories it reads at a time, where it reads any.
  virtual int64_t max_histories() const { return max_users(); }
  /// Whether a table is sharded over ranks. Then all ranks rank the same batches in the same order,
  /// and counts are of each rank's items, to be summed; else each ranks users of its own.
  virtual bool together() const = 0;
  /// sampled (M): how the positives stand among their candidates; full (M): in the catalogue.
  virtual void rank(const RankBatch& batch, RankCounts sampled, RankCounts full) = 0;
};

class PairScorer {
 public:
  virtual ~PairScorer() = default;
  /// scores (B) of the item pairs. Where the table is sharded over ranks, all of them call it with
  /// the same pairs.
  virtual void score(View<const int32_t> left, View<const int32_t> right, View<float> scores) = 0;
};

/// What B rows look up in the table of a group of features.
struct GroupLookups {
  /// Of row 0 its S features of one id each, then those of row 1, ...; then bag by bag the ids of
  /// row 0, of row 1, ...
  View<const int32_t> rows;
  /// (B + 1) of each bag: those of row b are look-ups [ends[b], ends[b + 1]).
  std::vector<View<const int32_t>> bag_ends{};
};

class CtrScorer {
 public:
  virtual ~CtrScorer() = default;
  /// Rows it takes at once.
  virtual int64_t max_rows() const = 0;
  /// Whether a table is sharded over ranks. Then all of them call score() with the same rows.
  virtual bool together() const = 0;
  /// logits (B). groups: by group of the layout; dense (B, F).
  virtual void score(std::span<const GroupLookups> groups, View<const float> dense,
                     View<float> logits) = 0;
};

}  // namespace mgqe
