// JSON as people write it into files.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace mgqe {

/// InputError that begins with `where` on what is no JSON, or nests deeper than kMaxJsonDepth.
nlohmann::json read_json(std::string_view text, const std::string& where);

}  // namespace mgqe
