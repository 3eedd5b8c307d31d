#include "host/config/config.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

#include <nlohmann/json.hpp>

#include "host/base/check.hpp"
#include "host/packed/quant_math.hpp"

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
        using Value = std::decay_t<decltype(value)>;
        try {
          // A list of one may be written as the value alone.
          if constexpr (is_list<Value>)
            value = field->is_array() ? field->template get<Value>()
                                      : Value{field->template get<typename Value::value_type>()};
          else
            value = field->template get<Value>();
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

std::string differences(const Config& there, const Config& here,
                        const std::vector<std::string>& except) {
  const auto dump = [](const nlohmann::json& value) {
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  const nlohmann::json others = to_json(there);
  std::string text;
  visit_fields(
      here, [&](const char* section, const char* key, const char*, const auto& value, const char*) {
        const std::string name = std::string(section) + "." + key;
        const std::string other = dump(others[section][key]), own = dump(value);
        if (other != own && std::find(except.begin(), except.end(), name) == except.end())
          text += (text.empty() ? "" : "; ") + name + " " + other + ", not " + own;
      });
  return text;
}

namespace {

/// "a, b or c"
std::string alternatives(std::initializer_list<const char*> names) {
  std::string text;
  size_t left = names.size();
  for (const char* name : names)
    text += std::string(name) + (--left == 0 ? "" : left == 1 ? " or " : ", ");
  return text;
}

void check_choice(const char* flag, const std::string& value,
                  std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (value == name) return;
  input_error(flag, " ", value, " is unknown: choose ", alternatives(names));
}

void check_positive(const char* flag, double value) {
  if (!(value > 0.0) || !std::isfinite(value))
    input_error(flag, " ", value, " must be greater than 0");
}

void check_not_negative(const char* flag, double value) {
  if (!(value >= 0.0) || !std::isfinite(value)) input_error(flag, " ", value, " must be 0 or more");
}

void check_fraction(const char* flag, double value) {
  if (!(value >= 0.0 && value < 1.0)) input_error(flag, " ", value, " must be in [0, 1)");
}

void validate_tiers(const EmbeddingConfig& embedding, size_t count) {
  const auto& tiers = embedding.tiers;
  if (count > kMaxTiers) input_error("--tiers makes ", count, " tiers: at most ", kMaxTiers);
  for (size_t i = 0; i < tiers.size(); ++i) {
    if (!(tiers[i] > 0.0 && tiers[i] < 1.0))
      input_error("--tiers ", tiers[i], " is out of range: cuts lie between 0 and 1");
    if (i > 0 && !(tiers[i] > tiers[i - 1]))
      input_error("--tiers ", tiers[i - 1], ",", tiers[i],
                  " are out of order: cuts are cumulative fractions, ascending");
  }
}

void validate_centroids(const std::vector<int>& centroids) {
  for (size_t i = 0; i < centroids.size(); ++i) {
    if (centroids[i] < 1 || centroids[i] > kMaxCentroids)
      input_error("--centroids ", centroids[i], " is out of range: each is 1 to ", kMaxCentroids);
    if (i > 0 && centroids[i] > centroids[i - 1])
      input_error("--centroids rises from ", centroids[i - 1], " to ", centroids[i],
                  ": rarer tiers may not use more centroids; sort them largest first");
  }
}

void validate_subspaces(const EmbeddingConfig& embedding) {
  for (const int subspaces : embedding.subspaces)
    if (subspaces < 1 || embedding.dim % subspaces != 0)
      input_error("--subspaces ", subspaces, " does not divide --dim ", embedding.dim,
                  ": choose a divisor of ", embedding.dim);
}

/// One codebook size and one number of subspaces: dpq_vq and dpq_sx.
void validate_dpq(const EmbeddingConfig& embedding) {
  const std::string& scheme = embedding.scheme;
  if (!embedding.tiers.empty())
    input_error("--tiers is for --embedding mgqe: ", scheme, " encodes every id alike");
  if (embedding.centroids.size() != 1)
    input_error("--centroids has ", embedding.centroids.size(), " values: ", scheme, " takes one");
  if (embedding.subspaces.size() != 1)
    input_error("--subspaces has ", embedding.subspaces.size(), " values: ", scheme, " takes one");
}

/// Options of vector quantization that the softmax variant has no part for.
void validate_dpq_sx(const EmbeddingConfig& embedding) {
  const auto refuse = [](bool given, const char* option) {
    if (given) input_error(option, " is for --embedding dpq_vq or mgqe, not dpq_sx");
  };
  refuse(embedding.commitment_weight != 0.0, "--commitment-weight");
  refuse(embedding.distance_bn != "none", "--distance-bn");
  refuse(embedding.kmeans_start != 0, "--kmeans-start");
  refuse(embedding.grouping != "tier", "--grouping");
}

void validate_mgqe(const EmbeddingConfig& embedding) {
  const std::string& variant = embedding.variant;
  check_choice("--variant", variant, {"shared_k", "private_k", "private_d"});
  const bool by_dimension = variant == "private_d";
  const auto& per_tier = by_dimension ? embedding.subspaces : embedding.centroids;
  const auto& single = by_dimension ? embedding.centroids : embedding.subspaces;
  const char* per_tier_flag = by_dimension ? "--subspaces" : "--centroids";
  const char* single_flag = by_dimension ? "--centroids" : "--subspaces";
  if (variant != "shared_k" && embedding.tiers.empty())
    input_error("--variant ", variant, " needs tiers: give --tiers (cuts, e.g. 0.1) and ",
                per_tier_flag, " (one a tier)");
  if (single.size() != 1)
    input_error(single_flag, " has ", single.size(), " values: --variant ", variant,
                " takes one for all tiers");
  if (embedding.tiers.size() + 1 != per_tier.size())
    input_error("--tiers has ", embedding.tiers.size(), " cuts and ", per_tier_flag, " ",
                per_tier.size(), " values: give one cut fewer than ",
                by_dimension ? "subspaces" : "centroids");
  validate_tiers(embedding, per_tier.size());
}

bool is_quantized(const std::string& scheme) {
  return scheme == "mgqe" || scheme == "dpq_vq" || scheme == "dpq_sx";
}

void validate_quantizer(const EmbeddingConfig& embedding) {
  if (embedding.scheme == "mgqe")
    validate_mgqe(embedding);
  else
    validate_dpq(embedding);
  validate_centroids(embedding.centroids);
  validate_subspaces(embedding);
  check_not_negative("--codebook-weight", embedding.codebook_weight);
  check_not_negative("--commitment-weight", embedding.commitment_weight);
  check_not_negative("--kmeans-start", embedding.kmeans_start);
  check_choice("--distance-bn", embedding.distance_bn, {"none", "tf"});
  check_choice("--grouping", embedding.grouping, {"tier", "lookup"});
  if (embedding.scheme == "dpq_sx") validate_dpq_sx(embedding);
}

void validate_embedding(const EmbeddingConfig& embedding) {
  check_choice("--embedding", embedding.scheme,
               {"full", "low_rank", "scalar_quantized", "hashed", "dpq_vq", "dpq_sx", "mgqe"});
  if (embedding.dim < 1 || embedding.dim > kMaxDim)
    input_error("--dim ", embedding.dim, " is out of range: 1 to ", kMaxDim);
  check_choice("--tables", embedding.tables, {"both", "users", "items"});
  if (embedding.tables != "both" && embedding.scheme == "full")
    input_error("--tables ", embedding.tables,
                " leaves the other tables full, and --embedding full is that already: choose "
                "another scheme");
  check_choice("--faithful", embedding.faithful, {"paper", "dpq-code"});
  check_positive("--init-stddev", embedding.init_stddev);
  if (embedding.variant != "shared_k" && embedding.scheme != "mgqe")
    input_error("--variant ", embedding.variant, " is for --embedding mgqe, not ",
                embedding.scheme);
  if (is_quantized(embedding.scheme)) validate_quantizer(embedding);
  if (embedding.scheme == "low_rank" && (embedding.rank < 1 || embedding.rank >= embedding.dim))
    input_error("--rank ", embedding.rank, " is out of range: 1 to ", embedding.dim - 1,
                ", below --dim ", embedding.dim);
  if (embedding.scheme == "scalar_quantized" && (embedding.bits < 1 || embedding.bits > 16))
    input_error("--bits ", embedding.bits, " is out of range: 1 to 16");
  if (embedding.scheme == "hashed" && (embedding.buckets < 1 || embedding.buckets > 2'147'483'647))
    input_error("--buckets ", embedding.buckets, " is out of range: 1 to 2147483647");
}

/// The scheme at the dimension of NeuMF's perceptron, where that is not --dim.
void validate_mlp_dim(const ModelConfig& model, const EmbeddingConfig& embedding) {
  const int64_t dim = model.mlp_dim;
  if (dim == 0) return;
  if (dim < 1 || dim > kMaxDim)
    input_error("--mlp-dim ", dim, " is out of range: 1 to ", kMaxDim, ", or 0 for that of --dim");
  if (is_quantized(embedding.scheme))
    for (const int subspaces : embedding.subspaces)
      if (dim % subspaces != 0)
        input_error("--subspaces ", subspaces, " does not divide --mlp-dim ", dim,
                    ": choose a divisor of ", dim, " and of --dim ", embedding.dim);
  if (embedding.scheme == "low_rank" && embedding.rank >= dim)
    input_error("--rank ", embedding.rank, " is out of range: 1 to ", dim - 1, ", below --mlp-dim ",
                dim);
}

void validate_model(const ModelConfig& model, const EmbeddingConfig& embedding) {
  check_choice("--task", model.task, {"ranking", "relevance"});
  check_not_negative("--pretrain-epochs", model.pretrain_epochs);
  check_positive("--blocks", model.blocks);
  if (model.heads < 1 || embedding.dim % model.heads != 0)
    input_error("--heads ", model.heads, " does not divide --dim ", embedding.dim,
                ": choose a divisor of ", embedding.dim);
  if (model.max_length < 1 || model.max_length > 4096)
    input_error("--max-length ", model.max_length, " is out of range: 1 to 4096");
  check_fraction("--dropout", model.dropout);
}

void validate_train(const TrainConfig& train) {
  check_positive("--epochs", train.epochs);
  check_positive("--batch", static_cast<double>(train.batch));
  if (train.batch > (int64_t{1} << 30)) input_error("--batch ", train.batch, " is over 2^30");
  if (train.negatives < 1) input_error("--negatives ", train.negatives, " must be 1 or more");
  check_choice("--optimizer", train.optimizer, {"sparse_adam", "adam", "rowwise_adagrad", "sgd"});
  check_choice("--row-type", train.row_type, {"f32", "bf16"});
  check_choice("--gradient-type", train.gradient_type, {"f32", "bf16"});
  check_positive("--lr", train.lr);
  check_not_negative("--table-lr", train.table_lr);
  check_positive("--epsilon", train.epsilon);
  check_fraction("--beta1", train.beta1);
  check_fraction("--beta2", train.beta2);
  check_not_negative("--l2", train.l2);
  check_not_negative("--patience", train.patience);
  check_positive("--evaluate-every", train.evaluate_every);
}

/// Rows in bfloat16 are widened by the batch: what reads the table as a whole has no way to.
void validate_row_type(const TrainConfig& train, const EmbeddingConfig& embedding) {
  if (train.row_type == "f32") return;
  if (train.optimizer != "rowwise_adagrad" && train.optimizer != "sgd")
    input_error("--row-type bf16 with --optimizer ", train.optimizer,
                ", whose moments are larger than the rows: choose rowwise_adagrad or sgd");
  if (embedding.scheme != "full" && embedding.scheme != "dpq_vq" && embedding.scheme != "mgqe")
    input_error("--row-type bf16 with --embedding ", embedding.scheme,
                ": choose full, dpq_vq or mgqe");
  if (embedding.kmeans_start != 0 || embedding.grouping != "tier")
    input_error("--row-type bf16 is without --kmeans-start and --grouping lookup");
}

}  // namespace

std::string scheme_label(const EmbeddingConfig& embedding) {
  if (embedding.tables != "both") {
    EmbeddingConfig everywhere = embedding;
    everywhere.tables = "both";
    return scheme_label(everywhere) + " " + embedding.tables + " only";
  }
  const std::string& scheme = embedding.scheme;
  const auto joined = [](const std::vector<int>& values) {
    std::ostringstream text;
    for (const int value : values) text << (text.tellp() > 0 ? "/" : "") << value;
    return text.str();
  };
  const std::string variant = embedding.variant == "shared_k" ? "" : " " + embedding.variant;
  const std::string label = scheme + variant + " d=" + std::to_string(embedding.dim);
  if (is_quantized(scheme))
    return label + " D=" + joined(embedding.subspaces) + " K=" + joined(embedding.centroids);
  if (scheme == "low_rank") return label + " r=" + std::to_string(embedding.rank);
  if (scheme == "scalar_quantized") return label + " b=" + std::to_string(embedding.bits);
  if (scheme == "hashed") return label + " m=" + std::to_string(embedding.buckets);
  return label;
}

std::string options_beyond_paper(const EmbeddingConfig& embedding) {
  if (!is_quantized(embedding.scheme)) return "";
  std::ostringstream text;
  const auto add = [&](const char* name, const auto& value) {
    text << (text.tellp() > 0 ? ", " : "") << name << ' ' << value;
  };
  if (embedding.commitment_weight > 0.0) add("commitment weight", embedding.commitment_weight);
  if (embedding.distance_bn != "none") add("distance batch-norm", embedding.distance_bn);
  if (embedding.kmeans_start > 0) add("k-means start, iterations", embedding.kmeans_start);
  return text.str();
}

void resolve(Config& config) {
  EmbeddingConfig& embedding = config.embedding;
  const bool private_d = embedding.scheme == "mgqe" && embedding.variant == "private_d";
  const bool tiered = embedding.scheme == "mgqe";
  if (embedding.tiers.empty() && tiered) {
    const auto& per_tier = private_d ? embedding.subspaces : embedding.centroids;
    if (per_tier.size() == 2 || (!private_d && per_tier.empty())) embedding.tiers = {0.1};
  }
  if (embedding.centroids.empty())
    embedding.centroids = tiered && !private_d && embedding.tiers.size() == 1
                              ? std::vector<int>{256, 64}
                              : std::vector<int>{256};
}

void validate(const Config& config) {
  const auto& [data, model, embedding, train, run] = config;
  validate_embedding(embedding);
  validate_model(model, embedding);
  validate_mlp_dim(model, embedding);
  validate_train(train);
  validate_row_type(train, embedding);
  check_choice("--shard", run.shard, {"auto", "rows", "none"});
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
