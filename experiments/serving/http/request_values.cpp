#include "experiments/serving/http/request_values.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "experiments/serving/http/http_error.hpp"
#include "experiments/serving/titles.hpp"
#include "host/base/json_depth.hpp"

namespace mgqe {

using nlohmann::json;

namespace {

constexpr size_t kShown = 64;  // bytes of a value in a message

std::string shown(std::string_view text) { return to_utf8(text.substr(0, kShown)); }

std::string shown_json(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace).substr(0, kShown);
}

template <class... Values>
[[noreturn]] void refuse(fmt::format_string<Values...> format, Values&&... values) {
  throw HttpError(400, fmt::format(format, std::forward<Values>(values)...));
}

bool whole_number(std::string_view text, int64_t& value) {
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  return error == std::errc{} && stopped == end && !text.empty();
}

/// An id as JSON has it.
std::string id_of(const json& value, const char* name) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer()) return value.dump();
  refuse("{}: an id is a whole number or a text, not {}", name, shown_json(value));
}

}  // namespace

RequestValues RequestValues::of_url(const Parameters& parameters) {
  RequestValues values;
  values.of_url_ = true;
  for (const auto& [name, value] : parameters)
    if (!values.values_.emplace(name, value).second)
      refuse("parameter {} is given twice", shown(name));
  return values;
}

RequestValues RequestValues::of_body(std::string_view body) {
  RequestValues values;
  if (body.empty()) return values;
  json parsed;
  if (nests_too_deep(body)) refuse("the body nests deeper than {} levels", kMaxJsonDepth);
  try {
    parsed = json::parse(body);
  } catch (const json::exception&) {
    refuse("the body is not JSON: an object such as {{\"user\": 1}} belongs");
  }
  if (!parsed.is_object()) refuse("the body is JSON but no object: {{\"user\": 1}}, say, belongs");
  for (auto& [name, value] : parsed.items()) values.values_.emplace(name, std::move(value));
  return values;
}

void RequestValues::allow_only(std::initializer_list<const char*> names) const {
  for (const auto& [name, value] : values_)
    if (std::find(names.begin(), names.end(), name) == names.end())
      refuse("unknown parameter {}: known here are {}", shown(name),
             fmt::join(names.begin(), names.end(), ", "));
}

std::string RequestValues::text(const char* name, const std::string& otherwise) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return otherwise;
  if (!found->second.is_string())
    refuse("{}: a text belongs, not {}", name, shown_json(found->second));
  return found->second.get<std::string>();
}

int64_t RequestValues::integer(const char* name, int64_t otherwise, int64_t least,
                               int64_t most) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return otherwise;
  const json& given = found->second;
  int64_t value = 0;
  const bool known = of_url_ ? whole_number(given.get_ref<const std::string&>(), value)
                             : given.is_number_integer() && whole_number(given.dump(), value);
  if (!known || value < least || value > most)
    refuse("{}: a whole number from {} to {} belongs, not {}", name, least, most,
           of_url_ ? shown(given.get_ref<const std::string&>()) : shown_json(given));
  return value;
}

bool RequestValues::flag(const char* name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return false;
  const json& given = found->second;
  if (!of_url_ && given.is_boolean()) return given.get<bool>();
  if (of_url_ && (given == "true" || given == "1")) return true;
  if (of_url_ && (given == "false" || given == "0")) return false;
  refuse("{}: true or false belongs, not {}", name, shown_json(given));
}

std::string RequestValues::id(const char* name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) refuse("parameter {} is missing", name);
  return id_of(found->second, name);
}

std::vector<std::string> RequestValues::ids(const char* name, int64_t most) const {
  std::vector<std::string> ids;
  const auto found = values_.find(name);
  if (found == values_.end()) return ids;
  const auto add = [&](std::string id) {
    if (static_cast<int64_t>(ids.size()) == most)
      refuse("{}: more than {}, which is the most of one request", name, most);
    ids.push_back(std::move(id));
  };
  if (!of_url_) {
    if (!found->second.is_array())
      refuse("{}: a list of ids belongs, not {}", name, shown_json(found->second));
    for (const json& value : found->second) add(id_of(value, name));
    return ids;
  }
  std::string_view text = found->second.get_ref<const std::string&>();
  while (!text.empty()) {
    const size_t cut = std::min(text.find(','), text.size());
    if (cut == 0) refuse("{}: an id is empty", name);
    add(std::string(text.substr(0, cut)));
    text.remove_prefix(cut);
    if (text == ",") refuse("{}: an id is empty", name);
    if (!text.empty()) text.remove_prefix(1);
  }
  return ids;
}

}  // namespace mgqe
