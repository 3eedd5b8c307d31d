// RoundedCodebook: centroids as --codebook-type serves them, beside the f32 values that are
// trained. Training looks up, searches and takes the codebook's loss by the rounded ones, so that
// it sees what is served; their gradients move the others (straight-through).
#pragma once

#include "host/config/choices.hpp"
#include "host/engine/backend.hpp"

namespace mgqe {

class RoundedCodebook {
 public:
  /// trained (K, d); f32 keeps nothing.
  RoundedCodebook(Backend& backend, CodebookType type, const Tensor<float>& trained) {
    if (type == CodebookType::kF16)
      rounded_ = Tensor<float>(backend, trained.rows(), trained.cols());
  }

  /// Call once the trained values have moved.
  void refresh(Backend& backend, View<const float> trained) {
    if (rounds()) backend.round_to_half(trained, rounded_);
  }
  /// What is served of the trained values: of the last refresh.
  View<const float> of(View<const float> trained) const {
    return rounds() ? View<const float>(rounded_.view()) : trained;
  }
  DType type() const { return rounds() ? DType::kF16 : DType::kF32; }

 private:
  bool rounds() const { return rounded_.size() > 0; }

  Tensor<float> rounded_;
};

}  // namespace mgqe
