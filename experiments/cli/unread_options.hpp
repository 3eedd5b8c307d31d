// Options that were given and that the run does not read.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "host/config/config.hpp"

namespace mgqe {

/// Of the flags given, by section and key, those whose value cannot change a figure of this
/// configuration: "--negatives" of rows with labels, "--rank" of a table that is not low_rank.
std::vector<std::string> unread_flags(const nlohmann::json& given, const Config& config);

}  // namespace mgqe
