#include "host/packed/code_space.hpp"

#include <algorithm>

namespace mgqe {
namespace {

constexpr int64_t kColumns = 64;  // summed at a time, on the stack

/// out[c] = sum_i x[i] matrix[i][c]
[[gnu::always_inline]] inline void product(const float* x, const float* matrix, int64_t d,
                                           float* out) {
  for (int64_t first = 0; first < d; first += kColumns) {
    const int64_t count = std::min(kColumns, d - first);
    double sums[kColumns] = {};
    for (int64_t i = 0; i < d; ++i) {
      const double value = x[i];
      const float* const line = matrix + i * d + first;
      for (int64_t c = 0; c < count; ++c) sums[c] += value * line[c];
    }
    for (int64_t c = 0; c < count; ++c) out[first + c] = static_cast<float>(sums[c]);
  }
}

using Product = void (*)(const float*, const float*, int64_t, float*);

void product_baseline(const float* x, const float* matrix, int64_t d, float* out) {
  product(x, matrix, d, out);
}

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] void product_avx2(const float* x, const float* matrix, int64_t d,
                                              float* out) {
  product(x, matrix, d, out);
}
#endif

Product choose_product() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return product_avx2;
#endif
  return product_baseline;
}

void multiply(const float* x, const float* matrix, int64_t d, float* out) {
  static const Product chosen = choose_product();
  chosen(x, matrix, d, out);
}

}  // namespace

CodeSpace::CodeSpace(const PackedTable& form, std::span<const float> rotation)
    : dim_(form.dim), code_dim_(form.code_dim()), rotation_(rotation) {
  MGQE_CHECK(rotation.size() == static_cast<size_t>(form.rotated ? dim_ * dim_ : 0),
             "a rotation of ", rotation.size(), " values, of dimension ", dim_);
  transpose_.resize(rotation.size());
  for (int64_t i = 0; i < dim_ && rotated(); ++i)
    for (int64_t c = 0; c < dim_; ++c)
      transpose_[static_cast<size_t>(c * dim_ + i)] = rotation[static_cast<size_t>(i * dim_ + c)];
}

CodeSpace::CodeSpace(const PackedTable& table)
    : CodeSpace(table, table.rotated ? table.arrays.at("rotation").as<float>()
                                     : std::span<const float>()) {}

void CodeSpace::row_of(float* stages, float* out) const {
  for (int64_t first = dim_; first < code_dim_; first += dim_)
    for (int64_t c = 0; c < dim_; ++c) stages[c] += stages[first + c];
  if (rotated())
    multiply(stages, rotation_.data(), dim_, out);
  else
    std::copy_n(stages, dim_, out);
}

void CodeSpace::rotate(const float* x, float* out) const {
  if (rotated())
    multiply(x, transpose_.data(), dim_, out);
  else
    std::copy_n(x, dim_, out);
}

void CodeSpace::query_of(const float* query, float* out) const {
  rotate(query, out);
  for (int64_t first = dim_; first < code_dim_; first += dim_) std::copy_n(out, dim_, out + first);
}

}  // namespace mgqe
