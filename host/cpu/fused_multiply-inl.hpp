// Truly fused multiply-add for every Highway target (Highway's own is unfused below AVX2).
// Included once per target, as Highway's -inl headers are: the guard toggles.
#if defined(MGQE_FUSED_MULTIPLY_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef MGQE_FUSED_MULTIPLY_INL
#undef MGQE_FUSED_MULTIPLY_INL
#else
#define MGQE_FUSED_MULTIPLY_INL
#endif

#include <cmath>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace mgqe {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// fma(a, b, c) in every lane.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V fused_multiply_add(D tag, V a, V b, V c) {
#if HWY_NATIVE_FMA
  (void)tag;
  return hn::MulAdd(a, b, c);
#else
  HWY_ALIGN float x[hn::MaxLanes(tag)], y[hn::MaxLanes(tag)], z[hn::MaxLanes(tag)];
  hn::Store(a, tag, x);
  hn::Store(b, tag, y);
  hn::Store(c, tag, z);
  for (size_t i = 0; i < hn::Lanes(tag); ++i) z[i] = std::fma(x[i], y[i], z[i]);
  return hn::Load(tag, z);
#endif
}

/// fma(-a, b, c) in every lane.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V fused_negative_multiply_add(D tag, V a, V b, V c) {
#if HWY_NATIVE_FMA
  (void)tag;
  return hn::NegMulAdd(a, b, c);
#else
  return fused_multiply_add(tag, hn::Neg(a), b, c);
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace mgqe
HWY_AFTER_NAMESPACE();

#endif
