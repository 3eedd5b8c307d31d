#include "models/features/feature_layout.hpp"

#include <algorithm>
#include <cctype>
#include <limits>
#include <map>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "host/config/scheme_traits.hpp"
#include "models/embeddings/embedding.hpp"

namespace mgqe {
namespace {

/// Of `features`, how many ids of each are among the `most` most popular of all together.
std::vector<int64_t> most_popular(const std::vector<int>& features,
                                  const std::vector<FeatureSpec>& specs, int64_t most) {
  // The least count that is in: all ids above it are, and of those that have it as many as fit.
  std::map<int64_t, int64_t, std::greater<>> ids_of_count;
  for (const int feature : features)
    for (const int64_t count : specs[static_cast<size_t>(feature)].counts) ++ids_of_count[count];
  int64_t least = 0, above = 0;
  for (const auto& [count, ids] : ids_of_count) {
    least = count;
    if (above + ids >= most) break;
    above += ids;
  }
  int64_t of_least = most - above;
  std::vector<int64_t> popular;
  for (const int feature : features) {
    const std::vector<int64_t>& counts = specs[static_cast<size_t>(feature)].counts;
    const auto [first, last] =
        std::equal_range(counts.begin(), counts.end(), least, std::greater<>());
    const int64_t taken = std::min<int64_t>(of_least, last - first);
    of_least -= taken;
    popular.push_back(first - counts.begin() + taken);
  }
  return popular;
}

/// "field_" and the name, of letters, digits and _ alone, unlike those taken.
std::string table_of(const std::string& feature, std::set<std::string>& taken) {
  std::string name = "field_" + feature;
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  std::string unlike = name;
  for (int number = 2; !taken.insert(unlike).second; ++number)
    unlike = name + "_" + std::to_string(number);
  return unlike;
}

}  // namespace

FeatureGroup::FeatureGroup(std::string table, std::vector<int> features,
                           const std::vector<FeatureSpec>& specs, const EmbeddingConfig& embedding)
    : table_(std::move(table)), features_(std::move(features)), embedding_(embedding) {
  for (const int feature : features_) {
    const FeatureSpec& spec = specs[static_cast<size_t>(feature)];
    MGQE_CHECK(static_cast<int64_t>(spec.counts.size()) == spec.rows &&
                   std::is_sorted(spec.counts.begin(), spec.counts.end(), std::greater<>()),
               spec.name, ": ids are not ranks of popularity");
    rows_ += spec.rows;
    MGQE_CHECK(spec.bag || bags_ == 0, spec.name, ": bags come last");
    bags_ += spec.bag ? 1 : 0;
    counts_.push_back(spec.counts);
  }
  if (rows_ > std::numeric_limits<int32_t>::max())
    input_error("the fields of table ", table_, " have ", rows_,
                " rows together, more than 2147483647: hash them in `mgqe prepare`, or give "
                "--codebook field");
  Tiers tiers;
  tiers.end[0] = rows_;
  if (traits_of_scheme(embedding_.scheme).tiered) tiers = make_tiers(embedding_, rows_);
  runs_.resize(features_.size());
  std::vector<int64_t> begins(features_.size(), 0);
  int64_t row = 0;
  for (int t = 0; t < tiers.count; ++t) {
    const std::vector<int64_t> ends = most_popular(features_, specs, tiers.end[t]);
    for (size_t k = 0; k < features_.size(); ++k) {
      runs_[k].ends.push_back(static_cast<int32_t>(ends[k]));
      runs_[k].shifts.push_back(static_cast<int32_t>(row - begins[k]));
      row += ends[k] - begins[k];
    }
    begins = ends;
  }
}

namespace {

/// "64/16" as [64, 16], "4" as 4, "full" as "full".
nlohmann::json value_of(const std::string& text) {
  nlohmann::json list = nlohmann::json::array();
  size_t begin = 0;
  for (size_t end = 0; end != std::string::npos; begin = end + 1) {
    end = text.find('/', begin);
    const std::string part = text.substr(begin, end - begin);
    list.push_back(nlohmann::json::parse(part, nullptr, /*allow_exceptions=*/false));
    if (!list.back().is_number()) return text;
  }
  return list.size() == 1 ? list[0] : list;
}

std::vector<std::string> parts_of(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

/// Sizes of the schemes, and which one.
bool may_differ(const std::string& key) {
  if (key == "scheme" || key == "codebook_type") return true;
  const auto& all = scheme_traits();
  return key != "dim" && std::any_of(all.begin(), all.end(), [&](const SchemeTraits* traits) {
           return traits->is_size(key);
         });
}

}  // namespace

std::map<std::string, EmbeddingConfig> field_embeddings(const EmbeddingConfig& embedding) {
  std::map<std::string, EmbeddingConfig> embeddings;
  if (embedding.field_sizes.empty()) return embeddings;
  const std::string flag = "--field-sizes " + embedding.field_sizes;
  for (const std::string& field : parts_of(embedding.field_sizes, ';')) {
    const size_t colon = field.rfind(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == field.size())
      input_error(flag, ": \"", field, "\" is not NAME:KEY=VALUE,KEY=VALUE");
    const std::string name = field.substr(0, colon);
    nlohmann::json sizes = nlohmann::json::object();
    for (const std::string& size : parts_of(field.substr(colon + 1), ',')) {
      const size_t equals = size.find('=');
      const std::string key = size.substr(0, equals);
      if (equals == std::string::npos || !may_differ(key))
        input_error(flag, ": field ", name, " has \"", size,
                    "\" where scheme=, codebook_type= or a size belongs: rank, bits, buckets, "
                    "widths, subspaces, centroids or tiers");
      if (sizes.contains(key)) input_error(flag, ": field ", name, " has ", key, " twice");
      sizes[key] = value_of(size.substr(equals + 1));
    }
    Config own;
    own.embedding = embedding;
    own.embedding.field_sizes.clear();
    own.embedding.budget.clear();
    const nlohmann::json named = sizes.value("scheme", nlohmann::json(embedding.scheme));
    const std::string scheme = named.is_string() ? named.get<std::string>() : named.dump();
    const std::string whose = fmt::format("{}: field {}: scheme", flag, name);
    const SchemeTraits& traits = traits_of_scheme(scheme, whose.c_str());
    if (traits.one_table)
      input_error(flag, ": field ", name, ": ", scheme, " is one table of many fields");
    for (const auto& [key, value] : sizes.items())
      if (key != "scheme" && !traits.reads(key))
        input_error(flag, ": field ", name, ": ", scheme, " has no ", key);
    if (scheme != embedding.scheme) {  // sizes of another scheme are its own
      own.embedding.centroids.clear();
      own.embedding.tiers.clear();
      own.embedding.widths.clear();
    } else if (sizes.contains("centroids")) {
      own.embedding.tiers.clear();
    }
    if (!traits.reads("codebook_type")) own.embedding.codebook_type = CodebookType::kF32;
    if (!traits.reads("variant")) own.embedding.variant = Variant::kSharedK;
    update_from_json(own, {{"embedding", sizes}}, fmt::format("{}: field {}", flag, name));
    try {
      resolve(own);
      validate(own);
    } catch (const InputError& error) {
      input_error(flag, ": field ", name, ": ", error.what());
    }
    if (!embeddings.emplace(name, own.embedding).second)
      input_error(flag, ": field ", name, " is named twice");
  }
  return embeddings;
}

FeatureLayout arrange_features(const EmbeddingConfig& embedding,
                               const std::vector<FeatureSpec>& specs, int64_t dense) {
  const bool all_full = embedding.scheme == "full";
  EmbeddingConfig full = embedding;
  full.scheme = "full";
  std::vector<int> small;
  std::map<std::string, std::vector<int>> shared;  // of several features
  std::vector<std::pair<std::string, int>> single;
  std::set<std::string> taken;
  std::map<std::string, EmbeddingConfig> own = field_embeddings(embedding);
  std::vector<FeatureGroup> apart;
  for (size_t f = 0; f < specs.size(); ++f) {
    const int feature = static_cast<int>(f);
    if (const auto named = own.find(specs[f].name); named != own.end()) {
      apart.emplace_back(
          FeatureGroup(table_of(specs[f].name, taken), {feature}, specs, named->second));
      own.erase(named);
      continue;
    }
    if (!all_full && specs[f].rows <= embedding.full_rows)
      small.push_back(feature);
    else if (all_full || embedding.codebook_scope == CodebookScope::kShared)
      shared["fields"].push_back(feature);
    else if (embedding.codebook_scope == CodebookScope::kField)
      single.emplace_back(table_of(specs[f].name, taken), feature);
    else
      shared["fields_" + std::to_string(std::to_string(specs[f].rows).size()) + "_digits"]
          .push_back(feature);
  }
  if (!own.empty()) {
    std::string names;
    for (const FeatureSpec& spec : specs) names += (names.empty() ? "" : ", ") + spec.name;
    input_error("--field-sizes: there is no field ", own.begin()->first, "; fields are ", names);
  }
  FeatureLayout layout;
  layout.features = static_cast<int64_t>(specs.size());
  layout.dense = dense;
  for (const auto& [table, features] : shared)
    layout.groups.emplace_back(table, features, specs, embedding);
  for (const auto& [table, feature] : single)
    layout.groups.emplace_back(table, std::vector{feature}, specs, embedding);
  for (FeatureGroup& group : apart) layout.groups.push_back(std::move(group));
  if (!small.empty()) layout.groups.emplace_back("small_fields", small, specs, full);
  return layout;
}

}  // namespace mgqe
