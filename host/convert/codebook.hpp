// Learning a codebook from rows: k-means++ and Lloyd's iterations in every subspace, where
// centroids that are there already take part and stay as they are.
//
// So a codebook shared by tiers is learnt from its end: the K of the last tier from that tier's
// rows, then, beside them, those that only more frequent tiers may use, from the rows of these.
// With K = 256, 64 of clustered rows the head loses 2.4% of what a codebook of its own would give,
// the tail nothing; had the codebook been learnt at once, its first 64 would cost the tail 10%
// (experiments/results/convert_cpu.json).
//
// The search is Backend::assign, whose codes have the same bits on every device; all sums are taken
// here, in an order that knows neither threads nor device. So a seed gives one codebook.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "host/base/tensor.hpp"
#include "host/engine/backend.hpp"

namespace mgqe {

/// Centroids [first, last) to learn.
struct CodebookRange {
  int first = 0;
  int last = 0;
};

struct LearnOptions {
  int subspaces = 1;  // D, divides d
  int iterations = 25;
  uint64_t seed = 1;
  std::function<void(int iteration)> iterated = [](int) {};  // 1 to iterations
  bool go_on = false;  // from the centroids that `range` has, not from new ones
};

/// codebook (K, d), in host memory like rows (m, d), m >= 1: centroids of `range` are learnt, those
/// before it stay, those after it are not looked at. As many rows as centroids or fewer are
/// reproduced exactly; a centroid that no row is left for is a copy of centroid 0.
void learn_centroids(Backend& backend, View<const float> rows, CodebookRange range,
                     const LearnOptions& options, std::vector<float>& codebook);

/// decoded (m, d) = what codes of rows (m, d) stand for: in each subspace the nearest of the first
/// `limit` centroids of codebook (K, d). All in host memory.
void decode_nearest(Backend& backend, View<const float> rows, const std::vector<float>& codebook,
                    int limit, int subspaces, View<float> decoded);

}  // namespace mgqe
