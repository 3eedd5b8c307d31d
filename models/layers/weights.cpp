#include "models/layers/weights.hpp"

#include "host/packed/dense_arrays.hpp"

namespace mgqe {

std::vector<int64_t> Weights::packed_shape() const {
  if (values.cols() == 1) return {values.rows()};
  return {values.rows(), values.cols()};
}

void Weights::pack(ArrayMap& arrays) const {
  arrays.emplace(name_, HostArray(values.to_host(), packed_shape()));
}

void Weights::load(const ArrayMap& arrays) {
  const std::vector<float> wide = wide_dense(arrays, name_);
  if (arrays.at(name_).shape != packed_shape())
    input_error("the artifact's array ", name_, " is not of the shape its backbone needs");
  values.assign(wide);
}

}  // namespace mgqe
