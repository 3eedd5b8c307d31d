// What bench_serve times: look-ups and top-k of a served table, and what one has instead.
#pragma once

#include <vector>

#include <nlohmann/json.hpp>

#include "experiments/bench/rounds.hpp"
#include "experiments/bench/served_table.hpp"

namespace mgqe::bench {

struct ServeOptions {
  std::vector<int64_t> users = {1, 64, 1024};  // asked about in one call
  int64_t k = 10;
  int threads = 1;
  int rounds = 9;
  int64_t queries = 12;               // of one user a round
  int64_t memory = int64_t{4} << 30;  // that decoded rows may take
  double seconds = 0.4;               // of one way in one round, about
  uint64_t seed = 1;
  bool cpu_clock = true;       // else the wall's
  std::string device = "cpu";  // another is one way more
};

/// Random vectors (count, dim).
std::vector<float> random_queries(int64_t count, int64_t dim, uint64_t seed);

/// Records: op, variant, shape, unit, measured and so on; see op_record in serve_cases.cpp. A way
/// whose result is not the others' to the bit is an error: nothing is timed then.
std::vector<nlohmann::ordered_json> measure_serving(const ServedTable& table,
                                                    const ServeOptions& options);

/// Writes the table to a file in `folder`, opens it, and removes it.
nlohmann::ordered_json measure_open(const ServedTable& table, const std::filesystem::path& folder,
                                    const ServeOptions& options);

/// A Markdown table of them, or one for a terminal.
std::string serving_table(const std::vector<nlohmann::ordered_json>& records, bool markdown);

}  // namespace mgqe::bench
