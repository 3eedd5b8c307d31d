#include "host/core/config.hpp"

#include <cmath>

#include "host/core/check.hpp"
#include "host/core/quant_math.hpp"

namespace mgqe {

nlohmann::json to_json(const Config& config) {
  nlohmann::json json;
  visit_fields(config, [&](const char* section, const char* key, const char*, const auto& value,
                           const char*) { json[section][key] = value; });
  return json;
}

void update_from_json(Config& config, const nlohmann::json& json, const std::string& where) {
  if (!json.is_object()) input_error(where, ": expected a JSON object of sections");
  nlohmann::json unread = json;
  visit_fields(
      config, [&](const char* section, const char* key, const char*, auto& value, const char*) {
        const auto found = unread.find(section);
        if (found == unread.end()) return;
        if (!found->is_object()) input_error(where, ": \"", section, "\" must be a JSON object");
        const auto field = found->find(key);
        if (field == found->end()) return;
        try {
          value = field->template get<std::decay_t<decltype(value)>>();
        } catch (const nlohmann::json::exception&) {
          input_error(where, ": ", section, ".", key, " has the wrong type: ", field->dump());
        }
        found->erase(key);
      });
  for (const auto& [section, fields] : unread.items()) {
    const bool known = to_json(Config{}).contains(section);
    if (known && fields.empty()) continue;
    const std::string name = known ? section + "." + fields.begin().key() : section;
    input_error(where, ": unknown field ", name, "; `mgqe help train` lists them");
  }
}

namespace {

void validate_quantizer(const EmbeddingConfig& embedding) {
  const auto& [scheme, dim, subspaces, centroids, tiers, stddev, weight] = embedding;
  if (subspaces < 1 || dim % subspaces != 0)
    input_error("--subspaces ", subspaces, " does not divide --dim ", dim, ": choose a divisor of ",
                dim);
  if (centroids.empty() || centroids.size() > kMaxTiers)
    input_error("--centroids has ", centroids.size(), " values: give 1 to ", kMaxTiers,
                ", one a tier");
  for (size_t i = 0; i < centroids.size(); ++i) {
    if (centroids[i] < 1 || centroids[i] > kMaxCentroids)
      input_error("--centroids ", centroids[i], " is out of range: each is 1 to ", kMaxCentroids);
    if (i > 0 && centroids[i] > centroids[i - 1])
      input_error("--centroids rises from ", centroids[i - 1], " to ", centroids[i],
                  ": rarer tiers may not use more centroids; sort them largest first");
  }
  if (tiers.size() + 1 != centroids.size())
    input_error("--tiers has ", tiers.size(), " cuts and --centroids ", centroids.size(),
                " values: give one cut fewer than centroids");
  for (size_t i = 0; i < tiers.size(); ++i) {
    if (!(tiers[i] > 0.0 && tiers[i] < 1.0))
      input_error("--tiers ", tiers[i], " is out of range: cuts lie between 0 and 1");
    if (i > 0 && !(tiers[i] > tiers[i - 1]))
      input_error("--tiers ", tiers[i - 1], ",", tiers[i],
                  " are out of order: cuts are cumulative fractions, ascending");
  }
  if (!(weight >= 0.0)) input_error("--codebook-weight ", weight, " must be 0 or more");
}

void check_positive(const char* flag, double value) {
  if (!(value > 0.0) || !std::isfinite(value))
    input_error(flag, " ", value, " must be greater than 0");
}

void check_fraction(const char* flag, double value) {
  if (!(value >= 0.0 && value < 1.0)) input_error(flag, " ", value, " must be in [0, 1)");
}

}  // namespace

void validate(const Config& config) {
  const auto& [data, model, embedding, train, run] = config;
  if (model.name != "gmf") input_error("--model ", model.name, " is unknown: choose gmf");
  if (embedding.scheme != "full" && embedding.scheme != "mgqe")
    input_error("--embedding ", embedding.scheme, " is unknown: choose full or mgqe");
  if (embedding.dim < 1 || embedding.dim > 1024)
    input_error("--dim ", embedding.dim, " is out of range: 1 to 1024");
  if (embedding.scheme == "mgqe") validate_quantizer(embedding);
  check_positive("--init-stddev", embedding.init_stddev);
  check_positive("--epochs", train.epochs);
  check_positive("--batch", static_cast<double>(train.batch));
  if (train.batch > (int64_t{1} << 30)) input_error("--batch ", train.batch, " is over 2^30");
  if (train.negatives < 1) input_error("--negatives ", train.negatives, " must be 1 or more");
  if (train.optimizer != "sparse_adam" && train.optimizer != "adam")
    input_error("--optimizer ", train.optimizer, " is unknown: choose sparse_adam or adam");
  check_positive("--lr", train.lr);
  check_positive("--epsilon", train.epsilon);
  check_fraction("--beta1", train.beta1);
  check_fraction("--beta2", train.beta2);
  if (run.candidates < 1) input_error("--candidates ", run.candidates, " must be 1 or more");
  if (run.evaluate_users < 0)
    input_error("--evaluate-users ", run.evaluate_users, " must be 0 (all) or more");
  if (data.synthetic_users < 1) input_error("--synthetic-users must be 1 or more");
  if (data.synthetic_items < 16 || data.synthetic_items > 100'000'000)
    input_error("--synthetic-items ", data.synthetic_items, " is out of range: 16 to 100000000");
  if (data.synthetic_actions < 3)
    input_error("--synthetic-actions ", data.synthetic_actions,
                " must be 3 or more: two actions are held out");
}

}  // namespace mgqe
