#include "host/data/interactions/split.hpp"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <span>
#include <tuple>
#include <utility>

#include "host/base/check.hpp"
#include "host/base/parallel.hpp"
#include "host/data/interactions/popularity.hpp"

namespace mgqe {

namespace {

constexpr int64_t kGrain = 1024, kSortGrain = 256;  // users

/// Sorts one user's items by time; equal times keep their order. How many of them there are beyond
/// the first of each time.
int64_t sort_by_time(std::span<int64_t> times, std::span<int32_t> items) {
  const auto count_ties = [&] {
    int64_t ties = 0;
    for (size_t i = 1; i < times.size(); ++i) ties += times[i] == times[i - 1];
    return ties;
  };
  if (std::is_sorted(times.begin(), times.end())) return count_ties();
  std::vector<std::pair<int64_t, int32_t>> timed(items.size());
  for (size_t i = 0; i < timed.size(); ++i) timed[i] = {times[i], items[i]};
  std::stable_sort(timed.begin(), timed.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (size_t i = 0; i < timed.size(); ++i) std::tie(times[i], items[i]) = timed[i];
  return count_ties();
}

int64_t held_out_actions(HeldOut held_out) { return held_out == HeldOut::kTest ? 1 : 2; }

/// Cuts the held-out items off the end of every sequence that leaves at least one for training.
UserSequences hold_out(const UserSequences& all, HeldOut held_out, Dataset& dataset) {
  const int64_t users = dataset.users, held = held_out_actions(held_out);
  dataset.has_validation = held_out == HeldOut::kValidationAndTest;
  dataset.valid_item.assign(users, -1);
  dataset.test_item.assign(users, -1);
  UserSequences training;
  training.offsets.assign(users + 1, 0);
  for (int64_t user = 0; user < users; ++user) {
    const int64_t length = all.offsets[user + 1] - all.offsets[user];
    const bool has_test = length > held;
    training.offsets[user + 1] = training.offsets[user] + length - (has_test ? held : 0);
    if (!has_test) {
      ++dataset.short_users;
      continue;
    }
    dataset.test_item[user] = all.items[all.offsets[user + 1] - 1];
    if (dataset.has_validation) dataset.valid_item[user] = all.items[all.offsets[user + 1] - 2];
  }
  training.items.resize(training.offsets[users]);
  parallel_pieces(users, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t user = begin; user < end; ++user)
      std::copy_n(all.items.begin() + all.offsets[user],
                  training.offsets[user + 1] - training.offsets[user],
                  training.items.begin() + training.offsets[user]);
  });
  return training;
}

void rank_items(Dataset& dataset, UserSequences& training, Backend& backend) {
  std::vector<int64_t> counts(dataset.items);
  for (const int32_t item : training.items) ++counts[item];
  const std::vector<int32_t> order = frequency_order(counts, backend);
  reorder(dataset.item_ids.integers, order);
  reorder(dataset.item_ids.strings, order);

  const std::vector<int32_t> rank = invert(order);
  for (int32_t& item : training.items) item = rank[item];
  for (auto* held : {&dataset.valid_item, &dataset.test_item})
    for (int32_t& item : *held)
      if (item >= 0) item = rank[item];
}

void rank_users(Dataset& dataset, UserSequences& training, Backend& backend) {
  const auto length = [&](int64_t user) {
    return training.offsets[user + 1] - training.offsets[user];
  };
  std::vector<int64_t> counts(dataset.users);
  for (int64_t user = 0; user < dataset.users; ++user) counts[user] = length(user);
  const std::vector<int32_t> order = frequency_order(counts, backend);
  reorder(dataset.user_ids.integers, order);
  reorder(dataset.user_ids.strings, order);
  reorder(dataset.valid_item, order);
  reorder(dataset.test_item, order);

  UserSequences ranked;
  ranked.offsets.assign(dataset.users + 1, 0);
  for (int64_t rank = 0; rank < dataset.users; ++rank)
    ranked.offsets[rank + 1] = ranked.offsets[rank] + counts[order[rank]];
  ranked.items.resize(training.items.size());
  parallel_pieces(dataset.users, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t rank = begin; rank < end; ++rank)
      std::copy_n(training.items.begin() + training.offsets[order[rank]], counts[order[rank]],
                  ranked.items.begin() + ranked.offsets[rank]);
  });
  training = std::move(ranked);
}

/// Fills train_* with the distinct items of each sequence, ascending.
void make_histories(Dataset& dataset) {
  const std::vector<int64_t>& from = dataset.sequence_offsets;
  std::vector<int32_t> sorted = dataset.sequence_items;
  std::vector<int64_t> lengths(dataset.users);
  parallel_stretches(dataset.users, kSortGrain, [&](int64_t first, int64_t last) {
    for (int64_t user = first; user < last; ++user) {
      const auto begin = sorted.begin() + from[user], end = sorted.begin() + from[user + 1];
      std::sort(begin, end);
      lengths[user] = std::unique(begin, end) - begin;
    }
  });
  dataset.train_offsets.assign(dataset.users + 1, 0);
  std::partial_sum(lengths.begin(), lengths.end(), dataset.train_offsets.begin() + 1);
  for (int64_t user = 0; user < dataset.users; ++user)
    std::copy_n(sorted.begin() + from[user], lengths[user],
                sorted.begin() + dataset.train_offsets[user]);
  sorted.resize(dataset.train_offsets[dataset.users]);
  dataset.train_items = std::move(sorted);
}

/// Actions on an item that their user has acted on before.
int64_t count_repeats(const Dataset& dataset) {
  auto repeats = static_cast<int64_t>(dataset.sequence_items.size() - dataset.train_items.size());
  for (int64_t user = 0; user < dataset.users; ++user) {
    const int32_t valid = dataset.valid_item[user], test = dataset.test_item[user];
    const auto trained = [&](int32_t item) {
      return item >= 0 && std::binary_search(
                              dataset.train_items.begin() + dataset.train_offsets[user],
                              dataset.train_items.begin() + dataset.train_offsets[user + 1], item);
    };
    repeats += trained(valid) + (trained(test) || (test >= 0 && test == valid));
  }
  return repeats;
}

void check_trainable(const std::string& where, const Dataset& dataset) {
  for (int64_t user = 0; user < dataset.users; ++user)
    if (dataset.train_offsets[user + 1] - dataset.train_offsets[user] >= dataset.items)
      input_error(where, ": user ", dataset.user_ids.name(user), " has all ", dataset.items,
                  " items in training, so no negative can be drawn: leave each user at least one "
                  "item untouched");
}

}  // namespace

UserSequences group_by_user(const Actions& actions) {
  const int64_t users = actions.user_ids.size();
  UserSequences grouped;
  grouped.offsets.assign(users + 1, 0);
  for (const int32_t user : actions.users) ++grouped.offsets[user + 1];
  std::partial_sum(grouped.offsets.begin(), grouped.offsets.end(), grouped.offsets.begin());

  std::vector<int64_t> next(grouped.offsets.begin(), grouped.offsets.end() - 1);
  std::vector<int64_t> times(actions.times.size());
  grouped.items.resize(actions.items.size());
  for (size_t i = 0; i < actions.users.size(); ++i) {
    const int64_t at = next[actions.users[i]]++;
    grouped.items[at] = actions.items[i];
    if (!times.empty()) times[at] = actions.times[i];
  }
  if (times.empty()) return grouped;
  std::atomic<int64_t> ties{0};
  parallel_stretches(users, kSortGrain, [&](int64_t begin, int64_t end) {
    int64_t found = 0;
    for (int64_t user = begin; user < end; ++user) {
      const int64_t first = grouped.offsets[user];
      const auto length = static_cast<size_t>(grouped.offsets[user + 1] - first);
      found += sort_by_time({times.data() + first, length}, {grouped.items.data() + first, length});
    }
    ties += found;
  });
  grouped.ties = ties;
  return grouped;
}

Dataset arrange(const std::string& name, const std::string& where, Actions actions,
                HeldOut held_out, Backend& backend) {
  Dataset dataset;
  dataset.name = name;
  dataset.users = actions.user_ids.size();
  dataset.items = actions.item_ids.size();
  dataset.actions = static_cast<int64_t>(actions.items.size());
  if (dataset.actions == 0)
    input_error(where, ": holds no interactions: expected lines of a user and an item");
  if (dataset.items < 2)
    input_error(where, ": holds one item only: ranking needs a catalogue of 2 or more");

  UserSequences all = group_by_user(actions);
  dataset.reading = std::move(actions.reading);
  dataset.reading.ties = all.ties;
  UserSequences training = hold_out(all, held_out, dataset);
  all = {};
  if (dataset.short_users == dataset.users)
    input_error(where, ": no user has ", held_out_actions(held_out) + 1,
                " or more actions, so none can be held out for test: give longer histories");
  dataset.user_ids = std::move(actions.user_ids);
  dataset.item_ids = std::move(actions.item_ids);
  actions = {};
  rank_items(dataset, training, backend);
  rank_users(dataset, training, backend);
  dataset.sequence_offsets = std::move(training.offsets);
  dataset.sequence_items = std::move(training.items);
  make_histories(dataset);
  check_trainable(where, dataset);
  dataset.reading.repeats = count_repeats(dataset);
  dataset.fingerprint = fingerprint_of(dataset);
  return dataset;
}

}  // namespace mgqe
