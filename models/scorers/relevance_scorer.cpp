#include "models/scorers/relevance_scorer.hpp"

#include <algorithm>

#include "models/scorers/served_model.hpp"

namespace mgqe {

RelevanceScorer::RelevanceScorer(Backend& backend, const PackedModel& model,
                                 const std::vector<std::string>& tables,
                                 std::unique_ptr<PairForward> pairs)
    : backend_(backend),
      pairs_(std::move(pairs)),
      orders_(backend, pairs_->symmetric(), tables.size(), kChunk),
      biases_(backend, packed_array(model, kRelevanceBiases)),
      mean_(packed_array(model, kRelevanceMean).front()),
      ids_(backend, 2 * kChunk) {
  for (const std::string& name : tables)
    tables_.push_back(decode_table(backend, packed_table(model, name)));
}

void RelevanceScorer::score(View<const int32_t> left, View<const int32_t> right,
                            View<float> scores) {
  for (int64_t first = 0; first < scores.size(); first += kChunk) {
    const int64_t pairs = std::min(kChunk, scores.size() - first);
    const View<const int32_t> l = left.slice(first, pairs), r = right.slice(first, pairs);
    const View<int32_t> ids = ids_.view().slice(0, 2 * pairs);
    backend_.concatenate(l, r, ids);
    std::vector<Lookup> items;
    for (const Tensor<float>& table : tables_) items.push_back({table, ids});
    const View<float> out = scores.slice(first, pairs);
    orders_.forward(*pairs_, items, out);
    backend_.add_item_biases(biases_, mean_, l, r, out);
  }
}

}  // namespace mgqe
