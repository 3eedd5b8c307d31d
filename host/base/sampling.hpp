// Random sampling without memory: a keyed permutation of [0, n) and the r-th item a user has not
// touched. With them the k-th training example of an epoch is a pure function of (seed, epoch, k),
// so batches are built on any device, in any order, with nothing stored and nothing sorted.
#pragma once

#include <cstdint>

#include "host/base/philox.hpp"
#include "host/base/tensor.hpp"

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
  float adam_scale;        // rate_factor() / (1 - beta1^step)
  float adam_root_bias2;   // sqrt(1 - beta2^step)
  float sparse_scale;      // the same times sqrt(1 - beta2^step)
  float rate_cut;          // share of every learning rate that is taken away; 0 at first

  /// What every learning rate is multiplied by; both scales above hold it already.
  MGQE_HD float rate_factor() const { return 1.0f - rate_cut; }
};

/// Draws training pairs: every positive once an epoch and, beside each, `negatives` items outside
/// the user's training set, in an order shuffled over all of them (He et al. 2017, section 3.3).
struct PairSampler {
  Histories histories;                // training items by user
  View<const int32_t> positive_user;  // (P) the user of each entry of histories.items
  int64_t items = 0;                  // catalogue size
  int negatives = 4;                  // per positive
  int64_t batch = 256;                // pairs a step
  int64_t first = 0;                  // of those, the number of the first to draw
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

/// Draws a user's training sequence: token t reads an action and is to predict the next, beside one
/// item outside the user's training set (Kang & McAuley 2018, section 3.6). The last max_length
/// actions that have a successor are the tokens.
struct SequenceSampler {
  View<const int64_t> offsets;  // (users + 1) into actions
  View<const int32_t> actions;  // items in time order
  Histories histories;          // training items by user, distinct
  int64_t items = 0;            // catalogue size
  int64_t max_length = 200;
  uint64_t negative_key = 0;

  MGQE_HD int64_t length(int64_t user) const {
    const int64_t tokens = offsets[user + 1] - offsets[user] - 1;
    return tokens < 0 ? 0 : tokens < max_length ? tokens : max_length;
  }

  struct Token {
    int32_t input, position, positive, negative;
  };
  /// Token t < length(user).
  MGQE_HD Token draw(uint64_t epoch, int64_t user, int64_t t) const {
    const int64_t tokens = length(user);
    const int64_t action = offsets[user + 1] - 1 - tokens + t;
    const int64_t touched = histories.length(user);
    const uint64_t bits =
        random_u64(negative_key, static_cast<uint64_t>(user * max_length + t), epoch);
    const int64_t rank =
        static_cast<int64_t>(random_below(bits, static_cast<uint64_t>(items - touched)));
    return Token{actions[action], static_cast<int32_t>(max_length - tokens + t),
                 actions[action + 1],
                 static_cast<int32_t>(nth_missing(histories.begin(user), touched, rank))};
  }
};

/// Draws every scored pair once an epoch, in shuffled order.
struct ScoredPairSampler {
  View<const int32_t> left, right;  // (P)
  View<const float> targets;        // (P)
  int64_t batch = 256;              // pairs a step
  int64_t first = 0;                // of those, the number of the first to draw
};

/// Whether dropout keeps element i of a layer in a step: bits of a 32-bit mix (the finaliser of
/// murmur3, keyed twice) against the rate. One multiplication chain an element and no state, so it
/// vectorises and any device and order agrees.
MGQE_HD uint64_t dropout_step_key(uint64_t layer_key, uint64_t step) {
  uint64_t z = layer_key + step * 0x9E3779B97F4A7C15ull;  // splitmix64's finaliser
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}
MGQE_HD bool dropout_keeps(uint64_t step_key, uint64_t element, float rate) {
  uint32_t h = static_cast<uint32_t>(element) ^ static_cast<uint32_t>(step_key);
  h = (h ^ (h >> 16)) * 0x85EBCA6Bu;
  h += static_cast<uint32_t>(step_key >> 32) ^ static_cast<uint32_t>(element >> 32);
  h = (h ^ (h >> 13)) * 0xC2B2AE35u;
  h ^= h >> 16;
  return static_cast<float>(h >> 8) >= rate * 16777216.0f;
}

}  // namespace mgqe
