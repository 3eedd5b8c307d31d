#include "host/data/ctr/field_spec.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

#include <nlohmann/json.hpp>

#include "host/base/check.hpp"

namespace mgqe {

namespace {

constexpr const char* kKindNames[] = {"categorical", "log",   "quantile", "dense",
                                      "bag",         "label", "ignored"};

/// Whether options of this name mean something to a field of this kind.
bool takes(FieldKind kind, std::string_view option) {
  if (option == "min")
    return kind == FieldKind::kCategorical || kind == FieldKind::kBag ||
           kind == FieldKind::kLogBuckets;
  if (option == "hash") return kind == FieldKind::kCategorical || kind == FieldKind::kBag;
  if (option == "buckets") return kind == FieldKind::kQuantileBuckets;
  if (option == "sep") return kind == FieldKind::kBag;
  return kind == FieldKind::kDense && (option == "log" || option == "shift" || option == "raw");
}

template <class Number>
Number parse_value(const std::string& text, const std::string& flag, Number least, Number most) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !(value >= least) ||
      !(value <= most))
    input_error(flag, ": \"", text, "\" is not a number of ", least, " to ", most);
  return value;
}

char parse_separator(const std::string& text, const std::string& flag) {
  if (text == "space") return ' ';
  if (text.size() == 1) return text[0];
  input_error(flag, ": sep=", text, " is not one character, or the word space");
}

void set_option(FieldSpec& spec, const std::string& option, const std::string& flag) {
  constexpr int64_t kMost = 2'000'000'000;
  const size_t equal = option.find('=');
  const std::string name = option.substr(0, equal);
  const std::string value = equal == std::string::npos ? "" : option.substr(equal + 1);
  if (!takes(spec.kind, name))
    input_error(flag, ": a ", name_of(spec.kind), " field has no option \"", option,
                "\": categorical has min=N and hash=N, bag those and sep=C, log min=N, quantile "
                "buckets=N, dense log, shift=X and raw");
  const std::string where = flag + " " + spec.name + ":" + name;
  if (name == "min") spec.min_count = parse_value<int64_t>(value, where, 1, kMost);
  if (name == "hash") spec.hash_rows = parse_value<int64_t>(value, where, 0, kMost);
  if (name == "buckets") spec.buckets = parse_value<int64_t>(value, where, 2, 4096);
  if (name == "sep") spec.separator = parse_separator(value, flag);
  if (name == "shift") spec.shift = parse_value<double>(value, where, -1e9, 1e9);
  if (name == "log" || name == "shift") spec.log = true;
  if (name == "raw") spec.standard = false;
}

bool is_pattern(const std::string& name) { return name.ends_with('*'); }

bool matches(const FieldSpec& spec, const std::string& column) {
  return is_pattern(spec.name) ? column.starts_with(spec.name.substr(0, spec.name.size() - 1))
                               : column == spec.name;
}

std::string names_of(const std::vector<NamedColumn>& columns) {
  constexpr size_t kShown = 60;
  std::string names;
  for (size_t i = 0; i < std::min(columns.size(), kShown); ++i)
    names += (i > 0 ? ", " : "") + columns[i].name;
  return columns.size() > kShown ? names + ", ..." : names;
}

/// The one that says what the column is: by its name rather than by a pattern.
const FieldSpec* find_given(const std::vector<FieldSpec>& given, const std::string& column,
                            const std::string& where) {
  const FieldSpec* found = nullptr;
  for (const FieldSpec& spec : given) {
    if (!matches(spec, column)) continue;
    if (found != nullptr && is_pattern(found->name) == is_pattern(spec.name))
      input_error(where, ": field ", column, " is said to be ", name_of(found->kind), " and ",
                  name_of(spec.kind), ": name it once");
    if (found == nullptr || is_pattern(found->name)) found = &spec;
  }
  return found;
}

}  // namespace

const char* name_of(FieldKind kind) { return kKindNames[static_cast<int>(kind)]; }

FieldSpec parse_field(FieldKind kind, const std::string& text, const std::string& flag) {
  FieldSpec spec;
  spec.kind = kind;
  if (kind == FieldKind::kLabel) {
    const size_t above = text.find('>');
    spec.name = text.substr(0, above);
    if (above != std::string::npos)
      spec.threshold = parse_value<double>(text.substr(above + 1), flag, -1e300, 1e300);
  } else {
    spec.name = text.substr(0, text.find(':'));
    for (size_t at = spec.name.size(); at < text.size();) {
      // A separator may itself be a colon.
      size_t end = text.find(':', at + 1);
      if (text.compare(at, 6, ":sep=:") == 0) end = at + 6 < text.size() ? at + 6 : text.npos;
      set_option(spec, text.substr(at + 1, end == text.npos ? end : end - at - 1), flag);
      at = end == text.npos ? text.size() : end;
    }
  }
  if (spec.name.empty()) input_error(flag, ": \"", text, "\" names no field: expected NAME");
  return spec;
}

NamedColumn parse_column(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon != std::string_view::npos) {
    const std::string_view type = text.substr(colon + 1);
    const std::string name(text.substr(0, colon));
    if (type == "token") return {name, FieldKind::kCategorical};
    if (type == "float") return {name, FieldKind::kDense};
    if (type == "token_seq") return {name, FieldKind::kBag};
    if (type == "float_seq") return {name, FieldKind::kIgnored};
  }
  return {std::string(text), std::nullopt};
}

namespace {

/// What a refusal adds where a file's first line seems to be values rather than names.
std::string hint_of_values(const std::vector<NamedColumn>& columns) {
  const auto is_value = [](const NamedColumn& column) {
    double number = 0.0;
    const char* const end = column.name.data() + column.name.size();
    const auto [rest, error] = std::from_chars(column.name.data(), end, number);
    return column.name.empty() || (error == std::errc() && rest == end);
  };
  if (std::none_of(columns.begin(), columns.end(), is_value)) return "";
  return "; a file without a header needs --columns, or --format criteo or libfm";
}

}  // namespace

std::vector<FieldSpec> resolve_fields(const std::vector<NamedColumn>& columns,
                                      const std::vector<FieldSpec>& given,
                                      const FieldDefaults& defaults, const std::string& where) {
  for (const FieldSpec& spec : given)
    if (std::none_of(columns.begin(), columns.end(),
                     [&](const NamedColumn& column) { return matches(spec, column.name); }))
      input_error(where, ": there is no field ", spec.name, ": the columns are ", names_of(columns),
                  hint_of_values(columns));
  std::vector<FieldSpec> fields;
  for (const NamedColumn& column : columns) {
    if (column.name.empty())
      input_error(where, ": column ", fields.size() + 1, " has no name: every column needs one",
                  hint_of_values(columns));
    for (const FieldSpec& before : fields)
      if (before.name == column.name)
        input_error(where, ": two columns are named ", column.name, ": names must differ",
                    hint_of_values(columns));
    FieldSpec spec;
    if (const FieldSpec* found = find_given(given, column.name, where))
      spec = *found;
    else if (defaults.ignore_unnamed)
      spec.kind = FieldKind::kIgnored;
    else
      spec.kind = column.kind.value_or(FieldKind::kCategorical);
    spec.name = column.name;
    const bool hashable = spec.kind == FieldKind::kCategorical || spec.kind == FieldKind::kBag;
    const bool counted = hashable || spec.kind == FieldKind::kLogBuckets;
    if (spec.hash_rows == FieldSpec::kUnset) spec.hash_rows = hashable ? defaults.hash_rows : 0;
    if (spec.min_count == FieldSpec::kUnset) spec.min_count = counted ? defaults.min_count : 1;
    fields.push_back(spec);
  }
  const auto count = [&](auto&& is) { return std::count_if(fields.begin(), fields.end(), is); };
  const auto labels = count([](const auto& field) { return field.kind == FieldKind::kLabel; });
  if (labels == 0)
    input_error(where, ": no column is the label: name it by --label; the columns are ",
                names_of(columns));
  if (labels > 1) input_error(where, ": ", labels, " columns are labels: name one");
  if (count([](const auto& field) { return field.has_ids(); }) == 0)
    input_error(where, ": no column is categorical, a bag or buckets: nothing would be embedded");
  return fields;
}

nlohmann::ordered_json to_json(const FieldSpec& spec) {
  nlohmann::ordered_json json = {{"name", spec.name}, {"kind", name_of(spec.kind)}};
  if (spec.has_texts()) json["min_count"] = spec.min_count;
  if (spec.hashed()) json["hash_rows"] = spec.hash_rows;
  if (spec.kind == FieldKind::kQuantileBuckets) json["buckets"] = spec.buckets;
  if (spec.kind == FieldKind::kBag)
    json["separator"] = static_cast<int>(static_cast<unsigned char>(spec.separator));
  if (spec.log) json["log_of_plus"] = spec.shift;
  if (spec.kind == FieldKind::kDense && spec.standard) json["standard"] = true;
  if (spec.threshold) json["above"] = *spec.threshold;
  return json;
}

FieldSpec field_spec_from_json(const nlohmann::ordered_json& json) {
  FieldSpec spec;
  spec.name = json.at("name").get<std::string>();
  const auto kind =
      std::find(std::begin(kKindNames), std::end(kKindNames), json.at("kind").get<std::string>());
  MGQE_CHECK(kind != std::end(kKindNames), "no such kind of field");
  spec.kind = static_cast<FieldKind>(kind - std::begin(kKindNames));
  spec.min_count = json.value("min_count", int64_t{1});
  spec.hash_rows = json.value("hash_rows", int64_t{0});
  spec.buckets = json.value("buckets", FieldSpec::kDefaultBuckets);
  spec.separator = static_cast<char>(json.value("separator", static_cast<int>(' ')));
  spec.log = json.contains("log_of_plus");
  spec.shift = json.value("log_of_plus", 1.0);
  // Caches of before there was such a thing have them raw.
  spec.standard = spec.kind != FieldKind::kDense || json.value("standard", false);
  if (json.contains("above")) spec.threshold = json.at("above").get<double>();
  return spec;
}

}  // namespace mgqe
