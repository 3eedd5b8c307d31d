// Weights: a dense array of a backbone as it is served. What trains it is a Trainable's
// (models/optim/trainable.hpp), which refers to it.
#pragma once

#include <string>
#include <vector>

#include "host/base/host_array.hpp"
#include "host/engine/backend.hpp"

namespace mgqe {

class Weights {
 public:
  /// Zeros.
  Weights(Backend& backend, std::string name, int64_t rows, int64_t cols = 1)
      : values(backend, rows, cols), name_(std::move(name)) {}

  /// The values under the array's name; a column as a vector.
  void pack(ArrayMap& arrays) const;
  /// The inverse of pack, however the array is stored (host/packed/dense_arrays.hpp); InputError
  /// where it is missing or of another shape.
  void load(const ArrayMap& arrays);

  const std::string& name() const { return name_; }
  Tensor<float> values;  // (rows, cols)

 private:
  std::vector<int64_t> packed_shape() const;

  std::string name_;
};

}  // namespace mgqe
