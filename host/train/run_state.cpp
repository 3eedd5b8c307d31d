#include "host/train/run_state.hpp"

#include <limits>

namespace mgqe {

using Json = nlohmann::ordered_json;

namespace {

/// JSON has no number for what is not finite.
double number_of(const Json& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

std::vector<double> numbers_of(const Json& json) {
  std::vector<double> numbers;
  for (const Json& number : json) numbers.push_back(number_of(number));
  return numbers;
}

std::map<std::string, std::vector<TierReport>> tiers_of(const Json& json) {
  std::map<std::string, std::vector<TierReport>> tables;
  for (const auto& [name, tiers] : json.items())
    for (const Json& tier : tiers)
      tables[name].push_back({tier.at("rows").get<int64_t>(), tier.at("centroids").get<int>(),
                              number_of(tier.at("perplexity")),
                              tier.at("unused_centroids").get<int64_t>(),
                              number_of(tier.at("mean_squared_error"))});
  return tables;
}

}  // namespace

Json to_json(const std::map<std::string, std::vector<TierReport>>& tables) {
  Json json = Json::object();
  for (const auto& [name, tiers] : tables)
    for (const TierReport& tier : tiers)
      json[name].push_back({{"rows", tier.rows},
                            {"centroids", tier.centroids},
                            {"perplexity", tier.perplexity},
                            {"unused_centroids", tier.unused_centroids},
                            {"mean_squared_error", tier.mean_squared_error}});
  return json;
}

Json to_json(const RunState& state) {
  const TrainingLoop::Position& at = state.position;
  Json json = {{"epoch", at.epoch},
               {"epoch_steps", at.epoch_steps},
               {"epoch_examples", at.epoch_examples},
               {"loss_sums", at.loss_sums},
               {"steps", at.steps},
               {"train_loss", state.train_loss},
               {"without_better", state.without_better},
               {"rate_factor", state.rate_factor},
               {"collapsed", state.collapsed},
               {"seconds", {{"train", state.train_seconds}, {"evaluate", state.evaluate_seconds}}},
               {"best", nullptr}};
  const auto& [epoch, model, tiers, evaluation] = state.best;
  if (epoch > 0)
    json["best"] = {{"epoch", epoch},
                    {"judgement", evaluation.json},
                    {"score", evaluation.score},
                    {"columns", evaluation.columns},
                    {"tiers", to_json(tiers)}};
  return json;
}

RunState run_state_of(const Json& json) try {
  RunState state;
  json.at("epoch").get_to(state.position.epoch);
  json.at("epoch_steps").get_to(state.position.epoch_steps);
  json.at("epoch_examples").get_to(state.position.epoch_examples);
  state.position.loss_sums = numbers_of(json.at("loss_sums"));
  json.at("steps").get_to(state.position.steps);
  state.train_loss = numbers_of(json.at("train_loss"));
  json.at("without_better").get_to(state.without_better);
  state.rate_factor = json.value("rate_factor", 1.0);  // older runs have none
  json.at("collapsed").get_to(state.collapsed);
  json.at("seconds").at("train").get_to(state.train_seconds);
  json.at("seconds").at("evaluate").get_to(state.evaluate_seconds);
  if (const Json& best = json.at("best"); !best.is_null()) {
    best.at("epoch").get_to(state.best.epoch);
    state.best.evaluation = {best.at("judgement"), number_of(best.at("score")),
                             numbers_of(best.at("columns"))};
    state.best.tiers = tiers_of(best.at("tiers"));
  }
  return state;
} catch (const Json::exception& error) {
  input_error("what the checkpoint says of its run is not what this program knows: ", error.what());
}

}  // namespace mgqe
