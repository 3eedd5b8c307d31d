#include "models/scorers/served_model.hpp"

#include "host/packed/dense_arrays.hpp"

namespace mgqe {

const DevicePackedTable& packed_table(const DevicePackedModel& model, const std::string& name) {
  const auto found = model.tables.find(name);
  if (found == model.tables.end()) input_error("the artifact lacks the table ", name);
  return found->second;
}

bool any_sharded(const DevicePackedModel& model) {
  for (const auto& [name, table] : model.tables)
    if (table.sharded()) return true;
  return false;
}

std::vector<float> packed_array(const ArrayMap& dense, const std::string& name) {
  std::vector<float> values = wide_dense(dense, name);
  if (values.empty()) input_error("the artifact's array ", name, " is empty");
  return values;
}

int64_t packed_dim(const DevicePackedModel& model, const std::string& name,
                   const std::string& prefix) {
  const int64_t dim = packed_table(model, name).form.dim;
  for (const auto& [other, table] : model.tables)
    if (other.starts_with(prefix) && table.form.dim != dim)
      input_error("the artifact's tables differ in dimension: ", other, " has ", table.form.dim,
                  ", ", name, " has ", dim);
  return dim;
}

}  // namespace mgqe
