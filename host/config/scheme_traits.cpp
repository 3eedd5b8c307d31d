// The built-in schemes as the configuration sees them, and the registry.
#include "host/config/scheme_traits.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "host/config/choices.hpp"
#include "host/packed/quant_math.hpp"

namespace mgqe {
namespace {

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

void subspaces_divide(const EmbeddingConfig& embedding, int64_t dim, const char* flag) {
  const bool other = dim != embedding.dim;
  for (const int subspaces : embedding.subspaces)
    if (subspaces < 1 || dim % subspaces != 0)
      input_error("--subspaces ", subspaces, " does not divide ", flag, " ", dim,
                  ": choose a divisor of ", dim,
                  other ? " and of --dim " + std::to_string(embedding.dim) : "");
}

void validate_quantizer(const EmbeddingConfig& embedding) {
  validate_centroids(embedding.centroids);
  check_not_negative("--codebook-weight", embedding.codebook_weight);
  check_not_negative("--commitment-weight", embedding.commitment_weight);
  check_not_negative("--kmeans-start", embedding.kmeans_start);
}

/// One codebook size and one number of subspaces: dpq_vq and dpq_sx.
void validate_single(const EmbeddingConfig& embedding) {
  const std::string& scheme = embedding.scheme;
  if (!embedding.tiers.empty())
    input_error("--tiers is for --embedding mgqe: ", scheme, " encodes every id alike");
  if (embedding.centroids.size() != 1)
    input_error("--centroids has ", embedding.centroids.size(), " values: ", scheme, " takes one");
  if (embedding.subspaces.size() != 1)
    input_error("--subspaces has ", embedding.subspaces.size(), " values: ", scheme, " takes one");
  validate_quantizer(embedding);
}

/// Options of vector quantization that the softmax variant has no part for.
void validate_dpq_sx(const EmbeddingConfig& embedding) {
  validate_single(embedding);
  const auto refuse = [](bool given, const char* option) {
    if (given) input_error(option, " is for --embedding dpq_vq or mgqe, not dpq_sx");
  };
  refuse(embedding.commitment_weight != 0.0, "--commitment-weight");
  refuse(embedding.kmeans_start != 0, "--kmeans-start");
  refuse(embedding.grouping != Grouping::kTier, "--grouping");
  if (!(embedding.softmax_temperature > 0.0) || !std::isfinite(embedding.softmax_temperature))
    input_error("--softmax-temperature ", embedding.softmax_temperature, " must be above 0");
}

void validate_mgqe(const EmbeddingConfig& embedding) {
  const char* variant = name_of(embedding.variant);
  const bool by_dimension = embedding.variant == Variant::kPrivateD;
  const auto& per_tier = by_dimension ? embedding.subspaces : embedding.centroids;
  const auto& single = by_dimension ? embedding.centroids : embedding.subspaces;
  const char* per_tier_flag = by_dimension ? "--subspaces" : "--centroids";
  const char* single_flag = by_dimension ? "--centroids" : "--subspaces";
  if (embedding.variant != Variant::kSharedK && embedding.tiers.empty())
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
  if (embedding.budget.empty()) return validate_quantizer(embedding);
  if (embedding.variant != Variant::kSharedK)
    input_error("--budget plans tiers of one codebook: --variant ", variant, " has several");
  if (embedding.budget_warmup < 1)
    input_error("--budget-warmup ", embedding.budget_warmup, " must be 1 or more");
  validate_quantizer(embedding);
}

void resolve_mgqe(EmbeddingConfig& embedding) {
  const bool by_dimension = embedding.variant == Variant::kPrivateD;
  const auto& per_tier = by_dimension ? embedding.subspaces : embedding.centroids;
  if (embedding.tiers.empty() &&
      (per_tier.size() == 2 || (!by_dimension && embedding.centroids.empty())))
    embedding.tiers = {0.1};
  if (embedding.centroids.empty() && !by_dimension && embedding.tiers.size() == 1)
    embedding.centroids = {256, 64};
}

std::string code_label(const EmbeddingConfig& embedding) {
  const bool rounded = embedding.codebook_type != CodebookType::kF32;
  return " D=" + joined(embedding.subspaces) + " K=" + joined(embedding.centroids) +
         (rounded ? std::string(" ") + name_of(embedding.codebook_type) : "");
}

constexpr SchemeTraits kFull = {.name = "full", .bfloat16_rows = true};

constexpr SchemeTraits kLowRank = {
    .name = "low_rank",
    .sizes = {"rank"},
    .validate_dim =
        [](const EmbeddingConfig& embedding, int64_t dim, const char* flag) {
          if (embedding.rank < 1 || embedding.rank >= dim)
            input_error("--rank ", embedding.rank, " is out of range: 1 to ", dim - 1, ", below ",
                        flag, " ", dim);
        },
    .label = [](const EmbeddingConfig& e) { return " r=" + std::to_string(e.rank); },
};

constexpr SchemeTraits kScalarQuantized = {
    .name = "scalar_quantized",
    .sizes = {"bits"},
    .validate =
        [](const EmbeddingConfig& embedding) {
          if (embedding.bits < 1 || embedding.bits > 16)
            input_error("--bits ", embedding.bits, " is out of range: 1 to 16");
        },
    .label = [](const EmbeddingConfig& e) { return " b=" + std::to_string(e.bits); },
};

constexpr SchemeTraits kLsq = {
    .name = "lsq",
    .sizes = {"bits"},
    .validate =
        [](const EmbeddingConfig& embedding) {
          if (embedding.bits < 2 || embedding.bits > 16)
            input_error("--bits ", embedding.bits, " is out of range: lsq takes 2 to 16");
        },
    .label = [](const EmbeddingConfig& e) { return " b=" + std::to_string(e.bits); },
};

/// Rows that many ids share. They are few, and every rank has them all.
constexpr SchemeTraits of_buckets(const char* name) {
  return {
      .name = name,
      .sharded = false,
      .sizes = {"buckets"},
      .validate =
          [](const EmbeddingConfig& embedding) {
            if (embedding.buckets < 1 || embedding.buckets > 2'147'483'647)
              input_error("--buckets ", embedding.buckets, " is out of range: 1 to 2147483647");
          },
      .label = [](const EmbeddingConfig& e) { return " m=" + std::to_string(e.buckets); },
  };
}
constexpr SchemeTraits kHashed = of_buckets("hashed");
constexpr SchemeTraits kQuotientRemainder = of_buckets("quotient_remainder");
constexpr SchemeTraits kMemcom = of_buckets("memcom");

constexpr SchemeTraits kMultiplexed = [] {
  SchemeTraits traits = of_buckets("multiplexed");
  traits.one_table = true;
  return traits;
}();

void resolve_mixed_dim(EmbeddingConfig& embedding) {
  if (embedding.tiers.empty() && (embedding.widths.empty() || embedding.widths.size() == 2))
    embedding.tiers = {0.1};
  if (embedding.widths.empty() && embedding.tiers.size() == 1)
    embedding.widths = {static_cast<int>(embedding.dim),
                        static_cast<int>(std::max<int64_t>(1, embedding.dim / 4))};
}

void validate_mixed_dim(const EmbeddingConfig& embedding) {
  const std::vector<int>& widths = embedding.widths;
  if (embedding.tiers.size() + 1 != widths.size())
    input_error("--tiers has ", embedding.tiers.size(), " cuts and --widths ", widths.size(),
                " values: give one cut fewer than widths");
  validate_tiers(embedding, widths.size());
  if (embedding.centroids.size() > 1)
    input_error("--centroids has ", embedding.centroids.size(),
                " values: mixed_dim has no codebooks");
  for (size_t i = 1; i < widths.size(); ++i)
    if (widths[i] > widths[i - 1])
      input_error("--widths rises from ", widths[i - 1], " to ", widths[i],
                  ": rarer tiers may not be wider; sort them largest first");
}

constexpr SchemeTraits kMixedDim = {
    .name = "mixed_dim",
    .tiered = true,
    .sharded = false,  // its tables are narrow, and every rank cuts ids by itself
    .sizes = {"widths", "tiers"},
    .resolve = resolve_mixed_dim,
    .validate = validate_mixed_dim,
    .validate_dim =
        [](const EmbeddingConfig& embedding, int64_t dim, const char* flag) {
          for (const int width : embedding.widths)
            if (width < 1 || width > dim)
              input_error("--widths ", width, " is out of range: 1 to ", dim, ", as ", flag,
                          "; where they are not given they are --dim and a quarter of it");
        },
    .label = [](const EmbeddingConfig& e) { return " w=" + joined(e.widths); },
};

constexpr SchemeTraits quantized(const char* name) {
  return {.name = name,
          .quantized = true,
          .bfloat16_rows = true,
          .sizes = {"subspaces", "centroids"},
          .options = {"codebook_weight", "commitment_weight", "distance_bn", "kmeans_start",
                      "grouping", "codebook_type", "faithful"},
          .validate = validate_single,
          .validate_dim = subspaces_divide,
          .label = code_label};
}

constexpr SchemeTraits kDpqVq = quantized("dpq_vq");

constexpr SchemeTraits kDpqSx = [] {
  SchemeTraits traits = quantized("dpq_sx");
  traits.bfloat16_rows = false;
  traits.options[7] = "softmax_temperature";
  traits.validate = validate_dpq_sx;
  return traits;
}();

constexpr SchemeTraits kMgqe = [] {
  SchemeTraits traits = quantized("mgqe");
  traits.tiered = true;
  traits.sizes = {"subspaces", "centroids", "tiers"};
  const char* const own[] = {"variant",        "user_subspaces", "user_centroids", "user_tiers",
                             "item_subspaces", "item_centroids", "item_tiers"};
  for (size_t i = 0; i < std::size(own); ++i) traits.options[7 + i] = own[i];
  traits.resolve = resolve_mgqe;
  traits.validate = validate_mgqe;
  return traits;
}();

/// A new scheme is one line here.
std::vector<const SchemeTraits*>& registry() {
  static std::vector<const SchemeTraits*> all = {
      &kFull, &kLowRank,     &kScalarQuantized,   &kHashed, &kDpqVq,    &kDpqSx, &kMgqe,
      &kLsq,  &kMultiplexed, &kQuotientRemainder, &kMemcom, &kMixedDim,
  };
  return all;
}

template <size_t N>
bool contains(const std::array<const char*, N>& keys, std::string_view key) {
  return std::any_of(keys.begin(), keys.end(),
                     [&](const char* one) { return one != nullptr && key == one; });
}

}  // namespace

bool SchemeTraits::is_size(std::string_view key) const {
  return key == "dim" || contains(sizes, key);
}

bool SchemeTraits::reads(std::string_view key) const {
  // Of tables on one side alone the other is full, which reads nothing but the dimension.
  return key == "scheme" || key == "init_stddev" || is_size(key) || contains(options, key) ||
         (key == "tables" && this != &kFull);
}

const std::vector<const SchemeTraits*>& scheme_traits() { return registry(); }

const SchemeTraits& traits_of_scheme(std::string_view name, const char* flag) {
  std::vector<const char*> names;
  for (const SchemeTraits* traits : registry()) names.push_back(traits->name);
  return *registry()[static_cast<size_t>(position_of(flag, std::string(name), names))];
}

std::string schemes_that(bool (*able)(const SchemeTraits&)) {
  std::vector<const char*> names;
  for (const SchemeTraits* traits : registry())
    if (able(*traits)) names.push_back(traits->name);
  return alternatives(names);
}

void add_scheme_traits(const SchemeTraits& traits) {
  for (const SchemeTraits* other : registry())
    MGQE_CHECK(std::string_view(other->name) != traits.name,
               "a scheme of that name is known: ", traits.name);
  registry().push_back(&traits);
}

std::string joined(const std::vector<int>& values) {
  std::ostringstream text;
  for (const int value : values) text << (text.tellp() > 0 ? "/" : "") << value;
  return text.str();
}

}  // namespace mgqe
