// Random sampling without memory: a keyed permutation of [0, n) and the r-th item a user has not
// touched. With them the k-th training example of an epoch is a pure function of (seed, epoch, k),
// so batches are built on any device, in any order, with nothing stored and nothing sorted.
#pragma once

#include <cstdint>

#include "host/core/philox.hpp"
#include "host/core/tensor.hpp"

namespace mgqe {

/// A pseudo-random bijection of [0, n): a Feistel network over the smallest even number of bits
/// that holds n, walked until it lands below n (Black & Rogaway 2002, "Ciphers with arbitrary
/// finite domains"); fewer than four walks on average.
struct Permutation {
  uint64_t n;
  uint64_t key;
  int half_bits;

  MGQE_HD Permutation(uint64_t n, uint64_t key) : n(n), key(key), half_bits(1) {
    while (half_bits < 31 && (1ull << (2 * half_bits)) < n) ++half_bits;
  }

  MGQE_HD uint64_t operator()(uint64_t i) const {
    do {
      i = walk(i);
    } while (i >= n);
    return i;
  }

  /// One walk: a bijection of the next larger power of four, which may land at n or above.
  MGQE_HD uint64_t walk(uint64_t i) const {
    constexpr int kRounds = 6;
    const uint32_t mask = (1u << half_bits) - 1;
    uint32_t left = static_cast<uint32_t>(i >> half_bits);
    uint32_t right = static_cast<uint32_t>(i) & mask;
    for (int round = 0; round < kRounds; ++round) {
      // murmur3's finaliser over (right, round key)
      uint32_t h = right ^ static_cast<uint32_t>(key >> (8 * (round & 3))) ^
                   (static_cast<uint32_t>(round) * 0x9E3779B9u);
      h += static_cast<uint32_t>(key >> 32);
      h = (h ^ (h >> 16)) * 0x85EBCA6Bu;
      h = (h ^ (h >> 13)) * 0xC2B2AE35u;
      h ^= h >> 16;
      const uint32_t next = left ^ (h & mask);
      left = right;
      right = next;
    }
    return (static_cast<uint64_t>(left) << half_bits) | right;
  }
};

/// Item lists of all users, concatenated; each user's items ascending and distinct.
struct Histories {
  View<const int64_t> offsets;  // (users + 1)
  View<const int32_t> items;    // (offsets[users])

  MGQE_HD int64_t length(int64_t user) const { return offsets[user + 1] - offsets[user]; }
  MGQE_HD const int32_t* begin(int64_t user) const { return items.data + offsets[user]; }
};

/// The r-th smallest item of [0, n) that is not in the sorted list; r < n - length.
/// sorted[k] - k is the count of missing items below sorted[k], so a binary search finds it.
MGQE_HD int64_t nth_missing(const int32_t* sorted, int64_t length, int64_t r) {
  int64_t below = 0;  // listed items known to be below the answer
  // Halving without a branch on the data: a mispredicted one costs more than the step it saves.
  for (int64_t left = length; left > 0;) {
    const int64_t half = (left + 1) / 2;
    const int64_t probe = below + half - 1;
    below += sorted[probe] - probe <= r ? half : 0;
    left -= half;
  }
  return r + below;
}

/// Progress of a run, in device memory, so that a captured step reads it anew at each replay.
struct StepState {
  uint64_t step;           // optimizer steps begun: 1 in the first step
  uint64_t epoch;          // 1 in the first epoch
  uint64_t step_in_epoch;  // 1 in the first step of an epoch
  uint64_t shuffle_key;    // of this epoch
  float adam_step_size;    // lr / (1 - beta1^step)
  float adam_root_bias2;   // sqrt(1 - beta2^step)
  float sparse_step_size;  // lr sqrt(1 - beta2^step) / (1 - beta1^step)
};

/// Draws training pairs: every positive once an epoch and, beside each, `negatives` items outside
/// the user's training set, in an order shuffled over all of them (He et al. 2017, section 3.3).
struct PairSampler {
  Histories histories;                // training items by user
  View<const int32_t> positive_user;  // (P) the user of each entry of histories.items
  int64_t items = 0;                  // catalogue size
  int negatives = 4;                  // per positive
  int64_t batch = 256;                // pairs a step
  uint64_t negative_key = 0;

  MGQE_HD int64_t pairs_per_epoch() const { return positive_user.size() * (1 + negatives); }

  struct Pair {
    int32_t user, item;
    float label;
  };

  MGQE_HD Permutation shuffle(uint64_t epoch_shuffle_key) const {
    return Permutation(static_cast<uint64_t>(pairs_per_epoch()), epoch_shuffle_key);
  }
  /// Where the k-th example of an epoch stands in the unshuffled list of examples, in which
  /// positive p is number p * (1 + negatives) and its negatives follow.
  MGQE_HD uint64_t example(uint64_t epoch_shuffle_key, uint64_t k) const {
    return shuffle(epoch_shuffle_key)(k);
  }
  MGQE_HD int64_t positive_of(uint64_t example) const {
    return static_cast<int64_t>(example / static_cast<uint64_t>(1 + negatives));
  }

  MGQE_HD bool is_positive(uint64_t example, int64_t positive) const {
    return static_cast<uint64_t>(positive) * static_cast<uint64_t>(1 + negatives) == example;
  }
  /// Which of the user's untouched items a negative example is.
  MGQE_HD uint64_t negative_bits(uint64_t epoch, uint64_t example) const {
    return random_u64(negative_key, example, epoch);
  }
  MGQE_HD int64_t missing_rank(uint64_t bits, int64_t history_length) const {
    return static_cast<int64_t>(random_below(bits, static_cast<uint64_t>(items - history_length)));
  }

  MGQE_HD Pair draw(uint64_t epoch, uint64_t example) const {
    const int64_t positive = positive_of(example);
    const int32_t user = positive_user[positive];
    if (is_positive(example, positive)) return Pair{user, histories.items[positive], 1.0f};
    const int64_t length = histories.length(user);
    const int64_t rank = missing_rank(negative_bits(epoch, example), length);
    const int64_t item = nth_missing(histories.begin(user), length, rank);
    return Pair{user, static_cast<int32_t>(item), 0.0f};
  }
};

}  // namespace mgqe
