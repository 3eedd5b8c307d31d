// How a positive stands among scores: what every ranking kernel counts.
#pragma once

#include "cuda/primitives.cuh"

namespace mgqe {

/// Adds one score to the two counts. A score that does not compare (NaN) counts as greater.
struct Standing {
  int greater = 0, ties = 0;
  __device__ void add(float score, float positive_score) {
    greater += !(score <= positive_score);
    ties += score == positive_score;
  }
};

}  // namespace mgqe
