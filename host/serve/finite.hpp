// Whether weights are numbers.
#pragma once

#include <string>

#include "host/base/host_array.hpp"

namespace mgqe {

/// "row 3, column 5 is nan", or "element 5 is inf" of a vector: the first value that is no finite
/// number. Empty when there is none, or the elements are whole numbers.
std::string finite_defect(const ArrayView& array);

}  // namespace mgqe
