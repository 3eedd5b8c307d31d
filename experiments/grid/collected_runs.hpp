// CollectedRuns: the finished runs of a store that have been joined, one JSON-lines file for each
// data set and backbone ("ml-1m-gmf.jsonl"), a line a run. They are what is kept for good; runs
// just made lie beside them, a file each, until collect() takes them in.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace mgqe {

using RunRecord = nlohmann::ordered_json;

class CollectedRuns {
 public:
  explicit CollectedRuns(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// By run_name and the fingerprint of the data, or any data where that is empty; InputError with
  /// file and line where a line is no stored run, or is a run that stands elsewhere with other
  /// figures. Files that another process has changed are read anew.
  const RunRecord* find(const std::string& name, const std::string& data = "") const;
  /// By recorded_name, those of other numerics versions too.
  const std::map<std::string, RunRecord>& all() const;

 private:
  struct Seen {
    std::filesystem::file_time_type written;
    uintmax_t bytes;
    bool operator==(const Seen&) const = default;
  };
  struct Line {
    std::filesystem::path path;
    size_t number;
  };
  void refresh() const;
  void read(const std::filesystem::path& path) const;

  std::filesystem::path folder_;
  mutable std::map<std::filesystem::path, Seen> seen_;
  mutable std::map<std::string, RunRecord> runs_;
  mutable std::map<std::string, Line> lines_;  // where each stands
};

/// Whether two records of one run agree in what they measured, whenever and wherever each was made.
bool same_figures(const RunRecord& a, const RunRecord& b);

/// One record on one line.
std::string line_of(const RunRecord& record);

/// Joins the runs that lie in `folder` as files of their own to its JSON-lines files, and removes
/// them there. Returns how many. Idempotent: a run that has been joined already is dropped where
/// its figures are the same; InputError, with nothing changed, where they differ. One process at a
/// time.
size_t collect(const std::filesystem::path& folder);

}  // namespace mgqe
