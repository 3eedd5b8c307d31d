// What one attention call works on, shared by the instruction levels of attention.cpp.
#pragma once

#include "host/engine/backend.hpp"

namespace mgqe {

/// Dropout of one step.
struct StepDropout {
  uint64_t step_key;
  float rate;
  int64_t first_row;
};

struct AttentionTask {
  AttentionInput input;
  Sequences sequences;
  StepDropout dropout;
  View<float> out;       // (T, d), of attention_of_last (S, d)
  View<float> log_sums;  // (T, heads), of attention alone
};

struct AttentionBackwardTask {
  AttentionInput input;
  Sequences sequences;
  StepDropout dropout;
  View<const float> log_sums;      // (T, heads)
  View<const float> out_gradient;  // (T, d)
  AttentionGradients gradients;
};

}  // namespace mgqe
