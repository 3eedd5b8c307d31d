// DCN-V2 (Wang et al. 2021) over many categorical features and dense numbers.
#pragma once

#include "models/backbones/model.hpp"

namespace mgqe {

extern const Backbone kDcn;

}  // namespace mgqe
