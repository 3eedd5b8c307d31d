// The search of one subspace, rows in lanes, for assign.cpp and assign_with_gradient.cpp.
// Included once per target, as Highway's -inl headers are: the guard toggles.
#if defined(MGQE_NEAREST_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef MGQE_NEAREST_INL
#undef MGQE_NEAREST_INL
#else
#define MGQE_NEAREST_INL
#endif

#include <algorithm>
#include <cmath>

#include "host/cpu/assign_task.hpp"
#include "host/cpu/fused_multiply-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace mgqe {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using IndexTag = hn::ScalableTag<int32_t>;
constexpr int kMaxVectors = 4;  // of rows in flight: they share each broadcast of a centroid
constexpr int kMaxBlock = kMaxVectors * hn::MaxLanes(Tag());

inline int vector_rows() { return static_cast<int>(hn::Lanes(Tag())); }
inline int block_rows() { return kMaxVectors * vector_rows(); }

/// Nearest of `limit` centroids for kVectors vectors of rows. e: (w, kVectors vectors) transposed
/// components; centroids: (K, 1 + w), the half norm first; index: (kVectors vectors). kWidth 0
/// takes any width.
///
/// The least score is kept by a minimum of its own: through the comparison's mask each centroid
/// would wait longer for the one before. A score that is NaN never wins.
template <int kWidth, int kVectors>
HWY_INLINE void nearest(const float* HWY_RESTRICT e, const float* HWY_RESTRICT centroids, int limit,
                        int width, int32_t* HWY_RESTRICT index) {
  const Tag tag;
  const IndexTag index_tag;
  const int lanes = vector_rows();
  const int w = kWidth > 0 ? kWidth : width;
  hn::Vec<Tag> best[kVectors], score[kVectors];
  hn::Vec<IndexTag> best_k[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    best[v] = hn::Set(tag, INFINITY);
    best_k[v] = hn::Zero(index_tag);
  }
  auto k_lanes = hn::Zero(index_tag);  // counted up in lanes: a broadcast of k costs more
  for (int k = 0; k < limit; ++k) {
    const float* HWY_RESTRICT c = centroids + static_cast<int64_t>(k) * (1 + w);
    for (int v = 0; v < kVectors; ++v) score[v] = hn::Set(tag, c[0]);
    for (int q = 0; q < w; ++q) {
      const auto component = hn::Set(tag, c[1 + q]);
      const float* HWY_RESTRICT e_q = e + q * kVectors * lanes;
      for (int v = 0; v < kVectors; ++v)
        score[v] =
            fused_negative_multiply_add(tag, hn::Load(tag, e_q + v * lanes), component, score[v]);
    }
    for (int v = 0; v < kVectors; ++v) {
      const auto closer = hn::RebindMask(index_tag, hn::Lt(score[v], best[v]));
      best_k[v] = hn::IfThenElse(closer, k_lanes, best_k[v]);
      best[v] = hn::Min(score[v], best[v]);
    }
    k_lanes = hn::Add(k_lanes, hn::Set(index_tag, 1));
  }
  for (int v = 0; v < kVectors; ++v) hn::Store(best_k[v], index_tag, index + v * lanes);
}

#if HWY_TARGET != HWY_SCALAR
/// Columns [c, c + 4) of four rows into columns of `block` places.
HWY_INLINE void transpose_4x4(const float* const* rows, int64_t c, float* HWY_RESTRICT out,
                              int block) {
  const hn::FixedTag<float, 4> four;
  const hn::FixedTag<double, 2> pairs;
  const auto a = hn::LoadU(four, rows[0] + c), b = hn::LoadU(four, rows[1] + c);
  const auto e = hn::LoadU(four, rows[2] + c), f = hn::LoadU(four, rows[3] + c);
  const auto ab_low = hn::BitCast(pairs, hn::InterleaveLower(four, a, b));
  const auto ab_high = hn::BitCast(pairs, hn::InterleaveUpper(four, a, b));
  const auto ef_low = hn::BitCast(pairs, hn::InterleaveLower(four, e, f));
  const auto ef_high = hn::BitCast(pairs, hn::InterleaveUpper(four, e, f));
  const auto store = [&](int64_t column, auto x) {
    hn::StoreU(hn::BitCast(four, x), four, out + column * block);
  };
  store(0, hn::InterleaveLower(pairs, ab_low, ef_low));
  store(1, hn::InterleaveUpper(pairs, ab_low, ef_low));
  store(2, hn::InterleaveLower(pairs, ab_high, ef_high));
  store(3, hn::InterleaveUpper(pairs, ab_high, ef_high));
}
#endif

/// Where the rows of a block begin; a short block repeats its last one up to `block` rows.
HWY_INLINE void find_rows(View<const float> queries, RowSet rows, AssignBlock from, int block,
                          const float** row) {
  for (int r = 0; r < block; ++r)
    row[r] = queries.row(rows.place(from.first + std::min(r, from.count - 1)));
}

/// transposed (columns, block) from columns [first, first + columns) of the rows.
HWY_INLINE void transpose_rows(const float* const* row, int64_t first, int64_t columns, int block,
                               float* HWY_RESTRICT transposed) {
  int64_t done = 0;  // columns
#if HWY_TARGET != HWY_SCALAR
  if (block % 4 == 0) {
    done = columns / 4 * 4;
    for (int r = 0; r < block; r += 4)
      for (int64_t c = 0; c < done; c += 4)
        transpose_4x4(row + r, first + c, transposed + c * block + r, block);
  }
#endif
  for (int r = 0; r < block; ++r)
    for (int64_t c = done; c < columns; ++c) transposed[c * block + r] = row[r][first + c];
}

}  // namespace HWY_NAMESPACE
}  // namespace mgqe
HWY_AFTER_NAMESPACE();

#endif
