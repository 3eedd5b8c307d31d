// Rows of many features between tables and the columns of a row. Those of a table lie anywhere in
// memory, so they are fetched ahead.
#include <algorithm>

#include "host/cpu/cpu_backend.hpp"

namespace mgqe {
namespace {

constexpr int64_t kPrefetchLookups = 16;
constexpr int64_t kLine = 16;  // floats of a cache line

}  // namespace

void CpuBackend::gather_features(Lookup rows, View<const int32_t> places, View<float> out) {
  const int64_t G = places.size(), d = rows.rows.cols, lookups = out.rows * G;
  parallel_ranges(out.rows, row_grain(G * d), [=](int64_t begin, int64_t end) {
    const int32_t* const index = rows.index.data;
    for (int64_t b = begin; b < end; ++b)
      for (int64_t g = 0; g < G; ++g) {
        const int64_t lookup = b * G + g;
        if (index != nullptr) {
          const float* ahead =
              rows.rows.row(index[std::min(lookup + kPrefetchLookups, lookups - 1)]);
          for (int64_t c = 0; c < d; c += kLine) __builtin_prefetch(ahead + c);
        }
        const float* __restrict from = rows.rows.row(index == nullptr ? lookup : index[lookup]);
        float* __restrict to = out.row(b) + places[g] * d;
        for (int64_t c = 0; c < d; ++c) to[c] = from[c];
      }
  });
}

void CpuBackend::part_features(View<const float> x, View<const int32_t> places, View<float> out) {
  const int64_t G = places.size();
  if (G == 0) return;
  const int64_t d = out.cols / G;
  parallel_ranges(out.rows, row_grain(G * d), [=](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b)
      for (int64_t g = 0; g < G; ++g) {
        const float* __restrict from = x.row(b) + places[g] * d;
        float* __restrict to = out.row(b) + g * d;
        for (int64_t c = 0; c < d; ++c) to[c] = from[c];
      }
  });
}

}  // namespace mgqe
