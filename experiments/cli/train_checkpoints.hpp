// The options of `mgqe train` for checkpoints, and what is said of a run that was interrupted.
#pragma once

#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "host/train/checkpointer.hpp"

namespace mgqe {

class CheckpointFlags {
 public:
  explicit CheckpointFlags(CLI::App& train);

  /// Validated.
  const CheckpointOptions& options() const {
    validate(options_);
    return options_;
  }

 private:
  CheckpointOptions options_;
};

/// Runs `body`; where it was interrupted, says how to go on (one rank for all), and ends the
/// program as one that was.
void run_until_interrupted(const std::string& command, bool speaks,
                           const std::function<void()>& body);

}  // namespace mgqe
