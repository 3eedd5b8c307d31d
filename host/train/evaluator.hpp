// Leave-one-out ranking, by both protocols:
//   sampled  the held-out item against `candidates` items that the user never touched, fixed by the
//            seed (or the data set's own negatives)
//   full     against every item outside the user's training history (and, at test, validation item)
#pragma once

#include <optional>

#include "host/data/dataset.hpp"
#include "host/train/metrics.hpp"
#include "models/backbones/model.hpp"

namespace mgqe {

struct EvaluatorOptions {
  uint64_t seed = 1;
  int candidates = 100;
  int64_t users = 0;       // 0: all with a held-out item
  int64_t max_length = 0;  // latest actions a sequence backbone reads; 0: none are asked for
};

/// Items that the user's held-out one is ranked against by the full protocol; 0: it is first
/// whatever the model, and no figure counts the user. By the sampled protocol there are as many at
/// test, and on validation those of them that are not the test item.
int64_t competitors(const Dataset& dataset, Split split, int32_t user);

class Evaluator {
 public:
  Evaluator(Backend& backend, const Dataset& dataset, const EvaluatorOptions& options);

  /// Over all ranks' users, on every rank.
  Evaluation evaluate(Ranker& ranker, Split split);

 private:
  /// As many users as the ranker takes at a time; everything in device memory.
  struct Chunk {
    Tensor<int32_t> users, positives;  // (M)
    Tensor<int64_t> excluded_offsets;  // (M + 1)
    Tensor<int32_t> excluded_items;
    Tensor<int32_t> candidates;  // (M, C), -1 where a user has fewer

    std::vector<Tensor<int32_t>> history_arrays;  // what the views of histories are of
    std::vector<UserHistories> histories;
    int64_t first = 0;  // number of the first user among the split's

    RankBatch batch() const;
  };
  /// What one split asks; made at first use, for one kind of ranker.
  struct Targets {
    int64_t chunk_users = 0;
    bool together = false;
    std::vector<int32_t> positives;
    std::vector<bool> judged_sampled, judged_full;  // of each: it has any to be ranked against
    std::vector<Chunk> chunks;  // of this rank: the ranks take turns, or together go through all
  };
  const Targets& targets(Split split, const Ranker& ranker);
  Targets make_targets(Split split, const Ranker& ranker) const;
  Chunk make_chunk(Split split, const std::vector<int32_t>& users, int64_t at_a_time) const;
  void add_histories(Split split, std::span<const int32_t> users, Chunk& chunk) const;
  std::vector<int32_t> choose_users(Split split) const;
  bool has_candidates(int32_t user) const;
  std::vector<int32_t> choose_candidates(Split split, const std::vector<int32_t>& users) const;
  int32_t held_out(Split split, int32_t user) const {
    return split == Split::kValid ? dataset_.valid_item[user] : dataset_.test_item[user];
  }

  Backend& backend_;
  const Dataset& dataset_;
  EvaluatorOptions options_;
  std::optional<Targets> valid_, test_;
};

}  // namespace mgqe
