// Learning a rotation by which rows lose less when they are quantized: optimized product
// quantization (Ge et al. 2013). In turn
//   codes of the rotated rows R x, by the codebook that there is;
//   the rotation that brings rows closest to what their codes stand for, which is the orthogonal
//   factor of sum y' x^T over rows x and decoded y' (the orthogonal Procrustes problem);
//   the means of rows so rotated, as a codebook.
// No step of the three adds error. It starts from the principal axes of the rows, dealt out to
// subspaces so that the variances of each have about the same product: of rows that are normal
// there is no better rotation.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "host/base/tensor.hpp"
#include "host/engine/backend.hpp"

namespace mgqe {

/// The orthogonal matrix closest to `matrix` (d, d): U V^T of its singular value decomposition,
/// which is U S V^T; by one-sided Jacobi rotations, in doubles, in one fixed order.
std::vector<double> nearest_orthogonal(std::vector<double> matrix, int64_t d);

struct RotationOptions {
  int subspaces = 1;    // D
  int centroids = 256;  // K
  int iterations = 25;
  uint64_t seed = 1;
  std::function<void(int iteration)> iterated = [](int) {};  // 1 to iterations
};

struct LearntRotation {
  std::vector<float> rotation;  // (d, d): R, row-major
  double error = 0.0;           // relative, of the rows it was learnt from, by its codebook
  double error_without = 0.0;   // the same by a codebook learnt with no rotation
};

/// From rows (m, d), m >= 1, in host memory. The same for any number of threads, on any device.
LearntRotation learn_rotation(Backend& backend, View<const float> rows,
                              const RotationOptions& options);

}  // namespace mgqe
