// Dot products of every two of a row's vectors, and their gradients (Naumov et al. 2019, section
// 2.1.3): those in sixteen lanes along the vectors, these as the product G X of the symmetric
// gradients of the products with the row's vectors.
//
// Sums are in the order of lanes, or fma chains in that of vectors: neither the instruction level
// nor the number of threads changes a bit.
//
// Weighed and left: X X^T as a product of matrices (vectors must be transposed first, which took
// longer than the product: 8 us a row of 27 x 128).
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

using PairTag = hn::CappedTag<float, kLanes>;
constexpr int kPairLanes = hn::MaxLanes(PairTag());
constexpr int kPairParts = kLanes / kPairLanes;  // vectors of sixteen lanes

/// products[k] = a . b[k] for kCount vectors of `lanes` floats, whole lanes of them.
template <int kCount>
HWY_INLINE void dot_products(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b,
                             int64_t lanes, float* HWY_RESTRICT products) {
  const PairTag tag;
  hn::Vec<PairTag> sums[kCount][kPairParts];
  for (auto& parts : sums)
    for (auto& sum : parts) sum = hn::Zero(tag);
  for (int64_t c = 0; c < lanes; c += kLanes)
    for (int p = 0; p < kPairParts; ++p) {
      const auto x = hn::LoadU(tag, a + c + p * kPairLanes);
      for (int k = 0; k < kCount; ++k)
        sums[k][p] = fused_multiply_add(tag, x, hn::LoadU(tag, b + k * lanes + c + p * kPairLanes),
                                        sums[k][p]);
    }
  HWY_ALIGN float folded[kCount][kLanes];
  for (int k = 0; k < kCount; ++k)
    for (int p = 0; p < kPairParts; ++p) hn::Store(sums[k][p], tag, folded[k] + p * kPairLanes);
  if constexpr (kCount == 4)
    sum_four(folded[0], products);
  else
    for (int k = 0; k < kCount; ++k) {
      Lanes sum;
      load(folded[k], sum);
      products[k] = sum_lanes(sum);
    }
}

/// Of one row: products (V (V - 1) / 2) of vectors (V, whole lanes).
void multiply_pairs(const float* vectors, int64_t V, int64_t lanes, float* products) {
  for (int64_t i = 1; i < V; ++i, products += i - 1) {
    const float* const vector = vectors + i * lanes;
    int64_t j = 0;
    for (; j + 4 <= i; j += 4) dot_products<4>(vector, vectors + j * lanes, lanes, products + j);
    for (; j < i; ++j) dot_products<1>(vector, vectors + j * lanes, lanes, products + j);
  }
}

/// Of one row: gradients (V, dim) of its vectors (V, dim), from those of its products.
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
  const int64_t V = x.cols / dim, lanes = whole_lanes(dim);
  parallel_pieces(x.rows, pair_grain(V, dim), [&](int64_t begin, int64_t end) {
    const PairScratch scratch(V, dim);
    for (int64_t r = begin; r < end; ++r) {
      const float* vectors = x.row(r);
      if (lanes != dim) {
        for (int64_t v = 0; v < V; ++v) {
          float* const beyond = std::copy_n(vectors + v * dim, dim, scratch.padded + v * lanes);
          std::fill_n(beyond, lanes - dim, 0.0f);
        }
        vectors = scratch.padded;
      }
      multiply(vectors, V, lanes, out.row(r));
    }
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
