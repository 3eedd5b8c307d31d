// DLRM (Naumov et al. 2019) over many categorical features and dense numbers.
#pragma once

#include "models/backbones/model.hpp"

namespace mgqe {

extern const Backbone kDlrm;

}  // namespace mgqe
