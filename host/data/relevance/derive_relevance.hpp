// Item-to-item relevance out of who has what.
#pragma once

#include <cstdint>

#include "host/data/dataset.hpp"
#include "host/data/relevance/relevance.hpp"

namespace mgqe {

/// How much more often than by chance two items are had together: with c = `both`, the users who
/// have both, and e = |a| |b| / N, those expected by chance,
///   round(100 tanh(ln((c + 1) / (e + 1)) / 1.5)), -100 to 100.
int derived_score(int64_t both, int64_t owners_a, int64_t owners_b, int64_t users);

/// At most `count` unordered pairs of distinct items of `dataset`, none twice, in random order. 70%
/// are drawn uniformly from the pairs that two users or more have both of; of the rest each item
/// is drawn in proportion to its users. A user has the items of training, validation and test.
/// Fewer pairs come where there are fewer: all that two users share, and at most 3/7 as many drawn
/// by popularity.
///
/// Co-occurrence is counted exactly, an item at a time: memory for the items and the pairs drawn,
/// and time for three passes over all pairs of items in each user's set.
ScoredPairs derive_relevance(const Dataset& dataset, int64_t count, uint64_t seed);

}  // namespace mgqe
