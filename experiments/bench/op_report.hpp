// What bench_ops says about an op: a JSON record, and a row of a table.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "experiments/bench/ceilings.hpp"
#include "experiments/bench/op_case.hpp"
#include "experiments/bench/sampler.hpp"

namespace mgqe::bench {

/// An op as measured.
struct OpResult {
  std::string op;
  nlohmann::ordered_json shape;
  Cost cost;
  Timing timing;
  struct Other {
    std::string name;
    Timing timing;
  };
  std::vector<Other> alternatives;
};

/// Against the ceilings: limit, share = limit / measured; against the fastest alternative: ratio =
/// baseline / measured. `run` is merged into the record: command, commit, device, seed...
nlohmann::ordered_json op_record(const OpResult& result, const Ceilings& ceilings,
                                 const nlohmann::ordered_json& run);

/// A table of records, aligned or as Markdown.
std::string op_table(const std::vector<nlohmann::ordered_json>& records, bool markdown);

/// "FMA 116.8 GFLOP/s (58.5 on one worker), copy 24.1 GB/s, fill 15.3 GB/s", and a line of searches
/// where any was measured.
std::string ceilings_line(const Ceilings& ceilings);

}  // namespace mgqe::bench
