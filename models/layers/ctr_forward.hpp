// CtrForward: what a backbone computes from the vectors of many features, from its weights alone.
#pragma once

#include "host/base/host_array.hpp"
#include "host/engine/backend.hpp"

namespace mgqe {

/// What its layers are sized by.
struct CtrSizes {
  int64_t features;  // C
  int64_t dim;       // d
  int64_t dense;     // F
};

class CtrForward {
 public:
  virtual ~CtrForward() = default;
  /// logits (B) from x (B, C d), the features' vectors side by side, and dense (B, F). Keeps what a
  /// backward needs of it.
  virtual void forward(View<const float> x, View<const float> dense, View<float> logits) = 0;
  virtual void pack(ArrayMap& arrays) const = 0;
  virtual void load(const ArrayMap& arrays) = 0;
};

}  // namespace mgqe
