// Training steps of mgqe and of dpq_vq timed in turn in one process: what a machine that others
// share does to one it does to the other.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "experiments/report/statistics.hpp"

namespace mgqe {

struct StepPair {
  std::string data, model;
  std::string device;  // for people
  BySeed ratios;       // seconds a step over the other's, by round
};

/// Rounds of a comparison: set in advance, as seeds are.
inline constexpr size_t kStepRounds = 10;

/// The records of `bench_train --against`; none where the file is missing. InputError that names it
/// where it is something else.
std::vector<StepPair> read_step_pairs(const std::filesystem::path& file);

}  // namespace mgqe
