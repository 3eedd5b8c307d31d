#include "host/data/ctr/epoch_order.hpp"

#include <algorithm>

#include "host/base/check.hpp"

namespace mgqe {
namespace {

Permutation permutation(int64_t rows, uint64_t key) { return {static_cast<uint64_t>(rows), key}; }

int64_t place_in(const Permutation& order, int64_t k) {
  return static_cast<int64_t>(order(static_cast<uint64_t>(k)));
}

}  // namespace

EpochOrder::EpochOrder(const EpochShape& shape, uint64_t seed, int64_t epoch) : shape_(shape) {
  const auto& [rows, block_rows, window_rows, batch] = shape;
  MGQE_CHECK(rows >= 0 && block_rows > 0 && window_rows > 0 && batch > 0, rows,
             " rows in blocks of ", block_rows, ", windows of ", window_rows, " and batches of ",
             batch);
  const uint64_t stream = stream_key(seed, RandomStream::kShuffle);
  const auto bits = [&](int64_t purpose) {
    return random_u64(stream, static_cast<uint64_t>(purpose), static_cast<uint64_t>(epoch));
  };
  const int64_t count = (rows + block_rows - 1) / block_rows;
  const Permutation shuffled = permutation(std::max<int64_t>(count, 1), bits(0));
  for (int64_t b = 0; b < count; ++b) blocks_.push_back(place_in(shuffled, b));
  const int64_t window_blocks = (window_rows + block_rows - 1) / block_rows;
  int64_t place = 0;
  for (int64_t first = 0; first < count; first += window_blocks) {
    const int64_t last = std::min(first + window_blocks, count) - 1;
    const auto begin = blocks_.begin() + first, end = blocks_.begin() + last + 1;
    const auto shorter = std::find(begin, end, count - 1);
    int64_t held = (last - first + 1) * block_rows;
    if (shorter != end) {
      std::iter_swap(shorter, end - 1);
      held -= count * block_rows - rows;
    }
    const uint64_t key = bits(1 + windows());
    const Permutation none = permutation(1, key);
    windows_.push_back({place, place + held, first, 0, 0, key, permutation(held, key), none, none});
    place += held;
  }
  if (windows() > 1)
    for (Window& window : windows_) window = parted(window);
}

EpochOrder::Window EpochOrder::parted(Window window) const {
  const int64_t to_next = (shape_.batch - window.begin % shape_.batch) % shape_.batch;
  window.head = std::min(to_next, window.rows());
  window.steps = (window.rows() - window.head) / shape_.batch;
  const int64_t tail = window.rows() - window.head - window.steps * shape_.batch;
  const auto end_order = [&](int64_t rows, uint64_t which) {
    return permutation(std::max<int64_t>(rows, 1), random_u64(window.key, which, 1));
  };
  window.head_order = end_order(window.head, 0);
  window.tail_order = end_order(tail, 1);
  return window;
}

int64_t EpochOrder::window_of(int64_t k) const {
  const auto behind = std::upper_bound(windows_.begin(), windows_.end(), k,
                                       [](int64_t at, const Window& w) { return at < w.end; });
  return behind - windows_.begin();
}

int64_t EpochOrder::within(const Window& window, int64_t k) const {
  if (windows() == 1) return place_in(window.whole, k);
  const int64_t batch = shape_.batch, strips = window.head + window.steps * batch;
  if (k < window.head) return place_in(window.head_order, k);
  if (k >= strips) return strips + place_in(window.tail_order, k - strips);
  const int64_t step = (k - window.head) / batch, place = (k - window.head) % batch;
  const Permutation strip =
      permutation(window.steps, random_u64(window.key, static_cast<uint64_t>(place), 0));
  return window.head + place * window.steps + place_in(strip, step);
}

int64_t EpochOrder::row(int64_t k) const {
  const Window& window = windows_[static_cast<size_t>(window_of(k))];
  const int64_t at = within(window, k - window.begin);
  return blocks_[static_cast<size_t>(window.first_block + at / shape_.block_rows)] *
             shape_.block_rows +
         at % shape_.block_rows;
}

std::vector<int64_t> EpochOrder::blocks(int64_t w, int64_t first, int64_t last) const {
  const Window& window = windows_[static_cast<size_t>(w)];
  std::vector<int64_t> read;
  const auto add = [&](int64_t begin, int64_t end) {  // rows of the window
    for (int64_t block = begin / shape_.block_rows; block * shape_.block_rows < end; ++block) {
      const int64_t number = blocks_[static_cast<size_t>(window.first_block + block)];
      if (std::find(read.begin(), read.end(), number) == read.end()) read.push_back(number);
    }
  };
  if (windows() == 1) {
    add(0, window.rows());
    return read;
  }
  if (first < last) add(window.head + first * window.steps, window.head + last * window.steps);
  add(0, window.head);
  add(window.head + window.steps * shape_.batch, window.rows());
  return read;
}

}  // namespace mgqe
