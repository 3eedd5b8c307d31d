// What scorers read of a PackedModel; InputError where it lacks it.
#pragma once

#include <span>
#include <string>

#include "host/packed/packed_model.hpp"

namespace mgqe {

const PackedTable& packed_table(const PackedModel& model, const std::string& name);
std::span<const float> packed_array(const PackedModel& model, const std::string& name);

/// d of the table of that name, which every other one whose name begins with `prefix` must have too.
int64_t packed_dim(const PackedModel& model, const std::string& name, const std::string& prefix);

}  // namespace mgqe
