// What matrix_product-inl.hpp takes, the same for every instruction level.
#pragma once

#include <cstdint>

namespace mgqe {

/// A matrix whose rows and columns are `row` and `col` floats apart: a transpose swaps the two.
struct Strided {
  const float* data;
  int64_t row, col;

  const float* at(int64_t r, int64_t c) const { return data + r * row + c * col; }
};

/// No instruction level packs more columns of b at a time.
inline constexpr int64_t kPanelCols = 64;

}  // namespace mgqe
