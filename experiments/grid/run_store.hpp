// RunStore: finished runs, a JSON file each, found by what decides their figures. The folder may be
// shared by several processes and machines.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "experiments/grid/run_claims.hpp"
#include "host/config/config.hpp"

namespace mgqe {

using RunRecord = nlohmann::ordered_json;

/// What a store keeps of result.json: command, commit, device, versions, config, the figures of
/// test and validation, sizes, loss by epoch and seconds. `config` is what was asked for. Error
/// where the result is of other numerics or of another config.
RunRecord make_record(const RunRecord& result, const Config& config);

/// The config of a stored run, its seed in it; fields that came later have their defaults.
Config recorded_config(const RunRecord& record);

class RunStore {
 public:
  /// A folder that is missing is an empty store; work and claims make it.
  explicit RunStore(std::filesystem::path folder) : folder_(std::move(folder)) {}

  /// The run of this config and seed; nothing where there is none. A file that is not what its name
  /// says (other numerics, another config, not JSON) is an InputError that tells to remove it.
  std::optional<RunRecord> find(const Config& config) const;
  bool holds(const Config& config) const { return std::filesystem::exists(path_of(config)); }
  /// Every run of this numerics version, by file name; adds to `others` the number of those of
  /// other versions.
  std::vector<RunRecord> all(size_t* others) const;
  /// Whole or not at all. `aside`: a folder of this process alone, on the same file system.
  void put(const Config& config, const RunRecord& record, const std::filesystem::path& aside) const;

  std::filesystem::path path_of(const Config& config) const;
  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path claims_folder() const { return folder_ / ".claims"; }
  /// Where runs of this process work; a folder of their own each, made anew.
  std::filesystem::path make_work_folder(const Config& config) const;
  /// Removes the work folders that ended processes of this machine have left.
  void sweep() const;

 private:
  std::filesystem::path folder_;
};

}  // namespace mgqe
