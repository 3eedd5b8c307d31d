// Options that name a model and what goes with it, and what is opened by them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "experiments/cli/cli.hpp"
#include "experiments/serving/served_model.hpp"

namespace mgqe {

/// Lines of a text file, one id each; plain or gzip.
std::vector<std::string> read_id_lines(const std::string& path);

/// --artifact, and on request where histories and titles come from.
class ModelOptions {
 public:
  enum class With { kModel, kHistories };

  ModelOptions(CLI::App& command, With with);

  const std::string& path() const { return path_; }
  /// With titles; without histories.
  std::unique_ptr<ServedModel> open() const;
  bool histories_given() const { return !histories_.empty() || !data_given().empty(); }
  /// Of --histories, or of the data set: as recorded, or as --data says. `until`: of the data set.
  void add_histories(ServedModel& model, Until until) const;
  nlohmann::json data_given() const;

 private:
  CLI::App* command_;
  std::string path_, histories_, titles_;
  std::optional<ConfigOptions> data_;
};

/// --threads of a command; 0: all.
int threads_of(int asked);

/// --device of a command that searches.
void add_device_option(CLI::App& command, std::string& device);

}  // namespace mgqe
