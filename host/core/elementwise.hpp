// Elementwise<Derived>: turns each functor of functors.hpp into the Backend virtual of the same
// name. Derived provides `template <class F> void for_each(int64_t n, const F& f)`: f(0) ... f(n -
// 1), in any order. A new elementwise op is a functor, a virtual and three lines here; no kernel.
#pragma once

#include "host/core/functors.hpp"

namespace mgqe {

template <class Derived>
class Elementwise : public Backend {
 public:
  void fill_normal(View<float> x, uint64_t key, float stddev) override {
    run(x.size(), FillNormal{x, key, stddev});
  }
  void fill_uniform(View<float> x, uint64_t key, float low, float high) override {
    run(x.size(), FillUniform{x, key, low, high});
  }
  void begin_step(View<StepState> state, AdamOptions options) override {
    run(1, BeginStep{state, options});
  }
  void sample_pairs(const PairSampler& sampler, View<const StepState> state, View<int32_t> users,
                    View<int32_t> items, View<float> labels) override {
    run(users.size(), SamplePairs{sampler, state, users, items, labels});
  }
  void adam(View<float> parameter, View<const float> gradient, Moments moments, AdamOptions options,
            View<const StepState> state) override {
    run(parameter.size(), Adam{parameter, gradient, moments, options, state});
  }
  void half_norms(View<const float> codebook, int subspaces, View<float> half_norms) override {
    run(half_norms.size(), HalfNorms{codebook, subspaces, half_norms});
  }
  void pack_codes(View<const uint8_t> codes, int bits, View<uint8_t> packed) override {
    run(packed.size(), PackCodes{codes, bits, packed});
  }
  void decode(View<const uint8_t> packed, int bits, int subspaces, View<const float> codebook,
              View<float> rows) override {
    run(rows.size(), Decode{packed, bits, subspaces, codebook, rows});
  }
  void bce_with_logits(View<const float> logits, View<const float> labels, float scale,
                       View<float> losses, View<float> gradient) override {
    run(logits.size(), BceWithLogits{logits, labels, scale, losses, gradient});
  }
  void gather(View<const float> table, View<const int32_t> ids, View<float> out) override {
    run(out.size(), Gather{table, ids, out});
  }
  void scale_columns(View<const float> rows, View<const float> weights, View<float> out) override {
    run(rows.size(), ScaleColumns{rows, weights, out});
  }

 private:
  template <class F>
  void run(int64_t n, const F& f) {
    if (n > 0) static_cast<Derived&>(*this).for_each(n, f);
  }
};

}  // namespace mgqe
