// The hits of single users as a run keeps them: a bit each, and what lies between 0 and 1.
#pragma once

#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace mgqe {

/// {"users": n, "hits": hex, "partial": [[user, hit], ...]}: bit u % 4 of hex digit u / 4 says
/// whether user u's item was within the first 10 for certain; `partial` has the expected hits of
/// those that depend on how ties are broken. Users are numbered as they were judged.
nlohmann::ordered_json hits_to_json(const std::vector<double>& hits);

/// The same numbers again; InputError where the JSON is no such record.
std::vector<double> hits_of_json(const nlohmann::ordered_json& json);

}  // namespace mgqe
