#include "experiments/grid/run_key.hpp"

#include <cctype>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "host/base/numerics.hpp"
#include "host/config/choices.hpp"
#include "host/config/paired_fields.hpp"
#include "host/config/scheme_traits.hpp"
#include "host/data/ctr/load_ctr_rows.hpp"
#include "host/data/dataset.hpp"
#include "host/data/hasher.hpp"
#include "host/data/relevance/relevance.hpp"
#include "host/engine/backend.hpp"
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

/// The fields that say how large a table of this scheme is: shown whatever their value.
std::set<std::string> size_fields(const EmbeddingConfig& embedding) {
  const SchemeTraits& traits = traits_of_scheme(embedding.scheme);
  std::set<std::string> fields = {"embedding.dim"};
  for (const char* key : traits.sizes)
    if (key != nullptr && (key != std::string("tiers") || !embedding.tiers.empty()))
      fields.insert(fmt::format("embedding.{}", key));
  return fields;
}

template <class Value>
std::string flag_value(const Value& value) {
  if constexpr (is_list<Value>) {
    std::vector<std::string> parts;
    for (const auto& part : value) parts.push_back(flag_value(part));
    return fmt::format("{}", fmt::join(parts, ","));
  } else if constexpr (std::is_same_v<Value, std::string>) {
    return value;
  } else if constexpr (Choice<Value>) {
    return name_of(value);
  } else {
    return nlohmann::json(value).dump();
  }
}

std::string key_of(const Config& config) {
  static const Config defaults;
  Fields changed;
  visit_paired_fields(
      config, defaults,
      [&](const char* section, const char* key, const auto& value, const auto& standard) {
        if (value != standard)
          changed[fmt::format("{}.{}", section, key)] = nlohmann::json(value).dump();
      });
  Hasher hasher;
  hasher.add(std::string("mgqe run"));
  hasher.add(uint64_t{kNumericsVersion});
  for (const auto& [name, value] : changed) {
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

std::string run_key(const Config& config) { return key_of(canonical(config)); }

std::string run_name(const Config& config) { return name_with(run_key(config), config); }

std::string former_run_name(const Config& config) {
  Config without_place = config;
  without_place.run.out = Config{}.run.out;
  without_place.run.device = Config{}.run.device;
  return name_with(key_of(without_place), config);
}

std::string data_key(const Config& config) {
  const Config read = canonical(config);
  return name_of(read.model.task) + std::string(" ") + to_json(read).at("data").dump();
}

std::string data_fingerprint(const Config& config) {
  if (config.model.task == TaskKind::kCtr) {
    DataConfig data = config.data;
    return fmt::format("{:016x}", load_ctr_rows(data)->fingerprint());
  }
  const std::unique_ptr<Backend> backend = make_backend("cpu");
  const uint64_t fingerprint = config.model.task == TaskKind::kRelevance
                                   ? load_relevance(config.data, *backend).fingerprint
                                   : load_dataset(config.data, *backend).fingerprint;
  return fmt::format("{:016x}", fingerprint);
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
    const bool size = name.ends_with("centroids") || name.ends_with("tiers");
    if (size && !config.embedding.budget.empty()) return;  // which excludes them
    if (!shown.contains(name) && fields.at(name) == defaults.at(name)) return;
    if (flag_value(value).empty()) return;  // no tiers: one size of codebooks says that too
    flags.push_back(flag);
    flags.push_back(flag_value(value));
  });
  return flags;
}

}  // namespace mgqe
