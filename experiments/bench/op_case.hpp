// One entry of bench_ops: an op at one shape, what it costs, and what a user has instead.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "experiments/bench/costs.hpp"
#include "host/engine/backend.hpp"

namespace mgqe::bench {

/// The same result by other means in this process.
struct Alternative {
  std::string name;
  std::function<void()> run;
};

/// An op with its inputs in place. `run` only enqueues: whoever times it synchronizes.
struct Workload {
  std::function<void()> run;
  Cost cost;  // of one run
  std::vector<Alternative> alternatives;
};

struct OpCase {
  std::string op;
  nlohmann::ordered_json shape;  // what baselines/compare_ops.py joins by, with op
  std::function<Workload(Backend& backend, uint64_t seed)> prepare;

  /// "assign rows=65536 d=64 D=8 K=256": what --only is matched against.
  std::string label() const;
};

/// "rows=65536 d=64".
std::string shape_text(const nlohmann::ordered_json& shape);

/// Problem sizes; dimensions and codebooks are the cases' own.
struct Sizes {
  int64_t batch = 1 << 16;       // B
  int64_t table_rows = 1 << 20;  // n
  int64_t sequences = 128;       // of up to 200 tokens
  int64_t users = 1000;          // whose catalogue is ranked
};

/// d of every case.
inline constexpr int64_t kDim = 64;

void add_assign_cases(const Sizes& sizes, std::vector<OpCase>& cases);
void add_table_cases(const Sizes& sizes, std::vector<OpCase>& cases);
void add_layer_cases(const Sizes& sizes, std::vector<OpCase>& cases);
void add_feature_cases(const Sizes& sizes, std::vector<OpCase>& cases);

/// All of them, in the order of the table.
std::vector<OpCase> op_cases(const Sizes& sizes);

}  // namespace mgqe::bench
