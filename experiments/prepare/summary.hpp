// What a cache holds, for people and for programs.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "host/data/ctr/cache_index.hpp"

namespace mgqe {

/// Two tables: a line a field, a line a split.
std::string cache_summary(const CacheIndex& index);
nlohmann::ordered_json cache_summary_json(const CacheIndex& index);

}  // namespace mgqe
