// Codebook gradient on the CPU: each thread owns whole subspaces and adds rows in order, so no two
// threads meet and the sum does not depend on their number.
#include <cstring>

#include "host/cpu/cpu_backend.hpp"

namespace mgqe {

void CpuBackend::codebook_gradient(View<const float> queries, const UniqueIds& unique,
                                   View<const uint8_t> codes, View<const float> codebook,
                                   float scale, View<float> gradient) {
  const int64_t subspaces = codes.cols, width = codebook.cols / subspaces;
  const int32_t rows = unique.count[0];
  zero(gradient.data, sizeof(float) * gradient.size());
  // A grain of a quarter of the subspaces: fewer cannot pay for a thread on a small batch.
  const int64_t grain = std::max<int64_t>(1, subspaces / 4);
  parallel_ranges(subspaces, grain, [=](int64_t begin, int64_t end) {
    for (int32_t u = 0; u < rows; ++u) {
      const float weight = scale * static_cast<float>(unique.offsets[u + 1] - unique.offsets[u]);
      const float* e = queries.row(unique.ids[u]);
      const uint8_t* code = codes.row(u);
      for (int64_t j = begin; j < end; ++j) {
        const float* c = codebook.row(code[j]) + j * width;
        float* g = gradient.row(code[j]) + j * width;
        for (int64_t q = 0; q < width; ++q) g[q] = fmaf(weight, c[q] - e[j * width + q], g[q]);
      }
    }
  });
}

}  // namespace mgqe
