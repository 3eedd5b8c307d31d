// Best: the best k of the (score, row) pairs that are offered, by score descending, then row
// ascending. Pairs beyond the k-th best are cut away when as many again have come, so that a large k
// costs a selection now and then and no insertion.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace mgqe {

class Best {
 public:
  explicit Best(int64_t k) : k_(static_cast<size_t>(k)) {}

  /// A pair that is worse than k that have been offered; or one of a lower score than `floor`, which
  /// k rows outside of this list are known to have.
  void offer(float score, int32_t row) {
    const Pair pair(score, row);
    if (!(score >= bar_) || (full_ && !before(pair, worst_))) return;  // NaN too
    pairs_.push_back(pair);
    if (pairs_.size() >= 2 * k_ + kSlack) cut();
  }
  /// Scores below it cannot be among the best.
  float bar() const { return bar_; }
  void raise_bar(float floor) { bar_ = std::max(bar_, floor); }
  bool full() const { return full_; }
  /// Brings the bar up to date.
  void cut() {
    if (pairs_.size() < k_) return;
    const auto last = pairs_.begin() + static_cast<int64_t>(k_) - 1;
    std::nth_element(pairs_.begin(), last, pairs_.end(), before);
    worst_ = *last;
    pairs_.resize(k_);
    full_ = true;
    raise_bar(worst_.first);
  }
  /// Cuts where enough has come since the last cut that the bar may have moved.
  void tidy() {
    if (pairs_.size() > k_ + k_ / 8) cut();
  }
  void join(const Best& other) {
    for (const auto& [score, row] : other.pairs_) offer(score, row);
  }
  /// Writes k rows and scores, and how many there were.
  void write(int32_t* rows, float* scores, int64_t* count) {
    cut();
    std::sort(pairs_.begin(), pairs_.end(), before);
    for (size_t i = 0; i < k_; ++i) {
      const bool there = i < pairs_.size();
      rows[i] = there ? pairs_[i].second : -1;
      scores[i] = there ? pairs_[i].first : -std::numeric_limits<float>::infinity();
    }
    *count = static_cast<int64_t>(pairs_.size());
  }

 private:
  using Pair = std::pair<float, int32_t>;
  static constexpr size_t kSlack = 64;  // so that a small k is not cut at every offer

  static bool before(const Pair& a, const Pair& b) {
    return a.first > b.first || (a.first == b.first && a.second < b.second);
  }

  size_t k_;
  bool full_ = false;
  float bar_ = -std::numeric_limits<float>::infinity();
  Pair worst_{};
  std::vector<Pair> pairs_;
};

}  // namespace mgqe
