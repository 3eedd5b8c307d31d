#include "host/train/evaluator.hpp"

#include <algorithm>
#include <cmath>

namespace mgqe {
namespace {

/// Users ranked at a time: bounds the evaluator's device memory.
constexpr int64_t kUserChunk = 2048;

void insert_sorted(std::vector<int32_t>& sorted, int32_t item) {
  const auto place = std::lower_bound(sorted.begin(), sorted.end(), item);
  if (place == sorted.end() || *place != item) sorted.insert(place, item);
}

std::vector<int32_t> train_history(const Dataset& dataset, int32_t user) {
  return {dataset.train_items.begin() + dataset.train_offsets[user],
          dataset.train_items.begin() + dataset.train_offsets[user + 1]};
}

/// Everything the user ever touched, ascending.
std::vector<int32_t> whole_history(const Dataset& dataset, int32_t user) {
  std::vector<int32_t> items = train_history(dataset, user);
  for (const int32_t held_out : {dataset.valid_item[user], dataset.test_item[user]})
    if (held_out >= 0) insert_sorted(items, held_out);
  return items;
}

SplitMetrics summarize(const std::vector<int32_t>& greater, const std::vector<int32_t>& ties,
                       const std::vector<int32_t>& positives, int64_t items) {
  const auto head_items = static_cast<int64_t>(std::ceil(kHeadFraction * items - 1e-6));
  SplitMetrics metrics;
  for (size_t m = 0; m < greater.size(); ++m) {
    metrics.all.add(greater[m], ties[m]);
    (positives[m] < head_items ? metrics.head : metrics.tail).add(greater[m], ties[m]);
  }
  metrics.all.finish();
  metrics.head.finish();
  metrics.tail.finish();
  return metrics;
}

}  // namespace

Evaluator::Evaluator(Backend& backend, const Dataset& dataset, const EvaluatorOptions& options)
    : backend_(backend), dataset_(dataset), options_(options) {}

const Evaluator::Targets& Evaluator::targets(Split split) {
  auto& made = split == Split::kValid ? valid_ : test_;
  if (!made) made = make_targets(split);
  return *made;
}

std::vector<int32_t> Evaluator::choose_users(Split split) const {
  const auto& held_out = split == Split::kValid ? dataset_.valid_item : dataset_.test_item;
  std::vector<int32_t> users;
  for (int64_t user = 0; user < dataset_.users; ++user)
    if (held_out[user] >= 0) users.push_back(static_cast<int32_t>(user));
  const auto count = static_cast<int64_t>(users.size());
  if (options_.users == 0 || options_.users >= count) return users;
  const Permutation shuffle(static_cast<uint64_t>(count),
                            stream_key(options_.seed, RandomStream::kEvaluation));
  std::vector<int32_t> chosen;
  for (int64_t i = 0; i < options_.users; ++i) chosen.push_back(users[shuffle(i)]);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

std::vector<int32_t> Evaluator::choose_candidates(Split split,
                                                  const std::vector<int32_t>& users) const {
  std::vector<int32_t> candidates;
  if (dataset_.negatives_per_user > 0) {
    for (const int32_t user : users) {
      const auto row = dataset_.test_negatives.begin() + user * dataset_.negatives_per_user;
      candidates.insert(candidates.end(), row, row + dataset_.negatives_per_user);
    }
    return candidates;
  }
  candidates.assign(users.size() * options_.candidates, -1);
  const uint64_t key = stream_key(options_.seed, RandomStream::kEvaluation);
  const auto count = static_cast<int64_t>(users.size());
#pragma omp parallel for schedule(static)
  for (int64_t m = 0; m < count; ++m) {
    const std::vector<int32_t> touched = whole_history(dataset_, users[m]);
    const auto length = static_cast<int64_t>(touched.size());
    const int64_t untouched = dataset_.items - length;
    if (untouched == 0) continue;
    const Permutation draw(static_cast<uint64_t>(untouched),
                           random_u64(key, users[m], split == Split::kTest));
    for (int64_t i = 0; i < std::min<int64_t>(options_.candidates, untouched); ++i)
      candidates[m * options_.candidates + i] =
          static_cast<int32_t>(nth_missing(touched.data(), length, draw(i)));
  }
  return candidates;
}

Evaluator::Targets Evaluator::make_targets(Split split) const {
  const std::vector<int32_t> users = choose_users(split);
  MGQE_CHECK(!users.empty(), "no user has a held-out item in this split");
  Targets targets;
  std::vector<int64_t> offsets = {0};
  std::vector<int32_t> excluded;
  for (const int32_t user : users) {
    std::vector<int32_t> seen = train_history(dataset_, user);
    if (split == Split::kTest && dataset_.valid_item[user] >= 0)
      insert_sorted(seen, dataset_.valid_item[user]);
    excluded.insert(excluded.end(), seen.begin(), seen.end());
    offsets.push_back(static_cast<int64_t>(excluded.size()));
    targets.positives_host.push_back(split == Split::kValid ? dataset_.valid_item[user]
                                                            : dataset_.test_item[user]);
  }
  const std::vector<int32_t> candidates = choose_candidates(split, users);
  targets.users = Tensor<int32_t>(backend_, users);
  targets.positives = Tensor<int32_t>(backend_, targets.positives_host);
  targets.excluded_offsets = Tensor<int64_t>(backend_, offsets);
  targets.excluded_items = Tensor<int32_t>(backend_, excluded);
  targets.candidates =
      Tensor<int32_t>(backend_, candidates, static_cast<int64_t>(candidates.size() / users.size()));
  return targets;
}

Evaluation Evaluator::evaluate(Ranker& ranker, Split split) {
  const Targets& all = targets(split);
  const int64_t users = all.users.rows();
  Tensor<int32_t> sampled_greater(backend_, users), sampled_ties(backend_, users);
  Tensor<int32_t> full_greater(backend_, users), full_ties(backend_, users);
  for (int64_t first = 0; first < users; first += kUserChunk) {
    const int64_t here = std::min(kUserChunk, users - first);
    const View<const int32_t> chunk_users = all.users.view().slice(first, here);
    const View<const int32_t> positives = all.positives.view().slice(first, here);
    const Histories excluded{all.excluded_offsets.view().slice(first, here + 1),
                             all.excluded_items.view()};
    ranker.rank_candidates(
        chunk_users, positives, all.candidates.view().slice(first, here),
        {sampled_greater.view().slice(first, here), sampled_ties.view().slice(first, here)});
    ranker.rank_all(chunk_users, positives, excluded,
                    {full_greater.view().slice(first, here), full_ties.view().slice(first, here)});
  }
  return {
      summarize(sampled_greater.to_host(), sampled_ties.to_host(), all.positives_host,
                dataset_.items),
      summarize(full_greater.to_host(), full_ties.to_host(), all.positives_host, dataset_.items)};
}

}  // namespace mgqe
