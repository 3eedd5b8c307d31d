// Codebook gradient and Adam on the CPU: each thread owns whole subspaces and adds rows in order,
// so no two threads meet and the sum does not depend on their number. A training step that searches
// by plain distances sums its gradient in assign_with_gradient.cpp instead.
#include <cstring>

#include "host/cpu/cpu_backend.hpp"

namespace mgqe {

namespace {

/// Subspaces [begin, end). tiers: null where no row is skipped. kWidth 0 takes any width.
template <int kWidth>
inline void add_rows(View<const float> queries, const UniqueIds& unique, const Tiers* tiers,
                     View<const uint8_t> codes, View<const float> codebook, float scale,
                     View<float> gradient, int64_t begin, int64_t end) {
  const int64_t width = kWidth > 0 ? kWidth : codebook.cols / codes.cols;
  for (int32_t u = 0; u < unique.count[0]; ++u) {
    if (tiers != nullptr && tiers->limit(unique.ids[u]) == 0) continue;
    const float weight = scale * static_cast<float>(unique.weight(u));
    const float* __restrict e = queries.row(unique.place(u));
    const uint8_t* __restrict code = codes.row(u);
    for (int64_t j = begin; j < end; ++j) {
      const float* __restrict c = codebook.row(code[j]) + j * width;
      float* __restrict g = gradient.row(code[j]) + j * width;
#pragma GCC ivdep
      for (int64_t q = 0; q < width; ++q) g[q] = fmaf(weight, c[q] - e[j * width + q], g[q]);
    }
  }
}

}  // namespace

void CpuBackend::codebook_gradient(View<const float> queries, const UniqueIds& unique,
                                   const Tiers& tiers, View<const uint8_t> codes,
                                   View<const float> codebook, float scale, View<float> gradient) {
  zero(gradient.data, sizeof(float) * gradient.size());
  // A grain of a quarter of the subspaces: fewer cannot pay for a thread on a small batch.
  const int64_t grain = std::max<int64_t>(1, codes.cols / 4);
  const int64_t width = codebook.cols / codes.cols;
  const bool skips =
      std::find(tiers.centroids, tiers.centroids + tiers.count, 0) != tiers.centroids + tiers.count;
  const Tiers* const skipping = skips ? &tiers : nullptr;
  parallel_ranges(codes.cols, grain, [=](int64_t begin, int64_t end) {
    switch (width) {
      case 2:
        return add_rows<2>(queries, unique, skipping, codes, codebook, scale, gradient, begin, end);
      case 4:
        return add_rows<4>(queries, unique, skipping, codes, codebook, scale, gradient, begin, end);
      case 8:
        return add_rows<8>(queries, unique, skipping, codes, codebook, scale, gradient, begin, end);
      default:
        return add_rows<0>(queries, unique, skipping, codes, codebook, scale, gradient, begin, end);
    }
  });
}

/// Of a codebook each thread takes the columns whose gradient it summed, which are in its caches.
void CpuBackend::adam(View<float> parameter, View<const float> gradient, Moments moments,
                      AdamOptions options, View<const StepState> state) {
  const int64_t rows = parameter.rows, cols = parameter.cols;
  if (rows > kMaxCentroids || cols % kSlabColumns != 0)
    return Elementwise::adam(parameter, gradient, moments, options, state);
  const Adam f{parameter, gradient, moments, options, state};
  const int64_t grain = std::max<int64_t>(1, kElementGrain / (rows * kSlabColumns));
  parallel_ranges(cols / kSlabColumns, grain, [=](int64_t begin, int64_t end) {
    for (int64_t r = 0; r < rows; ++r) {
#pragma GCC ivdep
      for (int64_t i = r * cols + begin * kSlabColumns; i < r * cols + end * kSlabColumns; ++i)
        f(i);
    }
  });
}

}  // namespace mgqe
