// What bounds every other op: work that keeps one resource of the device fully busy and does
// nothing else. bench_ops times it and holds the other ops against it.
#pragma once

#include "host/engine/ops/types.hpp"

namespace mgqe {

class CeilingOps {
 public:
  virtual ~CeilingOps() = default;

  /// Workers that together occupy every f32 unit: threads of a CPU, multiprocessors of a GPU.
  virtual int fma_workers() const = 0;
  /// Of the cache before the device's memory that all workers share; 0: not known.
  virtual int64_t cache_bytes() const { return 0; }
  /// On each of |sums| workers, as many independent chains as hide the latency of an fma:
  /// x_0 = 0, x_{i+1} = fma(x_i, factor, addend), for `steps` steps. sums[w] = the sum of worker
  /// w's x_steps. Returns the fma of all chains together, each of them two flops.
  virtual int64_t run_fma_chains(int64_t steps, float factor, float addend, View<float> sums) = 0;
  /// out (n) = x (n); both begin where allocate() let them.
  virtual void copy(View<const float> x, View<float> out) = 0;
  /// x[i] = value; x begins where allocate() let it.
  virtual void fill(View<float> x, float value) = 0;
};

}  // namespace mgqe
