#include "experiments/grid/collected_runs.hpp"

#include <algorithm>
#include <fstream>

#include <fmt/format.h>

#include "experiments/grid/run_claims.hpp"
#include "experiments/grid/run_store.hpp"
#include "host/base/check.hpp"
#include "host/base/numerics.hpp"
#include "host/io/atomic_file.hpp"

namespace mgqe {

namespace fs = std::filesystem;

namespace {

std::vector<fs::path> files_of(const fs::path& folder, const char* extension) {
  std::vector<fs::path> paths;
  std::error_code missing;
  for (const auto& entry : fs::directory_iterator(folder, missing))
    if (entry.path().extension() == extension) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

/// "ml-1m-gmf-mgqe-seed1-0123..." -> "ml-1m-gmf.jsonl": all before the scheme.
fs::path file_of(const RunRecord& record, const std::string& name) {
  const auto& config = record.at("config");
  const std::string scheme = config.at("embedding").at("scheme").get<std::string>();
  return name.substr(0, name.find("-" + scheme + "-seed")) + ".jsonl";
}

}  // namespace

bool same_figures(const RunRecord& a, const RunRecord& b) {
  const char* const figures[] = {"seed", "best_epoch", "epochs", "valid", "test", "train_loss"};
  return std::all_of(std::begin(figures), std::end(figures), [&](const char* key) {
    return a.value(key, RunRecord()) == b.value(key, RunRecord());
  });
}

std::string line_of(const RunRecord& record) { return record.dump() + "\n"; }

const RunRecord* CollectedRuns::find(const std::string& name, const std::string& data) const {
  refresh();
  // Names go on with the data's fingerprint, and with "-numericsN" where the version is another.
  for (auto run = runs_.lower_bound(name); run != runs_.end() && run->first.starts_with(name);
       ++run)
    if (run->second.at("numerics_version") == kNumericsVersion &&
        (data.empty() || recorded_data(run->second) == data))
      return &run->second;
  return nullptr;
}

const std::map<std::string, RunRecord>& CollectedRuns::all() const {
  refresh();
  return runs_;
}

void CollectedRuns::refresh() const {
  for (const fs::path& path : files_of(folder_, ".jsonl")) {
    const Seen now{fs::last_write_time(path), fs::file_size(path)};
    if (const auto seen = seen_.find(path); seen != seen_.end() && seen->second == now) continue;
    read(path);
    seen_[path] = now;
  }
}

void CollectedRuns::read(const fs::path& path) const {
  // What an earlier reading of the file found is replaced by this one.
  std::erase_if(lines_, [&](const auto& line) { return line.second.path == path; });
  std::ifstream stream(path);
  size_t number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    RunRecord record = RunRecord::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!is_run(record))
      input_error(path.string(), ":", number, ": is not a stored run; remove the line");
    std::string name = recorded_name(record);
    const auto [other, first] = lines_.try_emplace(name, Line{path, number});
    if (!first && !same_figures(runs_.at(name), record))
      input_error(path.string(), ":", number, ": the same run as ", other->second.path.string(),
                  ":", other->second.number,
                  ", with other figures; find out why, and remove one of the lines");
    runs_.insert_or_assign(std::move(name), std::move(record));
  }
}

size_t collect(const fs::path& folder) {
  RunClaims claims(folder / ".claims");
  if (!claims.take("collect"))
    input_error(folder.string(), ": another process is joining its runs; wait for it");
  const CollectedRuns collected(folder);
  std::map<std::string, RunRecord> runs = collected.all();
  std::vector<fs::path> loose = files_of(folder, ".json");
  std::map<fs::path, std::map<std::string, const RunRecord*>> files;
  for (const fs::path& path : loose) {
    std::ifstream stream(path);
    const RunRecord record = RunRecord::parse(stream, nullptr, /*allow_exceptions=*/false);
    if (!is_run(record)) input_error(path.string(), ": is not a stored run; remove the file");
    const auto [place, added] = runs.emplace(recorded_name(record), record);
    if (!added && !same_figures(place->second, record))
      input_error(path.string(), ": has other figures than the run of the same name in ",
                  file_of(record, place->first).string(), "; find out why, and remove one of them");
  }
  for (const auto& [name, record] : runs) files[file_of(record, name)][name] = &record;
  for (const auto& [file, lines] : files) {
    std::string text;
    for (const auto& [name, record] : lines) text += line_of(*record);
    std::ifstream stream(folder / file, std::ios::binary);
    const std::string before{std::istreambuf_iterator<char>(stream), {}};
    if (text != before) write_file_atomically(folder / file, text);
  }
  for (const fs::path& path : loose) fs::remove(path);
  return loose.size();
}

}  // namespace mgqe
