// The values of a request: parameters of its URL, or members of the JSON object in its body; read
// strictly, as whoever wrote them is not here to ask.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace mgqe {

/// Every failure is HttpError 400 that names the parameter.
class RequestValues {
 public:
  using Parameters = std::multimap<std::string, std::string>;

  static RequestValues of_url(const Parameters& parameters);
  /// `body` is a JSON object, or empty.
  static RequestValues of_body(std::string_view body);

  /// Refuses any name that is not one of these.
  void allow_only(std::initializer_list<const char*> names) const;

  bool has(const char* name) const { return values_.contains(name); }
  std::string text(const char* name, const std::string& otherwise) const;
  /// Decimal digits, all of it; within [least, most].
  int64_t integer(const char* name, int64_t otherwise, int64_t least, int64_t most) const;
  /// "true" or "false"; "1" or "0" in a URL.
  bool flag(const char* name) const;
  /// A number or a text; as text.
  std::string id(const char* name) const;
  /// In a URL parted by commas; at most so many.
  std::vector<std::string> ids(const char* name, int64_t most) const;

 private:
  std::map<std::string, nlohmann::json> values_;
  bool of_url_ = false;
};

}  // namespace mgqe
