// Drawing training pairs on the CPU. A draw reads the positive's user, that user's history and then
// a binary search in it, each read waiting for the one before: a dozen cache misses in a row. Here
// a group of draws goes through the stages in step, so that their misses overlap.
#include "host/cpu/cpu_backend.hpp"

namespace mgqe {
namespace {

constexpr int kGroup = 32;
constexpr int64_t kPairGrain = 96;

/// nth_missing for up to kGroup lists at once.
struct Search {
  const int32_t* list[kGroup];
  int64_t left[kGroup];
  int64_t rank[kGroup];
  int64_t below[kGroup];
  int count = 0;

  void add(const int32_t* sorted, int64_t length, int64_t r) {
    list[count] = sorted;
    left[count] = length;
    rank[count] = r;
    below[count] = 0;
    fetch_probe(count);
    ++count;
  }
  int64_t item(int i) const { return rank[i] + below[i]; }
  /// What list i is asked next, fetched while the others are asked.
  void fetch_probe(int i) const { __builtin_prefetch(list[i] + below[i] + (left[i] + 1) / 2 - 1); }

  void run() {
    for (bool searching = true; searching;) {
      searching = false;
      for (int i = 0; i < count; ++i) {
        if (left[i] == 0) continue;
        const int64_t half = (left[i] + 1) / 2;
        const int64_t probe = below[i] + half - 1;
        below[i] += list[i][probe] - probe <= rank[i] ? half : 0;
        left[i] -= half;
        fetch_probe(i);
        searching = true;
      }
    }
  }
};

/// shuffle(first) ... shuffle(first + kGroup - 1), all lanes walking together; lanes past the end
/// of the epoch repeat its last example and are not used.
inline void shuffle_group(const Permutation& shuffle, uint64_t first,
                          uint64_t* __restrict example) {
  for (int i = 0; i < kGroup; ++i)
    example[i] = shuffle.walk(std::min(first + static_cast<uint64_t>(i), shuffle.n - 1));
  for (bool walking = true; walking;) {
    uint64_t outside = 0;
    for (int i = 0; i < kGroup; ++i) {
      const uint64_t next = shuffle.walk(example[i]);
      example[i] = example[i] >= shuffle.n ? next : example[i];
      outside |= example[i] >= shuffle.n ? 1 : 0;
    }
    walking = outside != 0;
  }
}

/// Pairs [begin, end) of the batch, at most kGroup.
inline void draw_group(const SamplePairs& f, const Permutation& shuffle, int64_t begin,
                       int64_t end) {
  const PairSampler& sampler = f.sampler;
  const StepState& state = f.state[0];
  const int count = static_cast<int>(end - begin);
  uint64_t example[kGroup], bits[kGroup];
  int64_t positive[kGroup];
  shuffle_group(shuffle,
                (state.step_in_epoch - 1) * static_cast<uint64_t>(sampler.batch) +
                    static_cast<uint64_t>(sampler.first) + static_cast<uint64_t>(begin),
                example);
  for (int i = 0; i < count; ++i) {
    positive[i] = sampler.positive_of(example[i]);
    __builtin_prefetch(&sampler.positive_user[positive[i]]);
    __builtin_prefetch(&sampler.histories.items[positive[i]]);
  }
  for (int i = 0; i < kGroup; ++i) bits[i] = sampler.negative_bits(state.epoch, example[i]);
  Search search;
  int64_t searched[kGroup];
  for (int i = 0; i < count; ++i) {
    const int64_t b = begin + i;
    const int32_t user = sampler.positive_user[positive[i]];
    const bool is_positive = sampler.is_positive(example[i], positive[i]);
    f.users[b] = user;
    f.labels[b] = is_positive ? 1.0f : 0.0f;
    if (is_positive) {
      f.items[b] = sampler.histories.items[positive[i]];
      continue;
    }
    const int64_t length = sampler.histories.length(user);
    searched[search.count] = b;
    search.add(sampler.histories.begin(user), length, sampler.missing_rank(bits[i], length));
  }
  search.run();
  for (int i = 0; i < search.count; ++i)
    f.items[searched[i]] = static_cast<int32_t>(search.item(i));
}

}  // namespace

void CpuBackend::sample_pairs(const PairSampler& sampler, View<const StepState> state,
                              View<int32_t> users, View<int32_t> items, View<float> labels) {
  const SamplePairs f{sampler, state, users, items, labels};
  parallel_ranges(users.size(), kPairGrain, [&f](int64_t begin, int64_t end) {
    const Permutation shuffle = f.sampler.shuffle(f.state[0].shuffle_key);
    for (int64_t b = begin; b < end; b += kGroup)
      draw_group(f, shuffle, b, std::min(b + kGroup, end));
  });
}

}  // namespace mgqe
