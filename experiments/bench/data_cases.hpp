// What bench_data times: text into what training reads, and a prepared cache into batches.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace mgqe::bench {

struct DataSizes {
  int64_t text_bytes = int64_t{64} << 20;  // of each format, about
  uint64_t seed = 1;
};

/// One way in which data gets in.
struct DataCase {
  std::string what;           // "prepare", "interactions", "cache"
  std::string how;            // "Criteo's 40 columns, tabs"
  double source_bytes = 0.0;  // read of the file
  double moved_bytes = 0.0;   // read, and written where it is used; 0: no limit is known
  int64_t rows = 0;
  /// Before each call, untimed; may be empty.
  std::function<void()> before;
  std::function<void()> run;
};

/// Draws texts, writes them to `folder`, and prepares the cache that the last of them read.
std::vector<DataCase> data_cases(const std::filesystem::path& folder, const DataSizes& sizes);

}  // namespace mgqe::bench
