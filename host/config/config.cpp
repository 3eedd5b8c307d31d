#include "host/config/config.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

#include "host/base/check.hpp"
#include "host/config/choices.hpp"
#include "host/config/scheme_traits.hpp"
#include "host/packed/quant_math.hpp"

namespace mgqe {

nlohmann::json to_json(const Config& config) {
  nlohmann::json json;
  visit_fields(config, [&](const char* section, const char* key, const char*, const auto& value,
                           const char*) { json[section][key] = value; });
  return json;
}

namespace {

/// Whether a JSON value is one of the type as it stands: no fraction is cut off, nothing wraps
/// round.
template <class Value>
bool holds(const nlohmann::json& json) {
  if constexpr (std::is_integral_v<Value>)
    return json.is_number_unsigned()  ? std::in_range<Value>(json.get<uint64_t>())
           : json.is_number_integer() ? std::in_range<Value>(json.get<int64_t>())
                                      : false;
  else if constexpr (std::is_floating_point_v<Value>)
    return json.is_number();
  else
    return json.is_string();
}

template <class Value>
const char* expected_type() {
  if constexpr (std::is_same_v<Value, uint64_t>)
    return "a whole number of 0 to 18446744073709551615";
  if constexpr (std::is_integral_v<Value>) return "a whole number that fits";
  if constexpr (std::is_floating_point_v<Value>) return "a number";
  return "a text";
}

/// Where there is no such value in `json`, what would be right.
template <class Value>
const char* read_value(const nlohmann::json& json, Value& value) {
  if (!holds<Value>(json)) return expected_type<Value>();
  value = json.template get<Value>();
  return nullptr;
}

/// A list of one may be written as the value alone.
template <class Value>
const char* read_value(const nlohmann::json& json, std::vector<Value>& values) {
  std::vector<Value> read;
  for (const auto& item : json.is_array() ? json : nlohmann::json::array({json}))
    if (const char* expected = read_value(item, read.emplace_back())) return expected;
  values = std::move(read);
  return nullptr;
}

}  // namespace

void update_from_json(Config& config, const nlohmann::json& json, const std::string& where) {
  if (!json.is_object()) input_error(where, ": expected a JSON object of sections");
  visit_fields(config, [&](const char* section, const char* key, const char* flag, auto& value,
                           const char*) {
    const auto found = json.find(section);
    if (found == json.end()) return;
    if (!found->is_object()) input_error(where, ": \"", section, "\" must be a JSON object");
    const auto field = found->find(key);
    if (field == found->end()) return;
    using Value = std::decay_t<decltype(value)>;
    const char* expected = nullptr;
    if constexpr (Choice<Value>) {
      std::string name;
      expected = read_value(*field, name);
      if (expected == nullptr) value = choice<Value>(name, flag);
    } else {
      expected = read_value(*field, value);
    }
    if (expected != nullptr)
      input_error(where, ": ", section, ".", key, " has the wrong type: ", field->dump(),
                  ", expected ", expected);
  });
  static const nlohmann::json sections = to_json(Config{});
  const auto refuse = [&](const std::string& name) {
    input_error(where, ": unknown field ", name, "; `mgqe help train` lists them");
  };
  for (const auto& [section, fields] : json.items()) {
    const auto known = sections.find(section);
    if (known == sections.end()) refuse(section);
    for (const auto& [key, value] : fields.items())
      if (!known->contains(key)) refuse(section + "." + key);
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

namespace {

/// Sizes of one entity's tables are checked as those of all are, in their place.
void validate_side(const EmbeddingConfig& embedding, Entity entity) {
  const SideSizes& sizes = entity == Entity::kUser ? embedding.user : embedding.item;
  if (!sizes.given()) return;
  const std::string prefix = std::string("--") + name_of(entity) + "-";
  const SchemeTraits& traits = traits_of_scheme(embedding.scheme);
  if (!traits.reads(std::string(name_of(entity)) + "_centroids"))
    input_error(
        prefix, "subspaces, ", prefix, "centroids and ", prefix, "tiers are for --embedding ",
        schemes_that([](const SchemeTraits& other) { return other.reads("user_centroids"); }),
        ", not ", embedding.scheme);
  const EmbeddingConfig side = side_config(embedding, entity);
  if (side.scheme != embedding.scheme)
    input_error(prefix, "subspaces, ", prefix, "centroids and ", prefix, "tiers: --tables ",
                name_of(embedding.tables), " leaves those tables full");
  try {
    traits.validate(side);
    traits.validate_dim(side, side.dim, "--dim");
  } catch (const InputError& error) {
    std::string text = error.what();  // of the flags that both sides have
    for (const char* size : {"subspaces", "centroids", "tiers"}) {
      const std::string flag = std::string("--") + size;
      for (size_t at = 0; (at = text.find(flag, at)) != std::string::npos; at += flag.size())
        text.replace(at, 2, prefix);
    }
    input_error("tables of ", name_of(entity), "s: ", text);
  }
}

void validate_embedding(const EmbeddingConfig& embedding) {
  const SchemeTraits& traits = traits_of_scheme(embedding.scheme);
  if (embedding.dim < 1 || embedding.dim > kMaxDim)
    input_error("--dim ", embedding.dim, " is out of range: 1 to ", kMaxDim);
  if (embedding.tables != SchemeTables::kBoth && !traits.reads("tables"))
    input_error("--tables ", name_of(embedding.tables),
                " leaves the other tables full, and --embedding full is that already: choose "
                "another scheme");
  if (!embedding.budget.empty() && !traits.planned())
    input_error("--budget is for --embedding ",
                schemes_that([](const SchemeTraits& other) { return other.planned(); }), ", not ",
                embedding.scheme);
  check_positive("--init-stddev", embedding.init_stddev);
  if (embedding.variant != Variant::kSharedK && !traits.reads("variant"))
    input_error("--variant ", name_of(embedding.variant), " is for --embedding ",
                schemes_that([](const SchemeTraits& other) { return other.reads("variant"); }),
                ", not ", embedding.scheme);
  if (embedding.codebook_type != CodebookType::kF32 && !traits.reads("codebook_type"))
    input_error(
        "--codebook-type ", name_of(embedding.codebook_type), " is for --embedding ",
        schemes_that([](const SchemeTraits& other) { return other.reads("codebook_type"); }),
        ", not ", embedding.scheme);
  EmbeddingConfig common = embedding;
  if (!embedding.user.subspaces.empty() && !embedding.item.subspaces.empty())
    common.subspaces = embedding.user.subspaces;  // no table has those of --subspaces
  if (traits.validate != nullptr) traits.validate(common);
  if (traits.validate_dim != nullptr) traits.validate_dim(common, embedding.dim, "--dim");
  for (const Entity entity : {Entity::kUser, Entity::kItem}) validate_side(embedding, entity);
}

// Beyond it nothing is learned, and the examples of an epoch would no longer be counted.
constexpr int kMaxNegatives = 1'000'000;
// Of the sampled protocol, which keeps a list of them for each user.
constexpr int kMaxCandidates = 1'000'000;

void validate_train(const TrainConfig& train) {
  check_positive("--epochs", train.epochs);
  check_positive("--batch", static_cast<double>(train.batch));
  if (train.batch > (int64_t{1} << 30)) input_error("--batch ", train.batch, " is over 2^30");
  if (train.negatives < 1 || train.negatives > kMaxNegatives)
    input_error("--negatives ", train.negatives, " is out of range: 1 to ", kMaxNegatives);
  check_positive("--lr", train.lr);
  check_not_negative("--table-lr", train.table_lr);
  check_positive("--epsilon", train.epsilon);
  check_fraction("--beta1", train.beta1);
  check_fraction("--beta2", train.beta2);
  check_not_negative("--l2", train.l2);
  if (!(train.lr_decay > 0.0 && train.lr_decay <= 1.0))
    input_error("--lr-decay ", train.lr_decay, " is out of range: above 0, and 1 at most");
  check_positive("--lr-patience", train.lr_patience);
  check_not_negative("--patience", train.patience);
  check_positive("--evaluate-every", train.evaluate_every);
}

/// Rows in bfloat16 are widened by the batch: what reads the table as a whole has no way to.
void validate_row_type(const TrainConfig& train, const EmbeddingConfig& embedding) {
  if (train.row_type == RowType::kF32) return;
  if (!traits_of(train.optimizer).bfloat16_rows)
    input_error("--row-type bf16 with --optimizer ", name_of(train.optimizer),
                ", whose moments are larger than the rows: choose ", bfloat16_optimizers());
  if (!traits_of_scheme(embedding.scheme).bfloat16_rows)
    input_error("--row-type bf16 with --embedding ", embedding.scheme, ": choose ",
                schemes_that([](const SchemeTraits& other) { return other.bfloat16_rows; }));
  if (embedding.kmeans_start != 0 || embedding.grouping != Grouping::kTier)
    input_error("--row-type bf16 is without --kmeans-start and --grouping lookup");
}

}  // namespace

std::string scheme_label(const EmbeddingConfig& embedding) {
  const SchemeTraits& traits = traits_of_scheme(embedding.scheme);
  const bool shared = embedding.variant == Variant::kSharedK;
  const bool both = embedding.tables == SchemeTables::kBoth;
  std::string sides;
  for (const Entity entity : {Entity::kUser, Entity::kItem})
    if ((entity == Entity::kUser ? embedding.user : embedding.item).given())
      sides +=
          std::string(", ") + name_of(entity) + "s" + traits.label(side_config(embedding, entity));
  std::string sizes = traits.label != nullptr ? traits.label(embedding) : "";
  if (!embedding.budget.empty()) {  // which says them all, whatever its plan was
    sizes = " D=" + joined(embedding.subspaces) + " budget " + embedding.budget;
    sides.clear();
  }
  const bool one_codebook = embedding.codebook_scope == CodebookScope::kShared;
  const std::string scope =
      one_codebook ? "" : std::string(" by ") + name_of(embedding.codebook_scope);
  std::string fields;
  if (!embedding.field_sizes.empty()) fields += " with " + embedding.field_sizes;
  if (embedding.bag_pooling != BagPooling::kMean) fields += " sums of bags";
  if (embedding.bag_length != EmbeddingConfig{}.bag_length)
    fields += " at most " + std::to_string(embedding.bag_length) + " a bag";
  return embedding.scheme + (shared ? "" : std::string(" ") + name_of(embedding.variant)) +
         " d=" + std::to_string(embedding.dim) + sizes + sides + scope + fields +
         (both ? "" : std::string(" ") + name_of(embedding.tables) + " only");
}

const char* name_of(Entity entity) { return entity == Entity::kUser ? "user" : "item"; }

EmbeddingConfig side_config(const EmbeddingConfig& embedding, Entity entity) {
  EmbeddingConfig side = embedding;
  side.user = side.item = {};
  const SchemeTables others = entity == Entity::kUser ? SchemeTables::kItems : SchemeTables::kUsers;
  if (embedding.tables == others) {
    side.scheme = "full";
    return side;
  }
  const SideSizes& sizes = entity == Entity::kUser ? embedding.user : embedding.item;
  if (!sizes.subspaces.empty()) side.subspaces = sizes.subspaces;
  if (!sizes.centroids.empty()) side.centroids = sizes.centroids;
  const size_t own = sizes.centroids.size();
  if (!sizes.tiers.empty())
    side.tiers = sizes.tiers;
  else if (own == 1 && embedding.variant == Variant::kSharedK)
    side.tiers.clear();
  else if (own == 2 && embedding.tiers.size() != 1 && embedding.variant != Variant::kPrivateD)
    side.tiers = {0.1};  // as resolve() has it
  return side;
}

std::string options_beyond_paper(const EmbeddingConfig& embedding) {
  if (!traits_of_scheme(embedding.scheme).quantized) return "";
  std::ostringstream text;
  const auto add = [&](const char* name, const auto& value) {
    text << (text.tellp() > 0 ? ", " : "") << name << ' ' << value;
  };
  if (embedding.commitment_weight > 0.0) add("commitment weight", embedding.commitment_weight);
  if (embedding.distance_bn != DistanceBn::kNone)
    add("distance batch-norm", name_of(embedding.distance_bn));
  if (embedding.softmax_temperature != 1.0 && embedding.scheme == "dpq_sx")
    add("softmax temperature", embedding.softmax_temperature);
  if (embedding.kmeans_start > 0) add("k-means start, iterations", embedding.kmeans_start);
  return text.str();
}

void resolve(Config& config) {
  EmbeddingConfig& embedding = config.embedding;
  const SchemeTraits& traits = traits_of_scheme(embedding.scheme);
  if (traits.resolve != nullptr) traits.resolve(embedding);
  if (embedding.centroids.empty()) embedding.centroids = {256};
}

void validate(const Config& config) {
  const auto& [data, model, embedding, train, run] = config;
  validate_embedding(embedding);
  validate_train(train);
  validate_row_type(train, embedding);
  if (run.candidates < 1 || run.candidates > kMaxCandidates)
    input_error("--candidates ", run.candidates, " is out of range: 1 to ", kMaxCandidates);
  if (run.evaluate_users < 0)
    input_error("--evaluate-users ", run.evaluate_users, " must be 0 (all) or more");
  if (data.synthetic_users < 1) input_error("--synthetic-users must be 1 or more");
  if (data.synthetic_items < 16 || data.synthetic_items > 100'000'000)
    input_error("--synthetic-items ", data.synthetic_items, " is out of range: 16 to 100000000");
  if (data.synthetic_table_rows < 300 || data.synthetic_table_rows > 2'000'000'000)
    input_error("--synthetic-table-rows ", data.synthetic_table_rows,
                " is out of range: 300 to 2000000000");
  if (data.synthetic_examples < 10 || data.synthetic_examples > 10'000'000'000)
    input_error("--synthetic-examples ", data.synthetic_examples,
                " is out of range: 10 to 10000000000");
  if (embedding.full_rows < 0)
    input_error("--full-rows ", embedding.full_rows, " must be 0 (no field) or more");
  constexpr int kLongestBag = 4096;
  if (embedding.bag_length < 1 || embedding.bag_length > kLongestBag)
    input_error("--bag-length ", embedding.bag_length, " is out of range: 1 to ", kLongestBag);
  if (data.synthetic_actions < 3)
    input_error("--synthetic-actions ", data.synthetic_actions,
                " must be 3 or more: two actions are held out");
}

}  // namespace mgqe
