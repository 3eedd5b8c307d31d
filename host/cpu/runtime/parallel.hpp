// How the CPU runs a loop body: split over threads, compiled once per instruction level and
// chosen at run time. A body is a callable over a half-open range; it is inlined into each level's
// copy, so its plain loops vectorise for AVX-512, AVX2 and the baseline alike.
//
// Bodies give the same bits at every level and thread count as long as no element's arithmetic
// depends on where the range was cut: fma is explicit and sums keep their own fixed lanes.
#pragma once

#include <cstdint>

#include "host/base/parallel.hpp"

namespace mgqe {

enum class SimdLevel { kBaseline, kAvx2, kAvx512 };

/// What this processor runs; decided once.
SimdLevel simd_level();
const char* simd_level_name(SimdLevel level);

namespace detail {

template <class Body>
[[gnu::flatten]] void run_baseline(const Body& body, int64_t begin, int64_t end) {
  body(begin, end);
}
#if defined(__x86_64__)
template <class Body>
[[gnu::flatten, gnu::target("avx2,fma")]] void run_avx2(const Body& body, int64_t begin,
                                                        int64_t end) {
  body(begin, end);
}
template <class Body>
[[gnu::flatten, gnu::target("avx512f,avx512bw,avx512dq,avx512vl,fma,prefer-vector-width=512")]] void
run_avx512(const Body& body, int64_t begin, int64_t end) {
  body(begin, end);
}
#endif

template <class Body>
void run_range(const Body& body, int64_t begin, int64_t end) {
#if defined(__x86_64__)
  switch (simd_level()) {
    case SimdLevel::kAvx512:
      return run_avx512(body, begin, end);
    case SimdLevel::kAvx2:
      return run_avx2(body, begin, end);
    case SimdLevel::kBaseline:
      break;
  }
#endif
  run_baseline(body, begin, end);
}

}  // namespace detail

/// As parallel_pieces, with the body compiled for this processor's instruction level.
template <class Body>
void parallel_ranges(int64_t n, int64_t grain, const Body& body) {
  parallel_pieces(n, grain,
                  [&](int64_t begin, int64_t end) { detail::run_range(body, begin, end); });
}

}  // namespace mgqe
