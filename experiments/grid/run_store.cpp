#include "experiments/grid/run_store.hpp"

#include <algorithm>
#include <fstream>

#include <fmt/format.h>
#include <unistd.h>

#include "experiments/grid/run_claims.hpp"
#include "experiments/grid/run_key.hpp"
#include "host/base/check.hpp"
#include "host/base/numerics.hpp"
#include "host/config/paired_fields.hpp"
#include "host/io/atomic_file.hpp"

namespace mgqe {

namespace fs = std::filesystem;

namespace {

constexpr int kDigits = 6;  // of stored figures: more than any seed agrees to

RunRecord rounded(const RunRecord& json) {
  if (json.is_number_float())
    return nlohmann::json::parse(fmt::format("{:.{}g}", json.get<double>(), kDigits));
  RunRecord result = json;
  if (json.is_structured())
    for (auto& part : result) part = rounded(part);
  return result;
}

bool same(const Config& a, const Config& b) { return same_fields(canonical(a), canonical(b)); }

std::string command_of(const Config& config) {
  std::string line = "build/release/mgqe train";
  for (const std::string& word : run_flags(config)) line += " " + word;
  return line + " --out runs/" + run_name(config);
}

std::string name_with_data(const std::string& name, const std::string& data) {
  return data.empty() ? name : name + "-" + data;
}

/// One line a field: compact, and yet a change is seen in a diff.
std::string text_of(const RunRecord& record) {
  std::string text;
  for (const auto& [name, value] : record.items())
    text += fmt::format("{}\n\"{}\": {}", text.empty() ? "{" : ",", name, value.dump());
  return text + "\n}\n";
}

}  // namespace

Config recorded_config(const RunRecord& record) {
  Config config;
  update_from_json(config, nlohmann::json(record.at("config")), "config");
  return canonical(config);
}

std::string recorded_data(const RunRecord& record) {
  return record.contains("data") ? record.at("data").value("fingerprint", "") : "";
}

bool is_run(const RunRecord& json) {
  return json.is_object() && json.contains("test") && json.contains("config") &&
         json.contains("numerics_version");
}

std::string recorded_name(const RunRecord& record) {
  const std::string name = name_with_data(run_name(recorded_config(record)), recorded_data(record));
  const int version = record.at("numerics_version").get<int>();
  return version == kNumericsVersion ? name : fmt::format("{}-numerics{}", name, version);
}

RunRecord make_record(const RunRecord& result, const Config& config) {
  const int version = result.value("numerics_version", 0);
  if (version != kNumericsVersion)
    throw Error(fmt::format("mgqe computes by numerics version {}, this program by {}: build both",
                            version, kNumericsVersion));
  if (!same(recorded_config(result), config))
    throw Error("mgqe trained another config than it was asked to: build it and this program anew");
  RunRecord record = {{"command", command_of(config)},
                      {"commit", result.at("commit")},
                      {"numerics_version", version},
                      {"device", result.at("device")},
                      {"device_description", result.at("device_description")},
                      {"seed", config.run.seed},
                      {"config", to_json(canonical(config))},
                      {"data", rounded(result.at("data"))},
                      {"selection", result.at("selection")},
                      {"best_epoch", result.at("best_epoch")},
                      {"epochs", result.at("epochs")},
                      {"valid", rounded(result.at("valid"))},
                      {"test", rounded(result.at("test"))},
                      {"size", rounded(result.at("size"))},
                      {"train_loss", rounded(result.at("train_loss"))},
                      {"seconds", rounded(result.at("seconds"))}};
  record["size"].erase("breakdown");
  if (result.contains("quantizer") && !result.at("quantizer").empty())
    record["quantizer"] = rounded(result.at("quantizer"));
  if (result.contains("user_hits")) record["user_hits"] = rounded(result.at("user_hits"));
  for (const char* place : {"out", "device"}) record["config"]["run"].erase(place);
  return record;
}

fs::path RunStore::path_of(const Config& config, const std::string& data) const {
  return folder_ / (name_with_data(run_name(config), data) + ".json");
}

std::optional<fs::path> RunStore::loose_file(const Config& config, const std::string& data) const {
  if (!data.empty() && fs::exists(path_of(config, data))) return path_of(config, data);
  // Files of before the data was a part of the name, and those of any data where any will do.
  for (const std::string& name : {run_name(config), former_run_name(config)}) {
    if (fs::exists(folder_ / (name + ".json"))) return folder_ / (name + ".json");
    std::error_code missing;
    if (data.empty())
      for (const auto& entry : fs::directory_iterator(folder_, missing))
        if (entry.path().filename().string().starts_with(name + "-") &&
            entry.path().extension() == ".json")
          return entry.path();
  }
  return std::nullopt;
}

bool RunStore::holds(const Config& config, const std::string& data) const {
  return find(config, data).has_value();
}

std::optional<RunRecord> RunStore::find(const Config& config, const std::string& data) const {
  const auto in_collection = [&]() -> std::optional<RunRecord> {
    const RunRecord* collected = collected_.find(run_name(config), data);
    return collected == nullptr ? std::nullopt : std::optional(*collected);
  };
  const std::optional<fs::path> path = loose_file(config, data);
  if (!path) return in_collection();
  std::ifstream stream(*path);
  if (!stream) return in_collection();  // collected since
  const auto refuse = [&](const std::string& what) {
    input_error(path->string(), ": ", what, "; remove the file, and it is run again");
  };
  const RunRecord record = RunRecord::parse(stream, nullptr, /*allow_exceptions=*/false);
  if (!is_run(record)) refuse("is not a stored run");
  if (record.value("numerics_version", 0) != kNumericsVersion)
    refuse("is of another numerics version than its name");
  if (!same(recorded_config(record), config)) refuse("holds another config than its name says");
  const std::string saw = recorded_data(record);
  if (*path == path_of(config, data) && !data.empty() && saw != data)
    refuse("saw other data than its name says");
  if (!data.empty() && saw != data) return in_collection();  // named by its config alone
  return record;
}

std::vector<RunRecord> RunStore::all(size_t* others) const {
  std::map<std::string, RunRecord> runs = collected_.all();
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(folder_, missing)) {
    const fs::path& path = entry.path();
    if (path.extension() != ".json") continue;
    std::ifstream stream(path);
    const RunRecord record = RunRecord::parse(stream, nullptr, /*allow_exceptions=*/false);
    if (!is_run(record)) input_error(path.string(), ": is not a stored run; remove the file");
    const auto [collected, first] = runs.try_emplace(recorded_name(record), record);
    if (!first && !same_figures(collected->second, record))
      input_error(path.string(), ": has other figures than the same run in a .jsonl file of ",
                  folder_.string(), "; find out why, and remove one of them");
  }
  std::vector<RunRecord> records;
  for (auto& [name, record] : runs) {
    if (record.value("numerics_version", 0) == kNumericsVersion)
      records.push_back(std::move(record));
    else
      ++*others;
  }
  return records;
}

void RunStore::put(const Config& config, const RunRecord& record, const fs::path& aside) const {
  const fs::path path = path_of(config, recorded_data(record)), draft = aside / "record.json";
  write_file_atomically(draft, text_of(record));
  std::error_code error;
  fs::rename(draft, path, error);
  if (error) input_error(path.string(), ": cannot be written: ", error.message());
}

fs::path RunStore::make_work_folder(const Config& config) const {
  std::string machine = this_process().machine;
  for (char& c : machine)
    if (c == '/') c = '+';
  const fs::path path =
      folder_ / ".work" / fmt::format("{}@{}@{}", run_key(config), machine, getpid());
  std::error_code ignored;
  fs::remove_all(path, ignored);
  ensure_writable_directory(path);
  return path;
}

void RunStore::sweep() const {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder_ / ".work", ignored)) {
    const std::string name = entry.path().filename().string();
    const size_t first = name.find('@'), last = name.rfind('@');
    if (first == last) continue;
    ProcessName process{name.substr(first + 1, last - first - 1), std::atoi(&name[last + 1])};
    for (char& c : process.machine)
      if (c == '+') c = '/';
    if (has_ended(process)) fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace mgqe
