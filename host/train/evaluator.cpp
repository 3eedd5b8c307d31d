#include "host/train/evaluator.hpp"

#include <algorithm>
#include <cmath>

#include "host/base/parallel.hpp"
#include "models/optim/sparse_all_to_all.hpp"
#include "models/scorers/history_tokens.hpp"

namespace mgqe {
namespace {

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
                       const std::vector<int32_t>& positives, const std::vector<bool>& judged,
                       int64_t items) {
  const auto head_items = static_cast<int64_t>(std::ceil(kHeadFraction * items - 1e-6));
  SplitMetrics metrics;
  for (size_t m = 0; m < greater.size(); ++m) {
    if (!judged[m]) continue;
    metrics.all.add(greater[m], ties[m]);
    (positives[m] < head_items ? metrics.head : metrics.tail).add(greater[m], ties[m]);
  }
  metrics.all.finish();
  metrics.head.finish();
  metrics.tail.finish();
  return metrics;
}

}  // namespace

int64_t competitors(const Dataset& dataset, Split split, int32_t user) {
  const auto begin = dataset.train_items.begin() + dataset.train_offsets[user];
  const auto end = dataset.train_items.begin() + dataset.train_offsets[user + 1];
  const int32_t valid = dataset.valid_item[user], test = dataset.test_item[user];
  const auto is_new = [&](int32_t item) {
    return item >= 0 && !std::binary_search(begin, end, item);
  };
  int64_t touched = end - begin + is_new(valid);
  if (split == Split::kTest && test != valid) touched += is_new(test);
  return dataset.items - touched;
}

Evaluator::Evaluator(Backend& backend, const Dataset& dataset, const EvaluatorOptions& options)
    : backend_(backend), dataset_(dataset), options_(options) {}

RankBatch Evaluator::Chunk::batch() const {
  return {users,     positives, candidates, {excluded_offsets.view(), excluded_items.view()},
          histories, kCutoff};
}

const Evaluator::Targets& Evaluator::targets(Split split, const Ranker& ranker) {
  auto& made = split == Split::kValid ? valid_ : test_;
  if (!made || made->chunk_users != ranker.max_users() || made->together != ranker.together())
    made = make_targets(split, ranker);
  return *made;
}

std::vector<int32_t> Evaluator::choose_users(Split split) const {
  std::vector<int32_t> users;
  for (int64_t user = 0; user < dataset_.users; ++user)
    if (held_out(split, static_cast<int32_t>(user)) >= 0)
      users.push_back(static_cast<int32_t>(user));
  const auto count = static_cast<int64_t>(users.size());
  if (options_.users == 0 || options_.users >= count) return users;
  const Permutation shuffle(static_cast<uint64_t>(count),
                            stream_key(options_.seed, RandomStream::kEvaluation));
  std::vector<int32_t> chosen;
  for (int64_t i = 0; i < options_.users; ++i) chosen.push_back(users[shuffle(i)]);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

/// By the sampled protocol.
bool Evaluator::has_candidates(int32_t user) const {
  const int64_t own = dataset_.negatives_per_user;
  if (own == 0) return competitors(dataset_, Split::kTest, user) > 0;
  const auto row = dataset_.test_negatives.begin() + user * own;
  return std::any_of(row, row + own, [](int32_t item) { return item >= 0; });
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
  const auto draw_for = [&](int64_t m) {
    const std::vector<int32_t> touched = whole_history(dataset_, users[m]);
    const auto length = static_cast<int64_t>(touched.size());
    const int64_t untouched = dataset_.items - length;
    if (untouched == 0) return;
    const Permutation draw(static_cast<uint64_t>(untouched),
                           random_u64(key, users[m], split == Split::kTest));
    for (int64_t i = 0; i < std::min<int64_t>(options_.candidates, untouched); ++i)
      candidates[m * options_.candidates + i] =
          static_cast<int32_t>(nth_missing(touched.data(), length, draw(i)));
  };
  parallel_pieces(static_cast<int64_t>(users.size()), 16, [&](int64_t begin, int64_t end) {
    for (int64_t m = begin; m < end; ++m) draw_for(m);
  });
  return candidates;
}

Evaluator::Targets Evaluator::make_targets(Split split, const Ranker& ranker) const {
  const std::vector<int32_t> users = choose_users(split);
  MGQE_CHECK(!users.empty(), "no user has a held-out item in this split");
  Targets targets;
  targets.chunk_users = ranker.max_users();
  targets.together = ranker.together();
  for (const int32_t user : users) {
    targets.positives.push_back(held_out(split, user));
    targets.judged_sampled.push_back(has_candidates(user));
    targets.judged_full.push_back(competitors(dataset_, split, user) > 0);
  }
  const Communicator& ranks = backend_.communicator();
  const auto count = static_cast<int64_t>(users.size()), at_a_time = ranker.max_histories();
  int64_t size = ranker.max_users();
  if (!ranker.together()) {  // no fewer chunks than ranks, where there are users enough
    const int64_t share = (count + ranks.size() - 1) / ranks.size();
    size = std::min(size, (share + at_a_time - 1) / at_a_time * at_a_time);
  }
  for (int64_t first = 0; first < count; first += size) {
    if (!ranker.together() && first / size % ranks.size() != ranks.rank()) continue;
    const int64_t last = std::min(count, first + size);
    targets.chunks.push_back(
        make_chunk(split, {users.begin() + first, users.begin() + last}, at_a_time));
    targets.chunks.back().first = first;
  }
  return targets;
}

Evaluator::Chunk Evaluator::make_chunk(Split split, const std::vector<int32_t>& users,
                                       int64_t at_a_time) const {
  std::vector<int64_t> offsets = {0};
  std::vector<int32_t> excluded, positives;
  for (const int32_t user : users) {
    std::vector<int32_t> seen = train_history(dataset_, user);
    if (split == Split::kTest && dataset_.valid_item[user] >= 0)
      insert_sorted(seen, dataset_.valid_item[user]);
    excluded.insert(excluded.end(), seen.begin(), seen.end());
    offsets.push_back(static_cast<int64_t>(excluded.size()));
    positives.push_back(held_out(split, user));
  }
  const std::vector<int32_t> candidates = choose_candidates(split, users);
  Chunk chunk;
  chunk.users = Tensor<int32_t>(backend_, users);
  chunk.positives = Tensor<int32_t>(backend_, positives);
  chunk.excluded_offsets = Tensor<int64_t>(backend_, offsets);
  chunk.excluded_items = Tensor<int32_t>(backend_, excluded);
  chunk.candidates =
      Tensor<int32_t>(backend_, candidates, static_cast<int64_t>(candidates.size() / users.size()));
  if (options_.max_length == 0) return chunk;
  std::span<const int32_t> left = users;
  while (!left.empty()) {
    const size_t part = std::min(left.size(), static_cast<size_t>(at_a_time));
    add_histories(split, left.first(part), chunk);
    left = left.subspan(part);
  }
  return chunk;
}

/// What each user did before the held-out item, the validation item included at test.
void Evaluator::add_histories(Split split, std::span<const int32_t> users, Chunk& chunk) const {
  HistoryTokens tokens(options_.max_length);
  for (const int32_t user : users) {
    std::vector<int32_t> actions(
        dataset_.sequence_items.begin() + dataset_.sequence_offsets[user],
        dataset_.sequence_items.begin() + dataset_.sequence_offsets[user + 1]);
    if (split == Split::kTest && dataset_.valid_item[user] >= 0)
      actions.push_back(dataset_.valid_item[user]);
    MGQE_CHECK(!actions.empty(), "user ", user, " has nothing to read");
    tokens.add(actions);
  }
  const auto keep = [&](const std::vector<int32_t>& values) -> View<const int32_t> {
    return chunk.history_arrays.emplace_back(backend_, values).view();
  };
  chunk.histories.push_back({{keep(tokens.offsets), tokens.longest},
                             keep(tokens.items),
                             keep(tokens.positions),
                             keep(tokens.last)});
}

Evaluation Evaluator::evaluate(Ranker& ranker, Split split) {
  const Targets& all = targets(split, ranker);
  const auto users = static_cast<int64_t>(all.positives.size());
  Tensor<int32_t> sampled_greater(backend_, users), sampled_ties(backend_, users);
  Tensor<int32_t> full_greater(backend_, users), full_ties(backend_, users);
  for (const Chunk& chunk : all.chunks) {
    const auto part = [&](const Tensor<int32_t>& counts) {
      return counts.view().slice(chunk.first, chunk.users.rows());
    };
    ranker.rank(chunk.batch(), {part(sampled_greater), part(sampled_ties)},
                {part(full_greater), part(full_ties)});
  }
  const auto of_all_ranks = [&](const Tensor<int32_t>& counts) {
    const std::vector<int32_t> mine = counts.to_host();
    std::vector<double> sums(mine.begin(), mine.end());
    sum_over_ranks(backend_.communicator(), sums);
    return std::vector<int32_t>(sums.begin(), sums.end());
  };
  const std::vector<int32_t> greater = of_all_ranks(full_greater), ties = of_all_ranks(full_ties);
  Evaluation evaluation{summarize(of_all_ranks(sampled_greater), of_all_ranks(sampled_ties),
                                  all.positives, all.judged_sampled, dataset_.items),
                        summarize(greater, ties, all.positives, all.judged_full, dataset_.items),
                        {}};
  for (size_t m = 0; m < greater.size(); ++m)
    if (all.judged_full[m])
      evaluation.full_hits.push_back(expected_hit(greater[m], ties[m], kCutoff));
  return evaluation;
}

}  // namespace mgqe
