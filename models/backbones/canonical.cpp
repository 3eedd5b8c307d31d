#include "models/backbones/canonical.hpp"

#include <string_view>

#include "host/config/paired_fields.hpp"
#include "host/config/scheme_traits.hpp"
#include "models/backbones/model.hpp"

namespace mgqe {
namespace {

void leave_out_unread(DataConfig& data, const DataConfig& defaults) {
  if (data.name == "auto") return;  // whatever it will be
  DataConfig read = defaults;
  read.name = data.name;
  if (data.name == "synthetic") {
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
  if (data.name == "ctr-synthetic") {
    read.synthetic_table_rows = data.synthetic_table_rows;
    read.synthetic_examples = data.synthetic_examples;
    read.synthetic_seed = data.synthetic_seed;
  }
  data = read;
}

/// The fields of a section that are not read, at their defaults.
template <class Reads>
void leave_out_unread(Config& config, std::string_view section, const Reads& reads) {
  static const Config defaults;
  visit_paired_fields(
      config, defaults,
      [&](std::string_view part, std::string_view key, auto& value, const auto& standard) {
        if (part == section && !reads(key)) value = standard;
      });
}

}  // namespace

Config canonical(Config config) {
  const Config defaults;
  config.run.out = defaults.run.out;
  config.run.device = defaults.run.device;
  leave_out_unread(config.data, defaults.data);
  const SchemeTraits& scheme = traits_of_scheme(config.embedding.scheme);
  const Backbone& backbone = find_backbone(config.model.name);
  const bool ctr = config.model.task == TaskKind::kCtr;
  // Fields with schemes of their own read what those do.
  const bool schemes_by_field = ctr && !config.embedding.field_sizes.empty();
  const bool planned = !config.embedding.budget.empty() && scheme.planned();
  leave_out_unread(config, "embedding", [&](std::string_view key) {
    if (schemes_by_field) return true;
    if (key == "bag_pooling" || key == "bag_length" || key == "field_sizes") return ctr;
    if (key == "codebook_scope" || key == "full_rows")
      return ctr && scheme.name != std::string_view("full");
    if (key == "budget" || key == "budget_warmup") return planned;
    const bool size = key.ends_with("centroids") || key.ends_with("tiers");
    return scheme.reads(key) && !(planned && size);  // which a plan makes of the budget
  });
  leave_out_unread(config, "model", [&](std::string_view key) { return reads(backbone, key); });
  if (config.model.task != TaskKind::kRanking) {
    // No negatives, no candidates: pairs have scores, and rows labels.
    config.train.negatives = defaults.train.negatives;
    config.run.candidates = defaults.run.candidates;
    config.run.evaluate_users = defaults.run.evaluate_users;
  }
  return config;
}

}  // namespace mgqe
