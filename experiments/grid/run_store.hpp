// RunStore: finished runs, found by what decides their figures, that is config, seed and data:
// those just made a JSON file each, those collected a line each (collected_runs.hpp). The folder
// may be shared by several processes and machines.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "experiments/grid/collected_runs.hpp"
#include "host/config/config.hpp"

namespace mgqe {

/// What a store keeps of result.json: command, commit, device, versions, config, the figures of
/// test and validation, sizes, use of the codebooks, loss by epoch, seconds and each user's hit.
/// `config` is what was asked for. Error where the result is of other numerics or of another
/// config.
RunRecord make_record(const RunRecord& result, const Config& config);

/// Whether JSON is what a store keeps: figures of a config by a numerics version.
bool is_run(const RunRecord& json);
/// The config of a stored run, its seed in it; fields that came later have their defaults.
Config recorded_config(const RunRecord& record);
/// The fingerprint of the data that a stored run saw; empty where it does not say.
std::string recorded_data(const RunRecord& record);
/// What a stored run is, as a name: its config (run_name) and the fingerprint of its data; that of
/// another numerics version has the version in it.
std::string recorded_name(const RunRecord& record);

class RunStore {
 public:
  /// A folder that is missing is an empty store; work and claims make it.
  explicit RunStore(const std::filesystem::path& folder) : folder_(folder), collected_(folder) {}

  /// The run of this config and seed on the data of this fingerprint, or, where that is empty, on
  /// whichever data it was made; nothing where there is none. A file that is not what its name says
  /// (other numerics, config or data, not JSON) is an InputError that tells to remove it.
  std::optional<RunRecord> find(const Config& config, const std::string& data = "") const;
  bool holds(const Config& config, const std::string& data = "") const;
  /// Every run of this numerics version, by name; adds to `others` the number of those of other
  /// versions.
  std::vector<RunRecord> all(size_t* others) const;
  /// Whole or not at all. `aside`: a folder of this process alone, on the same file system.
  void put(const Config& config, const RunRecord& record, const std::filesystem::path& aside) const;

  /// Where put() leaves a run of this config that saw this data.
  std::filesystem::path path_of(const Config& config, const std::string& data) const;
  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path claims_folder() const { return folder_ / ".claims"; }
  /// Where runs of this process work; a folder of their own each, made anew.
  std::filesystem::path make_work_folder(const Config& config) const;
  /// Removes the work folders that ended processes of this machine have left.
  void sweep() const;

 private:
  std::optional<std::filesystem::path> loose_file(const Config& config,
                                                  const std::string& data) const;

  std::filesystem::path folder_;
  CollectedRuns collected_;
};

}  // namespace mgqe
