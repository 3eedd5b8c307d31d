#include "host/train/metrics.hpp"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

namespace mgqe {

double expected_hit(int64_t greater, int64_t ties, int k) {
  if (greater >= k) return 0.0;
  return std::clamp(static_cast<double>(k - greater) / static_cast<double>(ties + 1), 0.0, 1.0);
}

double expected_ndcg(int64_t greater, int64_t ties, int k) {
  if (greater >= k) return 0.0;
  double sum = 0.0;
  const int64_t last = std::min<int64_t>(k, greater + ties + 1);
  for (int64_t rank = greater + 1; rank <= last; ++rank)
    sum += 1.0 / std::log2(static_cast<double>(rank) + 1.0);
  return sum / static_cast<double>(ties + 1);
}

void MeanMetrics::add(int64_t greater, int64_t ties) {
  hr += expected_hit(greater, ties, kCutoff);
  ndcg += expected_ndcg(greater, ties, kCutoff);
  users += 1;
}

void MeanMetrics::finish() {
  if (users == 0) return;
  hr /= static_cast<double>(users);
  ndcg /= static_cast<double>(users);
}

namespace {

nlohmann::ordered_json to_json(const MeanMetrics& metrics) {
  if (metrics.users == 0) return {{"hr@10", nullptr}, {"ndcg@10", nullptr}, {"users", 0}};
  return {{"hr@10", metrics.hr}, {"ndcg@10", metrics.ndcg}, {"users", metrics.users}};
}

nlohmann::ordered_json to_json(const SplitMetrics& metrics) {
  nlohmann::ordered_json json = to_json(metrics.all);
  json["head"] = to_json(metrics.head);
  json["tail"] = to_json(metrics.tail);
  return json;
}

}  // namespace

nlohmann::ordered_json to_json(const Evaluation& evaluation) {
  return {{"sampled", to_json(evaluation.sampled)}, {"full", to_json(evaluation.full)}};
}

}  // namespace mgqe
