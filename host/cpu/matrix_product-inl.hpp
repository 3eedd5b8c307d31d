// Matrix product for every Highway target: a register tile of kTileRows x kTileVectors vectors of
// sums, one broadcast of a against a row of b per step. Every element of the product is one fma
// chain in the order of k, so its bits depend on its row of a and its column of b alone: not on
// where they stand, nor on the instruction level, nor on how a caller cuts rows and columns.
//
// OpenBLAS 0.3.21 lost: 0.8 to 1.1 times this speed at the shapes of the backbones (ahead only
// where m or n is 1), equal rows of a gave unequal rows of the product in one shape of thirteen,
// and other processors get other bits.
//
// Included once per target, as Highway's -inl headers are: the guard toggles.
#if defined(MGQE_MATRIX_PRODUCT_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef MGQE_MATRIX_PRODUCT_INL
#undef MGQE_MATRIX_PRODUCT_INL
#else
#define MGQE_MATRIX_PRODUCT_INL
#endif

#include <algorithm>
#include <cstdint>

#include "host/cpu/fused_multiply-inl.hpp"
#include "host/cpu/strided.hpp"

HWY_BEFORE_NAMESPACE();
namespace mgqe {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using ProductTag = hn::CappedTag<float, 16>;
constexpr int kProductLanes = hn::MaxLanes(ProductTag());
constexpr int kTileRows = 6;
// 24 sums and 4 operands fill the 32 registers of AVX-512; other levels have 16.
constexpr int kTileVectors = kProductLanes == 16 ? 4 : 2;
constexpr int kTileCols = kTileVectors * kProductLanes;
static_assert(kTileCols <= kPanelCols);
// Of a, from which on it pays to copy a panel of b: its rows then follow one another in the cache.
constexpr int64_t kPackRows = 8 * kTileRows;

/// c (kTileRows, kVectors vectors) = or += a b, of which the first `rows` rows are stored. Row r of
/// a is a_rows[r], its elements a_col apart.
template <int kVectors>
HWY_INLINE void multiply_tile(int64_t rows, int64_t k, const float* const* a_rows, int64_t a_col,
                              const float* HWY_RESTRICT b, int64_t b_row, float* HWY_RESTRICT c,
                              int64_t c_row, bool accumulate) {
  const ProductTag tag;
  hn::Vec<ProductTag> sums[kTileRows][kVectors];
  if (accumulate) {
    for (int r = 0; r < kTileRows; ++r) {
      const float* from = c + std::min<int64_t>(r, rows - 1) * c_row;  // rows beyond: not stored
      for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::LoadU(tag, from + v * kProductLanes);
    }
  } else {
    for (auto& row : sums)
      for (auto& sum : row) sum = hn::Zero(tag);
  }
  const float* HWY_RESTRICT a0 = a_rows[0];
  const float* HWY_RESTRICT a1 = a_rows[1];
  const float* HWY_RESTRICT a2 = a_rows[2];
  const float* HWY_RESTRICT a3 = a_rows[3];
  const float* HWY_RESTRICT a4 = a_rows[4];
  const float* HWY_RESTRICT a5 = a_rows[5];
  for (int64_t i = 0; i < k; ++i) {
    hn::Vec<ProductTag> column[kVectors];
    for (int v = 0; v < kVectors; ++v) column[v] = hn::LoadU(tag, b + v * kProductLanes);
    const float broadcast[kTileRows] = {*a0, *a1, *a2, *a3, *a4, *a5};
    for (int r = 0; r < kTileRows; ++r) {
      const auto x = hn::Set(tag, broadcast[r]);
      for (int v = 0; v < kVectors; ++v)
        sums[r][v] = fused_multiply_add(tag, x, column[v], sums[r][v]);
    }
    b += b_row;
    a0 += a_col;
    a1 += a_col;
    a2 += a_col;
    a3 += a_col;
    a4 += a_col;
    a5 += a_col;
  }
  for (int r = 0; r < kTileRows; ++r)
    if (r < rows)
      for (int v = 0; v < kVectors; ++v)
        hn::StoreU(sums[r][v], tag, c + r * c_row + v * kProductLanes);
}

/// All rows of a against one panel of b: kVectors whole vectors of columns.
template <int kVectors>
void multiply_panel(int64_t m, int64_t k, Strided a, const float* b, int64_t b_row, float* c,
                    int64_t c_row, bool accumulate) {
  for (int64_t first = 0; first < m; first += kTileRows) {
    const int64_t rows = std::min<int64_t>(kTileRows, m - first);
    const float* a_rows[kTileRows];  // a short tile repeats its last row
    for (int64_t r = 0; r < kTileRows; ++r) a_rows[r] = a.at(first + std::min(r, rows - 1), 0);
    multiply_tile<kVectors>(rows, k, a_rows, a.col, b, b_row, c + first * c_row, c_row, accumulate);
  }
}

inline void multiply_panel(int vectors, int64_t m, int64_t k, Strided a, const float* b,
                           int64_t b_row, float* c, int64_t c_row, bool accumulate) {
  if (vectors == 1) return multiply_panel<1>(m, k, a, b, b_row, c, c_row, accumulate);
  if constexpr (kTileVectors > 2) {
    if (vectors == 3) return multiply_panel<3>(m, k, a, b, b_row, c, c_row, accumulate);
    if (vectors == 4) return multiply_panel<4>(m, k, a, b, b_row, c, c_row, accumulate);
  }
  multiply_panel<2>(m, k, a, b, b_row, c, c_row, accumulate);
}

/// to (k, width) = columns [0, cols) of b, zeros beyond.
inline void pack_panel(int64_t k, int64_t cols, int64_t width, Strided b, float* HWY_RESTRICT to) {
  if (b.col == 1) {
    for (int64_t i = 0; i < k; ++i, to += width) {
      std::copy_n(b.at(i, 0), cols, to);
      std::fill_n(to + cols, width - cols, 0.0f);
    }
    return;
  }
  for (int64_t i = 0; i < k; ++i, to += width) {
    const float* HWY_RESTRICT from = b.at(i, 0);
    for (int64_t c = 0; c < cols; ++c) to[c] = from[c * b.col];
    std::fill_n(to + cols, width - cols, 0.0f);
  }
}

/// c (m, n), rows c_row apart, = or += a (m, k) b (k, n). panel: scratch of k * kPanelCols floats.
inline void multiply(int64_t m, int64_t n, int64_t k, Strided a, Strided b, float* c, int64_t c_row,
                     bool accumulate, float* panel) {
  constexpr int64_t kRaggedRows = 16 * kTileRows;
  HWY_ALIGN float ragged[kRaggedRows * kTileCols];
  for (int64_t first = 0; first < n; first += kTileCols) {
    const int64_t cols = std::min<int64_t>(kTileCols, n - first);
    const int64_t vectors = (cols + kProductLanes - 1) / kProductLanes;
    const int64_t width = vectors * kProductLanes;
    const float* from = b.at(0, first);
    int64_t from_row = b.row;
    if (b.col != 1 || cols != width || (m >= kPackRows && b.row != width)) {
      pack_panel(k, cols, width, Strided{from, b.row, b.col}, panel);
      from = panel;
      from_row = width;
    }
    if (cols == width) {
      multiply_panel(static_cast<int>(vectors), m, k, a, from, from_row, c + first, c_row,
                     accumulate);
      continue;
    }
    for (int64_t top = 0; top < m; top += kRaggedRows) {  // whole vectors only fit elsewhere
      const int64_t rows = std::min(kRaggedRows, m - top);
      float* to = c + top * c_row + first;
      if (accumulate)
        for (int64_t r = 0; r < rows; ++r) std::copy_n(to + r * c_row, cols, ragged + r * width);
      multiply_panel(static_cast<int>(vectors), rows, k, Strided{a.at(top, 0), a.row, a.col}, from,
                     from_row, ragged, width, accumulate);
      for (int64_t r = 0; r < rows; ++r) std::copy_n(ragged + r * width, cols, to + r * c_row);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace mgqe
HWY_AFTER_NAMESPACE();

#endif
