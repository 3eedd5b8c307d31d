#include "experiments/prepare/summary.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "experiments/serving/table_work.hpp"
#include "host/io/console/table.hpp"

namespace mgqe {

namespace {

double share(int64_t part, int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0.0;
}

std::string percent(int64_t part, int64_t whole) {
  return whole > 0 ? fmt::format("{:.2f}%", 100.0 * share(part, whole)) : "-";
}

std::string kind_of(const FieldSpec& spec) {
  std::string kind = name_of(spec.kind);
  if (spec.hashed()) kind += " hashed";
  if (spec.log) kind += fmt::format(" log(x + {})", spec.shift);
  if (spec.kind == FieldKind::kDense && !spec.standard) kind += " raw";
  if (spec.threshold) kind += fmt::format(" > {}", *spec.threshold);
  return kind;
}

/// Of a field whose ids say little of a row: most of its values are rare ones.
std::string remark_on(const CachedField& field) {
  constexpr double kMost = 0.5;
  const bool categorical = field.spec.kind == FieldKind::kCategorical && !field.spec.hashed();
  if (!categorical || field.values[0] == 0) return "";
  const double rare = share(field.oov_values[0], field.values[0]);
  const double different = share(field.rows - (field.oov >= 0 ? 1 : 0), field.values[0]);
  if (std::max(rare, different) <= kMost) return "";
  return fmt::format(
      "field {}: {:.2f}% of its training values {}; numbers are for --log, --quantile or --dense, "
      "and --ignore leaves a column out\n",
      field.spec.name, 100.0 * std::max(rare, different),
      rare > different ? "share the OOV row" : "are different ones");
}

}  // namespace

std::string cache_summary(const CacheIndex& index) {
  std::vector<TableRow> fields;
  for (const CachedField& field : index.fields) {
    TableRow row = {field.spec.name, kind_of(field.spec)};
    if (field.rows == 0) {
      row.insert(row.end(), 6, "");
    } else {
      const bool oov = field.oov >= 0;
      row.push_back(grouped(field.rows));
      row.push_back(field.spec.has_texts() ? std::to_string(field.spec.min_count) : "-");
      row.push_back(percent(field.top_values, field.trained_values));
      for (int split = 0; split < kCtrSplits; ++split)
        row.push_back(oov ? percent(field.oov_values[split], field.values[split]) : "-");
    }
    fields.push_back(row);
  }
  std::vector<TableRow> splits;
  for (int split = 0; split < kCtrSplits; ++split)
    splits.push_back({name_of(static_cast<CtrSplit>(split)), grouped(index.rows[split]),
                      percent(index.positives[split], index.rows[split])});
  const std::vector<Align> left = {Align::kLeft, Align::kLeft};
  std::string text = format_table(
      {"field", "kind", "rows", "min count", "most frequent", "OOV train", "OOV valid", "OOV test"},
      fields, left);
  text += "\n" + format_table({"split", "rows", "positives"}, splits, {Align::kLeft});
  if (index.unlabeled > 0)
    text += fmt::format("{} rows without a label were left out\n", grouped(index.unlabeled));
  if (index.vocabulary == 0)  // else rows of tables are those of other training values
    for (const CachedField& field : index.fields) text += remark_on(field);
  const int64_t train = index.rows[0], positives = index.positives[0];
  if (train > 0 && (positives == 0 || positives == train))
    text += fmt::format("every training row has label {}: a model has nothing to tell apart\n",
                        positives == 0 ? 0 : 1);
  return text;
}

nlohmann::ordered_json cache_summary_json(const CacheIndex& index) {
  nlohmann::ordered_json json = {{"fingerprint", fmt::format("{:016x}", index.fingerprint)},
                                 {"splits", nlohmann::ordered_json::object()},
                                 {"unlabeled", index.unlabeled},
                                 {"table_rows", 0},
                                 {"fields", nlohmann::ordered_json::array()}};
  for (int split = 0; split < kCtrSplits; ++split)
    json["splits"][name_of(static_cast<CtrSplit>(split))] = {
        {"rows", index.rows[split]},
        {"positives", share(index.positives[split], index.rows[split])}};
  int64_t table_rows = 0;
  for (const CachedField& field : index.fields) {
    nlohmann::ordered_json line = to_json(field.spec);
    if (field.rows > 0) {
      line["rows"] = field.rows;
      line["oov"] = field.oov;
      line["most_frequent_share"] = share(field.top_values, field.trained_values);
      for (int split = 0; split < kCtrSplits; ++split)
        line["oov_share"][name_of(static_cast<CtrSplit>(split))] =
            share(field.oov_values[split], field.values[split]);
      table_rows += field.rows;
    }
    json["fields"].push_back(line);
  }
  json["table_rows"] = table_rows;
  return json;
}

}  // namespace mgqe
