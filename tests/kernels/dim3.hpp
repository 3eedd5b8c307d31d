// The shapes of grids and blocks, as CUDA has them.
#pragma once

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

namespace simt {

/// The index of element i of a grid or block, x running fastest.
inline uint3 index_in(dim3 shape, unsigned i) {
  return {i % shape.x, i / shape.x % shape.y, i / shape.x / shape.y};
}

}  // namespace simt
