#include "host/config/read_json.hpp"

#include <nlohmann/json.hpp>

#include "host/base/check.hpp"
#include "host/base/json_depth.hpp"

namespace mgqe {

nlohmann::json read_json(std::string_view text, const std::string& where) {
  if (nests_too_deep(text))
    input_error(where, ": its JSON nests deeper than ", kMaxJsonDepth, " levels");
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    input_error(where, ": not JSON: ", error.what());
  }
}

}  // namespace mgqe
