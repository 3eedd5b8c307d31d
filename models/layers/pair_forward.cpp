#include "models/layers/pair_forward.hpp"

namespace mgqe {

BothOrders::BothOrders(Backend& backend, bool symmetric, size_t tables, int64_t max_pairs)
    : backend_(backend),
      copies_(symmetric ? 1 : 2),
      left_(tables),
      right_(tables),
      logits_(backend, copies_ * max_pairs),
      average_(backend, std::vector<float>(static_cast<size_t>(copies_), 1.0f / copies_)) {
  if (copies_ == 1) return;
  for (size_t t = 0; t < tables; ++t) swapped_index_.emplace_back(backend, 2 * max_pairs);
}

void BothOrders::forward(PairForward& pair_forward, Side items, View<float> predictions) {
  const int64_t pairs = predictions.size();
  for (size_t t = 0; t < items.size(); ++t) {
    const auto& [rows, index] = items[t];
    if (copies_ == 1) {
      left_[t] = {rows, index.slice(0, pairs)};
      right_[t] = {rows, index.slice(pairs, pairs)};
    } else {
      const View<int32_t> swapped = swapped_index_[t].view().slice(0, 2 * pairs);
      backend_.concatenate(index.slice(pairs, pairs), index.slice(0, pairs), swapped);
      left_[t] = {rows, index};
      right_[t] = {rows, swapped};
    }
  }
  const View<float> logits = logits_.view().slice(0, copies_ * pairs);
  pair_forward.forward(left_, right_, logits);
  backend_.matmul(transposed(average_), View<float>(logits.data, copies_, pairs),
                  View<float>(predictions.data, 1, pairs));
}

}  // namespace mgqe
