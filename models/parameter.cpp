#include "models/parameter.hpp"

namespace mgqe {

Parameter::Parameter(Backend& backend, std::string name, int64_t rows, int64_t cols,
                     const OptimizerOptions& options)
    : values(backend, rows, cols),
      backend_(backend),
      name_(std::move(name)),
      options_(options),
      first_(backend, rows, cols),
      second_(backend, rows, cols) {}

void Parameter::step(View<const float> gradient, View<const StepState> state) {
  backend_.adam(values, gradient, moments(), options_.adam, state);
}

void Parameter::visit(const TensorVisitor& visitor) {
  visitor(name_, values);
  visitor(name_ + ".adam_first", first_);
  visitor(name_ + ".adam_second", second_);
}

std::vector<int64_t> Parameter::packed_shape() const {
  if (values.cols() == 1) return {values.rows()};
  return {values.rows(), values.cols()};
}

void Parameter::pack(ArrayMap& arrays) const {
  arrays.emplace(name_, HostArray(values.to_host(), packed_shape()));
}

void Parameter::load(const ArrayMap& arrays) {
  const auto found = arrays.find(name_);
  if (found == arrays.end()) input_error("the artifact lacks the array ", name_);
  if (found->second.dtype != DType::kF32 || found->second.shape != packed_shape())
    input_error("the artifact's array ", name_, " is not of the shape its backbone needs");
  values.assign(found->second.as<float>());
}

TableParameter::TableParameter(Backend& backend, std::string name, int64_t rows, int64_t dim,
                               const OptimizerOptions& options)
    : Parameter(backend, std::move(name), rows, dim, options) {
  options_.adam.l2 = options.table_l2;
  if (!options.sparse) dense_gradient_ = Tensor<float>(backend, rows, dim);
}

void TableParameter::step(const UniqueIds& unique, View<const float> gradient,
                          View<const StepState> state) {
  if (options_.sparse) {
    backend_.sparse_adam(values, unique, gradient, moments(), options_.adam, state);
    return;
  }
  dense_gradient_.zero();
  backend_.sum_gradients(unique, gradient, dense_gradient_);
  Parameter::step(dense_gradient_, state);
}

UniqueBuffer::UniqueBuffer(Backend& backend, int64_t capacity)
    : backend_(backend),
      ids_(backend, capacity),
      offsets_(backend, capacity + 1),
      order_(backend, capacity),
      inverse_(backend, capacity),
      count_(backend, 1) {}

UniqueIds UniqueBuffer::deduplicate(View<const int32_t> ids, int64_t id_limit) {
  const int64_t lookups = ids.size();
  const UniqueIds unique{ids_.view().slice(0, lookups), offsets_.view().slice(0, lookups + 1),
                         order_.view().slice(0, lookups), inverse_.view().slice(0, lookups),
                         count_};
  backend_.deduplicate(ids, id_limit, unique);
  return unique;
}

}  // namespace mgqe
