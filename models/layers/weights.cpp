#include "models/layers/weights.hpp"

namespace mgqe {

std::vector<int64_t> Weights::packed_shape() const {
  if (values.cols() == 1) return {values.rows()};
  return {values.rows(), values.cols()};
}

void Weights::pack(ArrayMap& arrays) const {
  arrays.emplace(name_, HostArray(values.to_host(), packed_shape()));
}

void Weights::load(const ArrayMap& arrays) {
  const auto found = arrays.find(name_);
  if (found == arrays.end()) input_error("the artifact lacks the array ", name_);
  if (found->second.dtype != DType::kF32 || found->second.shape != packed_shape())
    input_error("the artifact's array ", name_, " is not of the shape its backbone needs");
  values.assign(found->second.as<float>());
}

}  // namespace mgqe
