// Stand-in for cub::DeviceScan.
#pragma once

#include "simulated_library.h"

namespace cub {

struct DeviceScan {
  template <class In, class Out>
  static cudaError_t InclusiveSum(void* scratch, size_t& scratch_bytes, In* in, Out* out, int n,
                                  cudaStream_t stream = nullptr) {
    const char* const name = "cub::DeviceScan::InclusiveSum";
    if (n < 0) return cudaErrorInvalidValue;
    const size_t count = static_cast<size_t>(n);
    const size_t needed = (count / 512 + 1) * 16 + 511;
    if (simulator::asked_for_scratch(name, scratch, scratch_bytes, needed)) return cudaSuccess;
    const size_t bytes = scratch_bytes;
    return simulator::enqueue(name, stream, [=] {
      if (simulator::overlap(scratch, bytes, in, count * sizeof(In)) ||
          simulator::overlap(scratch, bytes, out, count * sizeof(Out)))
        simulator::library_fault("arrays overlap");
      const auto* const values = simulator::read(in, count);
      simulator::clobber(scratch, bytes);
      Out* const sums = simulator::written(out, count);
      Out sum{};
      for (size_t i = 0; i < count; ++i) sums[i] = sum = static_cast<Out>(sum + values[i]);
    });
  }
};

}  // namespace cub
