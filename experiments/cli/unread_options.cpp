#include "experiments/cli/unread_options.hpp"

#include <string_view>

#include "models/backbones/canonical.hpp"

namespace mgqe {

std::vector<std::string> unread_flags(const nlohmann::json& given, const Config& config) {
  const nlohmann::json asked = to_json(config), read = to_json(canonical(config));
  std::vector<std::string> flags;
  Config names;
  visit_fields(names, [&](std::string_view section, const char* key, const char* flag, auto&,
                          const char*) {
    const std::string part(section);
    if (part == "run" && (key == std::string_view("out") || key == std::string_view("device")))
      return;
    if (given.contains(part) && given[part].contains(key) && asked[part][key] != read[part][key])
      flags.push_back(flag);
  });
  return flags;
}

}  // namespace mgqe
