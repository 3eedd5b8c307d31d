// metrics.jsonl: one JSON object a line, one line an epoch.
#pragma once

#include <filesystem>

#include <nlohmann/json_fwd.hpp>

#include "host/io/descriptor.hpp"

namespace mgqe {

/// Each line is on disk when append() returns, so that a run can be followed and a killed one read.
class MetricsLog {
 public:
  /// Keeps the lines of epochs up to `epochs`, those of a run that goes on from there, and drops
  /// the rest; InputError when the file cannot be written.
  explicit MetricsLog(const std::filesystem::path& path, int epochs = 0);

  /// Appends one line, keys in the order given; numbers that are not finite become null.
  void append(const nlohmann::ordered_json& line);

 private:
  std::filesystem::path path_;
  Descriptor file_;
};

}  // namespace mgqe
