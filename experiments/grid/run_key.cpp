#include "experiments/grid/run_key.hpp"

#include <cctype>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "host/base/numerics.hpp"
#include "host/data/hasher.hpp"
#include "models/backbones/model.hpp"

namespace mgqe {
namespace {

/// section.key -> value as JSON. Sorted, so that the order in which Config lists them is free.
using Fields = std::map<std::string, std::string>;

Fields fields_of(const Config& config) {
  Fields fields;
  visit_fields(config, [&](const char* section, const char* key, const char*, const auto& value,
                           const char*) {
    fields[fmt::format("{}.{}", section, key)] = nlohmann::json(value).dump();
  });
  return fields;
}

bool is_quantized(const std::string& scheme) {
  return scheme == "dpq_vq" || scheme == "dpq_sx" || scheme == "mgqe";
}

/// The fields that say how large a table of this scheme is: shown whatever their value.
std::set<std::string> size_fields(const EmbeddingConfig& embedding) {
  const std::string& scheme = embedding.scheme;
  std::set<std::string> fields = {"embedding.dim"};
  if (scheme == "low_rank") fields.insert("embedding.rank");
  if (scheme == "scalar_quantized") fields.insert("embedding.bits");
  if (scheme == "hashed") fields.insert("embedding.buckets");
  if (is_quantized(scheme)) fields.insert({"embedding.subspaces", "embedding.centroids"});
  if (scheme == "mgqe" && !embedding.tiers.empty()) fields.insert("embedding.tiers");
  return fields;
}

void leave_out_unread(DataConfig& data, const DataConfig& defaults) {
  DataConfig read = defaults;
  read.name = data.name;
  if (data.name == "auto" || data.name == "synthetic") {
    read.synthetic_users = data.synthetic_users;
    read.synthetic_items = data.synthetic_items;
    read.synthetic_actions = data.synthetic_actions;
    read.synthetic_seed = data.synthetic_seed;
  }
  if (data.name == "relevance-synthetic") {
    read.synthetic_pair_items = data.synthetic_pair_items;
    read.synthetic_pairs = data.synthetic_pairs;
    read.synthetic_seed = data.synthetic_seed;
  }
  data = read;
}

/// Of tables on one side alone the other is full, which reads nothing but the dimension.
void leave_out_unread(EmbeddingConfig& embedding, const EmbeddingConfig& defaults) {
  EmbeddingConfig read = defaults;
  const std::string& scheme = embedding.scheme;
  read.scheme = scheme;
  read.dim = embedding.dim;
  read.init_stddev = embedding.init_stddev;
  if (scheme != "full") read.tables = embedding.tables;
  if (scheme == "low_rank") read.rank = embedding.rank;
  if (scheme == "scalar_quantized") read.bits = embedding.bits;
  if (scheme == "hashed") read.buckets = embedding.buckets;
  if (is_quantized(scheme)) {
    read.subspaces = embedding.subspaces;
    read.centroids = embedding.centroids;
    read.faithful = embedding.faithful;
    read.codebook_weight = embedding.codebook_weight;
    read.commitment_weight = embedding.commitment_weight;
    read.distance_bn = embedding.distance_bn;
    read.kmeans_start = embedding.kmeans_start;
    read.grouping = embedding.grouping;
  }
  if (scheme == "mgqe") {
    read.variant = embedding.variant;
    read.tiers = embedding.tiers;
  }
  embedding = read;
}

template <class Value>
std::string flag_value(const Value& value) {
  if constexpr (is_list<Value>) {
    std::vector<std::string> parts;
    for (const auto& part : value) parts.push_back(flag_value(part));
    return fmt::format("{}", fmt::join(parts, ","));
  } else if constexpr (std::is_same_v<Value, std::string>) {
    return value;
  } else {
    return nlohmann::json(value).dump();
  }
}

std::string key_of(const Config& config) {
  const Fields defaults = fields_of(Config{});
  Hasher hasher;
  hasher.add(std::string("mgqe run"));
  hasher.add(uint64_t{kNumericsVersion});
  for (const auto& [name, value] : fields_of(config))
    if (value != defaults.at(name)) {
      hasher.add(name);
      hasher.add(value);
    }
  return fmt::format("{:016x}", hasher.value());
}

std::string plain(const std::string& text) {
  std::string name = text.substr(text.find_last_of('/') + 1);
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '.') c = '-';
  return name;
}

std::string name_with(const std::string& key, const Config& config) {
  return fmt::format("{}-{}-{}-seed{}-{}", plain(config.data.name), config.model.name,
                     config.embedding.scheme, config.run.seed, key);
}

}  // namespace

Config canonical(Config config) {
  const Config defaults;
  config.run.out = defaults.run.out;
  config.run.device = defaults.run.device;
  leave_out_unread(config.data, defaults.data);
  leave_out_unread(config.embedding, defaults.embedding);
  if (config.model.name != "sasrec") {
    config.model.blocks = defaults.model.blocks;
    config.model.heads = defaults.model.heads;
    config.model.max_length = defaults.model.max_length;
    config.model.dropout = defaults.model.dropout;
  }
  if (config.model.task == "relevance") {  // no negatives, no candidates: pairs have scores
    config.train.negatives = defaults.train.negatives;
    config.run.candidates = defaults.run.candidates;
    config.run.evaluate_users = defaults.run.evaluate_users;
  }
  return config;
}

std::string run_key(const Config& config) { return key_of(canonical(config)); }

std::string run_name(const Config& config) { return name_with(run_key(config), config); }

std::string former_run_name(const Config& config) {
  Config without_place = config;
  without_place.run.out = Config{}.run.out;
  without_place.run.device = Config{}.run.device;
  return name_with(key_of(without_place), config);
}

std::vector<std::string> run_flags(const Config& config) {
  Config base = default_config(config.model.name, config.model.task, config.embedding.faithful);
  base.embedding.scheme = config.embedding.scheme;
  base.embedding.variant = config.embedding.variant;
  base.embedding.subspaces = config.embedding.subspaces;
  resolve(base);  // what the same resolution fills needs no flag
  base.embedding.subspaces = Config{}.embedding.subspaces;
  const Fields defaults = fields_of(canonical(base));
  std::set<std::string> shown = size_fields(config.embedding);
  shown.insert({"data.name", "model.name", "embedding.scheme", "run.seed"});
  if (config.model.task != Config{}.model.task) shown.insert("model.task");
  if (config.embedding.faithful != Config{}.embedding.faithful) shown.insert("embedding.faithful");
  if (config.embedding.variant != Config{}.embedding.variant) shown.insert("embedding.variant");
  std::vector<std::string> flags;
  const Fields fields = fields_of(canonical(config));
  visit_fields(config, [&](const char* section, const char* key, const char* flag,
                           const auto& value, const char*) {
    const std::string name = fmt::format("{}.{}", section, key);
    if (name == "run.out" || name == "run.device") return;
    if (!shown.contains(name) && fields.at(name) == defaults.at(name)) return;
    flags.push_back(flag);
    flags.push_back(flag_value(value));
  });
  return flags;
}

}  // namespace mgqe
