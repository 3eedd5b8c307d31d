#include "host/data/ctr/epoch_order.hpp"

#include <algorithm>

#include "host/base/check.hpp"

namespace mgqe {

EpochOrder::EpochOrder(int64_t rows, int64_t block_rows, int64_t window_rows, uint64_t seed,
                       int64_t epoch)
    : block_rows_(block_rows), window_blocks_((window_rows + block_rows - 1) / block_rows) {
  MGQE_CHECK(rows >= 0 && block_rows > 0 && window_rows > 0, rows, " rows in blocks of ",
             block_rows, " and windows of ", window_rows);
  const uint64_t key = stream_key(seed, RandomStream::kShuffle);
  const auto bits = [&](int64_t purpose) {
    return random_u64(key, static_cast<uint64_t>(purpose), static_cast<uint64_t>(epoch));
  };
  const int64_t count = (rows + block_rows - 1) / block_rows;
  const Permutation shuffled(static_cast<uint64_t>(std::max<int64_t>(count, 1)), bits(0));
  for (int64_t b = 0; b < count; ++b)
    blocks_.push_back(static_cast<int64_t>(shuffled(static_cast<uint64_t>(b))));
  int64_t place = 0;
  for (int64_t first = 0; first < count; first += window_blocks_) {
    const int64_t last = std::min(first + window_blocks_, count) - 1;
    const auto begin = blocks_.begin() + first, end = blocks_.begin() + last + 1;
    const auto shorter = std::find(begin, end, count - 1);
    int64_t held = (last - first + 1) * block_rows;
    if (shorter != end) {
      std::iter_swap(shorter, end - 1);
      held -= count * block_rows - rows;
    }
    windows_.push_back(
        {place, place + held, Permutation(static_cast<uint64_t>(held), bits(1 + windows()))});
    place += held;
  }
}

int64_t EpochOrder::window_of(int64_t k) const {
  const auto behind = std::upper_bound(windows_.begin(), windows_.end(), k,
                                       [](int64_t at, const Window& w) { return at < w.end; });
  return behind - windows_.begin();
}

const int64_t* EpochOrder::end(int64_t window) const {
  return blocks_.data() +
         std::min((window + 1) * window_blocks_, static_cast<int64_t>(blocks_.size()));
}

int64_t EpochOrder::row(int64_t k) const {
  const int64_t w = window_of(k);
  const Window& window = windows_[static_cast<size_t>(w)];
  const auto within = static_cast<int64_t>(window.order(static_cast<uint64_t>(k - window.begin)));
  return begin(w)[within / block_rows_] * block_rows_ + within % block_rows_;
}

}  // namespace mgqe
