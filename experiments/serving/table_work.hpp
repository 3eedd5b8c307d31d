// What the commands that write tables share: a bar for each piece of long work, which ends at a
// signal with nothing written, and words for what rows lost.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "host/base/interruption.hpp"
#include "host/convert/float_table.hpp"
#include "host/convert/row_encoder.hpp"
#include "host/engine/backend.hpp"
#include "host/io/console/progress.hpp"

namespace mgqe {

class TableWork {
 public:
  /// Throws Interrupted when a signal has come.
  WorkProgress progress();
  void clear() { bar_.reset(); }
  /// Since the last call, or since this was made.
  double lap();

 private:
  using Clock = std::chrono::steady_clock;

  Interruption interruption_;
  std::string task_;
  std::optional<Progress> bar_;
  Clock::time_point last_ = Clock::now();
};

/// --device and --threads.
class DeviceOptions {
 public:
  explicit DeviceOptions(CLI::App& command);
  /// Sets the number of threads of this process.
  std::unique_ptr<Backend> make() const;

 private:
  std::string device_ = "auto";
  int threads_ = 0;
};

/// "0.1234": a relative mean squared error.
std::string error_text(double error);

}  // namespace mgqe
