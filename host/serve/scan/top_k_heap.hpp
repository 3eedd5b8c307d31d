// TopKHeap: the best k of the (score, row) pairs it is offered, by score descending, then row
// ascending; for any source of scores. Up to kHeapK a binary heap, whose threshold is always that
// of the pairs offered so far. Beyond, a buffer with room for a quarter more, which is cut by
// selection when it is full: a few steps a pair whatever k is.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace mgqe {

class TopKHeap {
 public:
  explicit TopKHeap(int64_t k) : k_(static_cast<size_t>(k)), heap_(k <= kHeapK) {}

  /// A score that is no number never enters.
  void offer(float score, int32_t row) {
    const Pair pair{score, row};
    if (!(score >= threshold_) || (full_ && !before(pair, worst_))) return;
    if (heap_ && full_) {
      std::pop_heap(pairs_.begin(), pairs_.end(), before);
      pairs_.pop_back();
    }
    pairs_.push_back(pair);
    if (heap_) std::push_heap(pairs_.begin(), pairs_.end(), before);
    const size_t enough = heap_ || !full_ ? k_ : k_ + k_ / 4;
    if (pairs_.size() >= enough) settle();
  }

  /// No score below it enters; -infinity until k pairs have been offered.
  float threshold() const { return threshold_; }
  /// `score` is one that k rows, offered here or elsewhere, are known to reach.
  void raise_threshold(float score) { threshold_ = std::max(threshold_, score); }
  bool full() const { return full_; }

  void merge(const TopKHeap& other) {
    for (const Pair& pair : other.pairs_) offer(pair.score, pair.row);
  }

  /// Writes k rows and scores, best first, and returns how many there are; the rest of the line is
  /// -1 and -infinity. The heap is of no use afterwards.
  int64_t write(int32_t* rows, float* scores) {
    std::sort(pairs_.begin(), pairs_.end(), before);
    const size_t count = std::min(k_, pairs_.size());
    for (size_t i = 0; i < k_; ++i) {
      rows[i] = i < count ? pairs_[i].row : -1;
      scores[i] = i < count ? pairs_[i].score : -std::numeric_limits<float>::infinity();
    }
    return static_cast<int64_t>(count);
  }

 private:
  static constexpr int64_t kHeapK = 256;
  struct Pair {
    float score;
    int32_t row;
  };

  static bool before(const Pair& a, const Pair& b) {
    return a.score > b.score || (a.score == b.score && a.row < b.row);
  }

  /// Of at least k pairs: finds the k-th best.
  void settle() {
    if (heap_) {
      worst_ = pairs_.front();
    } else {
      const auto last = pairs_.begin() + static_cast<int64_t>(k_) - 1;
      std::nth_element(pairs_.begin(), last, pairs_.end(), before);
      worst_ = *last;
      pairs_.resize(k_);
    }
    full_ = true;
    raise_threshold(worst_.score);
  }

  size_t k_;
  bool heap_, full_ = false;
  float threshold_ = -std::numeric_limits<float>::infinity();
  Pair worst_{};  // the k-th best when last settled, where full
  std::vector<Pair> pairs_;
};

}  // namespace mgqe
