// Dot products of every two of a row's vectors, and their gradients, as products of matrices as
// small as a row: X X^T, and G X with the symmetric G of the products' gradients (Naumov et al.
// 2019, section 2.1.3). Half of X X^T is thrown away, and it is still several times as fast as a
// chain of additions a pair.
//
// Sums are fma chains in the order of columns, or of vectors: neither the instruction level nor the
// number of threads changes a bit.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "host/cpu/dot_pairs.cpp"
// clang-format off
#include "hwy/foreach_target.h"  // first: it includes this file once per target
#include "hwy/highway.h"
// clang-format on

#include "host/cpu/cpu_backend.hpp"
#include "host/cpu/dot_pairs_task.hpp"
#include "host/cpu/matrix_product-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace mgqe {
namespace HWY_NAMESPACE {

/// Of one row: vectors (V, dim), products (V (V - 1) / 2).
void multiply_pairs(const float* vectors, int64_t V, int64_t dim, const PairScratch& scratch,
                    float* products) {
  const Strided x{vectors, dim, 1}, transposed{vectors, 1, dim};
  multiply(V, V, dim, x, transposed, scratch.square, V, false, scratch.panel);
  for (int64_t i = 1; i < V; ++i, products += i - 1)
    std::copy_n(scratch.square + i * V, i, products);
}

void multiply_pairs_backward(const float* vectors, int64_t V, int64_t dim,
                             const float* product_gradients, const PairScratch& scratch,
                             float* gradients) {
  float* const square = scratch.square;
  for (int64_t i = 0; i < V; ++i) {
    square[i * V + i] = 0.0f;
    for (int64_t j = 0; j < i; ++j) square[i * V + j] = square[j * V + i] = *product_gradients++;
  }
  multiply(V, dim, V, Strided{square, V, 1}, Strided{vectors, dim, 1}, gradients, dim, false,
           scratch.panel);
}

}  // namespace HWY_NAMESPACE
}  // namespace mgqe
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mgqe {

HWY_EXPORT(multiply_pairs);
HWY_EXPORT(multiply_pairs_backward);

void CpuBackend::dot_pairs(View<const float> x, int64_t dim, View<float> out) {
  const auto multiply = HWY_DYNAMIC_DISPATCH(multiply_pairs);
  const int64_t V = x.cols / dim;
  parallel_pieces(x.rows, pair_grain(V, dim), [&](int64_t begin, int64_t end) {
    const PairScratch scratch(V, dim);
    for (int64_t r = begin; r < end; ++r) multiply(x.row(r), V, dim, scratch, out.row(r));
  });
}

void CpuBackend::dot_pairs_backward(View<const float> x, int64_t dim,
                                    View<const float> out_gradient, View<float> x_gradient) {
  const auto multiply = HWY_DYNAMIC_DISPATCH(multiply_pairs_backward);
  const int64_t V = x.cols / dim;
  parallel_pieces(x.rows, pair_grain(V, dim), [&](int64_t begin, int64_t end) {
    const PairScratch scratch(V, dim);
    for (int64_t r = begin; r < end; ++r)
      multiply(x.row(r), V, dim, out_gradient.row(r), scratch, x_gradient.row(r));
  });
}

}  // namespace mgqe
#endif
