// The claims of the paper, one by one, each as bounds on measured ratios.
#pragma once

#include <string>
#include <vector>

#include "experiments/report/evidence.hpp"

namespace mgqe {

enum class Verdict { kSupported, kNotSupported, kNotEnoughRuns };
std::string to_text(Verdict verdict);

/// One measured number and the bound that it should keep.
struct Check {
  std::string what;  // "GMF, full-ranking HR@10: mgqe D=32 / full d=64"
  std::optional<Estimate> measured;
  double bound;
  bool at_least;       // else at most
  bool exact = false;  // the same for every seed: one run decides
  int digits = 3;

  /// Supported where the whole 95% interval keeps the bound, not supported where the whole interval
  /// breaks it; in between, and below kFewestSeeds, there are not enough runs.
  Verdict verdict() const;

  static constexpr size_t kFewestSeeds = 3;
};

struct Claim {
  std::string name;  // "MGQE is on par with the full table, or better"
  std::string rule;  // what is checked, for people
  std::vector<Check> checks;

  /// Not supported where one check is not, supported where all are.
  Verdict verdict() const;
};

std::vector<Claim> paper_claims(const Evidence& evidence);

/// How far below the full table "on par" may be: ratios of quality, and of RMSE.
inline constexpr double kOnParSampled = 0.99;
inline constexpr double kOnParFull = 0.97;
inline constexpr double kOnParError = 1.01;

}  // namespace mgqe
