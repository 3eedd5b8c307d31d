#include "host/train/user_hits.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

#include "host/base/check.hpp"

namespace mgqe {
namespace {

constexpr const char* kDigits = "0123456789abcdef";

}  // namespace

nlohmann::ordered_json hits_to_json(const std::vector<double>& hits) {
  std::string digits((hits.size() + 3) / 4, '0');
  nlohmann::ordered_json partial = nlohmann::ordered_json::array();
  for (size_t first = 0; first < hits.size(); first += 4) {
    unsigned bits = 0;
    for (size_t user = first; user < std::min(first + 4, hits.size()); ++user) {
      if (hits[user] == 1.0) bits |= 1u << (user - first);
      if (hits[user] > 0.0 && hits[user] < 1.0) partial.push_back({user, hits[user]});
    }
    digits[first / 4] = kDigits[bits];
  }
  return {{"users", hits.size()}, {"hits", digits}, {"partial", partial}};
}

std::vector<double> hits_of_json(const nlohmann::ordered_json& json) {
  try {
    const auto digits = json.at("hits").get<std::string>();
    const auto users = json.at("users").get<size_t>();
    if (digits.size() != users / 4 + (users % 4 != 0 ? 1 : 0))
      input_error("hits: not a digit for four users");
    std::vector<double> hits(users);
    for (size_t user = 0; user < hits.size(); ++user) {
      const size_t bits = std::string(kDigits).find(digits[user / 4]);
      if (bits == std::string::npos) input_error("hits: ", digits[user / 4], " is no hex digit");
      hits[user] = (bits >> (user % 4)) & 1u;
    }
    for (const auto& part : json.at("partial"))
      hits.at(part.at(0).get<size_t>()) = part.at(1).get<double>();
    return hits;
  } catch (const nlohmann::json::exception& error) {
    input_error("hits: ", error.what());
  } catch (const std::out_of_range&) {
    input_error("hits: a user beyond the last");
  }
}

}  // namespace mgqe
