#include "host/io/console/run_table.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "host/base/check.hpp"
#include "host/config/config.hpp"
#include "host/io/bytes.hpp"
#include "host/io/console/table.hpp"

namespace mgqe {
namespace {

using Json = nlohmann::ordered_json;

/// Two-sided 95% quantiles of Student's t for 1 to 10 degrees of freedom.
double student_t(size_t degrees) {
  constexpr double kQuantiles[] = {12.706, 4.303, 3.182, 2.776, 2.571,
                                   2.447,  2.365, 2.306, 2.262, 2.228};
  return degrees <= std::size(kQuantiles) ? kQuantiles[degrees - 1] : 1.96 + 2.4 / degrees;
}

/// As this version would record it: older results lack later fields.
Config config_of(const Json& result) {
  Config config;
  update_from_json(config, nlohmann::json::parse(result.at("config").dump()), "result");
  resolve(config);
  return config;
}

/// What runs of one row share: all they read but the seed, and by which numerics and on which
/// device they were made.
std::string configuration_of(const Json& result, const WhatIsRead& what_is_read) {
  nlohmann::json config = to_json(what_is_read(config_of(result)));
  for (const char* key : {"seed", "out", "device"}) config["run"].erase(key);
  return config.dump() + result.at("device").dump() +
         std::to_string(result.value("numerics_version", 0)) +
         std::to_string(result.value("ranks", 1));
}

std::string model_label(const Config& config) {
  std::string label = config.model.name;
  if (config.model.mlp_dim > 0) label += " m=" + std::to_string(config.model.mlp_dim);
  if (config.model.pretrain_epochs > 0) label += " pre-trained";
  if (config.model.name == "dcn" && config.model.cross_layers == 0)
    label += " without cross layers";
  if (config.model.dense_type != DenseType::kF32)
    label += std::string(" ") + name_of(config.model.dense_type);
  return label;
}

std::vector<double> collect(const std::vector<Json>& runs, const char* pointer) {
  std::vector<double> values;
  for (const Json& run : runs) {
    const Json& value = run.at(Json::json_pointer(pointer));
    values.push_back(value.is_null() ? std::nan("") : value.get<double>());  // of no users
  }
  return values;
}

std::string with_interval(const std::vector<double>& values, int digits) {
  const MeanInterval interval = mean_interval(values);
  if (std::isnan(interval.mean)) return "-";
  if (values.size() < 2) return fmt::format("{:.{}f}", interval.mean, digits);
  return fmt::format("{:.{}f} ± {:.{}f}", interval.mean, digits, interval.half_width, digits);
}

/// The figures of one kind of task: what stands between the count of seeds and the sizes.
struct TaskColumns {
  TableRow header;
  std::vector<const char*> pointers;
  int digits;
};

const TaskColumns kRanking = {
    {"sampled HR@10", "NDCG@10", "full HR@10", "NDCG@10"},
    {"/test/sampled/hr@10", "/test/sampled/ndcg@10", "/test/full/hr@10", "/test/full/ndcg@10"},
    4};
const TaskColumns kRelevance = {{"RMSE", "validation RMSE"}, {"/test/rmse", "/valid/rmse"}, 3};
const TaskColumns kCtr = {
    {"AUC", "log loss", "validation AUC"}, {"/test/auc", "/test/logloss", "/valid/auc"}, 5};

const TaskColumns& columns_of(const Json& result) {
  const Json& test = result.at("test");
  return test.contains("rmse") ? kRelevance : test.contains("auc") ? kCtr : kRanking;
}

/// "20", or "20 to 80" of runs that were not all trained as long.
std::string epochs_of(const std::vector<Json>& runs) {
  int least = config_of(runs.front()).train.epochs, most = least;
  for (const Json& run : runs) {
    const int epochs = config_of(run).train.epochs;
    least = std::min(least, epochs), most = std::max(most, epochs);
  }
  return least == most ? std::to_string(least) : fmt::format("{} to {}", least, most);
}

TableRow make_row(const std::vector<Json>& runs, const TaskColumns& columns) {
  const Config config = config_of(runs.front());
  const Json& size = runs.front().at("size");
  TableRow row = {runs.front().at("data").at("name").get<std::string>(), model_label(config),
                  scheme_label(config.embedding), epochs_of(runs), std::to_string(runs.size())};
  for (const char* pointer : columns.pointers)
    row.push_back(with_interval(collect(runs, pointer), columns.digits));
  row.push_back(fmt::format("{:.2f}%", size.at("percent_of_full").get<double>()));
  row.push_back(fmt::format("{:.0f}", size.at("payload_bits").get<double>() / 8192.0));
  row.push_back(fmt::format("{:.0f}", size.at("file_bytes").get<double>() / 1024.0));
  row.push_back(fmt::format("{:.1f}", mean_interval(collect(runs, "/seconds/train")).mean));
  return row;
}

using Groups = std::vector<std::pair<std::string, std::vector<Json>>>;

std::string task_table(const Groups& groups, const TaskColumns& columns, bool markdown) {
  TableRow header = {"data", "model", "embedding", "epochs", "seeds"};
  header.insert(header.end(), columns.header.begin(), columns.header.end());
  for (const char* name : {"size", "tables (KiB)", "file (KiB)", "train (s)"})
    header.push_back(name);
  std::vector<TableRow> rows;
  for (const auto& [key, runs] : groups) rows.push_back(make_row(runs, columns));
  const std::vector<Align> alignments = {Align::kLeft, Align::kLeft, Align::kLeft};
  return markdown ? format_markdown_table(header, rows, alignments)
                  : format_table(header, rows, alignments);
}

}  // namespace

MeanInterval mean_interval(const std::vector<double>& values) {
  MeanInterval interval;
  for (const double value : values) interval.mean += value / static_cast<double>(values.size());
  if (values.size() < 2) return interval;
  double squares = 0.0;
  for (const double value : values) squares += (value - interval.mean) * (value - interval.mean);
  const double n = static_cast<double>(values.size());
  interval.half_width = student_t(values.size() - 1) * std::sqrt(squares / (n - 1.0) / n);
  return interval;
}

std::vector<Json> read_results(const std::vector<std::string>& paths) {
  std::vector<Json> results;
  for (const std::string& path : paths) {
    std::filesystem::path file = path;
    if (std::filesystem::is_directory(file)) file /= "result.json";
    if (!std::filesystem::exists(file))
      input_error(file.string(), ": cannot be read; name the folder of a finished run");
    Json json = Json::parse(Bytes::read(file).text(), nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("config") || !json.contains("test"))
      input_error(file.string(), ": is not a result.json of `mgqe train`");
    results.push_back(std::move(json));
  }
  return results;
}

std::string report_table(const std::vector<Json>& results, const WhatIsRead& what_is_read,
                         bool markdown) {
  std::map<const TaskColumns*, Groups> tasks;
  for (const Json& result : results) {
    Groups& groups = tasks[&columns_of(result)];
    const std::string key = configuration_of(result, what_is_read);
    const auto found = std::find_if(groups.begin(), groups.end(),
                                    [&](const auto& group) { return group.first == key; });
    if (found == groups.end()) {
      groups.push_back({key, {result}});
      continue;
    }
    const Json seed = result.value("seed", Json());
    for (const Json& other : found->second)
      if (!seed.is_null() && other.value("seed", Json()) == seed)
        input_error("two runs have the same configuration and seed, ", seed.dump(), " (",
                    scheme_label(config_of(result).embedding),
                    "), and would count as two seeds: name one of them");
    found->second.push_back(result);
  }
  std::string text;
  for (const TaskColumns* columns : {&kRanking, &kRelevance, &kCtr}) {
    if (!tasks.contains(columns)) continue;
    if (!text.empty()) text += "\n";
    text += task_table(tasks[columns], *columns, markdown);
  }
  return text;
}

}  // namespace mgqe
