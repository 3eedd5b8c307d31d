#include "models/scorers/relevance_scorer.hpp"

#include <algorithm>
#include <numeric>

#include "models/scorers/served_model.hpp"

namespace mgqe {

RelevanceScorer::RelevanceScorer(Backend& backend, const DevicePackedModel& model,
                                 const std::vector<std::string>& tables,
                                 std::unique_ptr<PairForward> pairs)
    : backend_(backend),
      pairs_(std::move(pairs)),
      orders_(backend, pairs_->symmetric(), tables.size(), kChunk),
      biases_(backend, packed_array(model.dense, kRelevanceBiases)),
      mean_(packed_array(model.dense, kRelevanceMean).front()),
      ids_(backend, 2 * kChunk) {
  if (model.dense.at(kRelevanceMean).size() != 1)
    input_error("the artifact's array ", kRelevanceMean, " is not one number");
  for (const std::string& name : tables) {
    if (const int64_t rows = packed_table(model, name).form.rows; rows != biases_.rows())
      input_error("the artifact's array ", kRelevanceBiases, " has ", biases_.rows(),
                  " elements where table ", name, " has ", rows, " rows");
    tables_.emplace_back(backend, packed_table(model, name), PackedRows::Room{.ids = 2 * kChunk});
    rows_.emplace_back(backend, 2 * kChunk, tables_.back().dim());
  }
  std::vector<int32_t> numbers(2 * kChunk);
  std::iota(numbers.begin(), numbers.end(), 0);
  numbers_ = Tensor<int32_t>(backend, numbers);
}

void RelevanceScorer::score(View<const int32_t> left, View<const int32_t> right,
                            View<float> scores) {
  for (int64_t first = 0; first < scores.size(); first += kChunk) {
    const int64_t pairs = std::min(kChunk, scores.size() - first);
    const View<const int32_t> l = left.slice(first, pairs), r = right.slice(first, pairs);
    const View<int32_t> ids = ids_.view().slice(0, 2 * pairs);
    backend_.concatenate(l, r, ids);
    std::vector<Lookup> items;
    for (size_t t = 0; t < tables_.size(); ++t) {
      const View<float> rows = rows_[t].view().slice(0, 2 * pairs);
      tables_[t].fetch(ids, rows);
      items.push_back({rows, numbers_.view().slice(0, 2 * pairs)});
    }
    const View<float> out = scores.slice(first, pairs);
    orders_.forward(*pairs_, items, out);
    backend_.add_item_biases(biases_, mean_, l, r, out);
  }
}

}  // namespace mgqe
