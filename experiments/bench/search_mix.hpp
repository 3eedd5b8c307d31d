// The instructions of a CPU's search without its memory: how fast they can be issued at all.
#pragma once

#include <cstdint>

#include "host/base/tensor.hpp"

namespace mgqe::bench {

/// Where the vectors of rows are; the faster of the two is nearer to what a processor can issue.
enum class SearchRows { kInRegisters, kInFirstCache };

/// For each element of `sums`, a thread's, about `steps` centroids against vectors of rows: `width`
/// fma, a comparison, a blend and a minimum each, as host/cpu/nearest-inl.hpp has them, with the
/// centroids' components broadcast from the first-level cache. Returns the flops of the fma; the
/// sums are there to be written.
double run_search_mix(SearchRows rows, int width, int64_t steps, View<float> sums);

}  // namespace mgqe::bench
