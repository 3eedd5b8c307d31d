// The fields of two configurations side by side.
#pragma once

#include <type_traits>
#include <vector>

#include "host/config/config.hpp"

namespace mgqe {

/// Calls visit(section, key, value&, other) for every field of `config` and the same one of
/// `other`, both of the field's own type. `config` may be const.
template <class ConfigType, class Visit>
void visit_paired_fields(ConfigType& config, const Config& other, Visit&& visit) {
  std::vector<const void*> others;
  visit_fields(other, [&](auto, auto, auto, const auto& value, auto) { others.push_back(&value); });
  size_t field = 0;  // in the one order that visit_fields has
  visit_fields(config,
               [&](const char* section, const char* key, const char*, auto& value, const char*) {
                 using Value = std::remove_cvref_t<decltype(value)>;
                 visit(section, key, value, *static_cast<const Value*>(others[field++]));
               });
}

/// Whether every field has the same value.
inline bool same_fields(const Config& config, const Config& other) {
  bool same = true;
  visit_paired_fields(config, other, [&](auto, auto, const auto& value, const auto& others) {
    same = same && value == others;
  });
  return same;
}

}  // namespace mgqe
