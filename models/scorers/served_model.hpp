// What scorers read of a packed model; InputError where it lacks it.
#pragma once

#include <string>
#include <vector>

#include "models/packing/device_table.hpp"

namespace mgqe {

const DevicePackedTable& packed_table(const DevicePackedModel& model, const std::string& name);
/// Whether any of its tables is.
bool any_sharded(const DevicePackedModel& model);
std::vector<float> packed_array(const ArrayMap& dense, const std::string& name);

/// d of the table of that name, which every other one whose name begins with `prefix` must have
/// too.
int64_t packed_dim(const DevicePackedModel& model, const std::string& name,
                   const std::string& prefix);

}  // namespace mgqe
