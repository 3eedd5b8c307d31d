// What the service answers: each endpoint a function of the models and the values of a request.
#pragma once

#include <nlohmann/json.hpp>

#include "experiments/serving/http/limits.hpp"
#include "experiments/serving/http/live_models.hpp"
#include "experiments/serving/http/request_values.hpp"

namespace mgqe {

/// What an answer is made with.
struct Context {
  Models models;
  const HttpLimits& limits;
  int threads = 1;  // of one request
};

using Answer = nlohmann::ordered_json;

/// HttpError, InputError (400) or NotFound (404) on what cannot be answered.
Answer recommend_endpoint(const Context& context, const RequestValues& values);
Answer similar_endpoint(const Context& context, const RequestValues& values);
Answer lookup_endpoint(const Context& context, const RequestValues& values);
/// What a user had, latest first.
Answer history_endpoint(const Context& context, const RequestValues& values);
/// That it serves, and what.
Answer health_endpoint(const Context& context, const RequestValues& values);

}  // namespace mgqe
