// The claims of the paper, one by one, each as bounds on measured ratios.
#pragma once

#include <string>
#include <vector>

#include "experiments/report/evidence.hpp"
#include "experiments/report/step_pairs.hpp"

namespace mgqe {

enum class Verdict {
  kSupported,
  kNotSupported,
  kUndecided,      // every seed that was planned is there, and the interval holds the bound
  kCutShort,       // longer training could change it
  kNotEnoughRuns,  // seeds that were planned are missing
  kNotJudged,      // what was trained is not what the claim is about
};
std::string to_text(Verdict verdict);

/// One measured number and the bound that it should keep.
struct Check {
  std::string what;  // "GMF, full-ranking HR@10: mgqe D=32 / full d=64"
  std::optional<Estimate> measured{};
  double bound = 0.0;
  bool at_least = true;  // else at most
  /// Seeds set in advance; 0: the same for every seed, so one run decides.
  size_t planned = 0;
  int digits = 3;
  /// Runs were cut short (PointRuns::is_cut_short) whose further training could raise, or lower,
  /// what is measured.
  bool may_rise = false, may_fall = false;
  std::vector<std::string> cut_short{};  // their points
  std::vector<GridRun> missing{};        // runs that planned seeds lack
  std::optional<Verdict> decided{};      // by what is no interval
  std::string shown{};                   // instead of `measured`

  /// Supported where the whole interval keeps the bound, not supported where the whole interval
  /// breaks it, once all planned seeds are there; the interval is that of 95%, or shared_among
  /// `bounds`. Cut short where longer training could bring it back.
  Verdict verdict(size_t bounds = 1) const;
  /// The same of the seeds there are, for people to see which way it goes.
  Verdict so_far(size_t bounds = 1) const;
};

struct Claim {
  std::string name;  // "MGQE is on par with the full table, or better"
  std::string rule;  // what is checked, for people
  std::vector<Check> checks;
  std::string note{};  // what else there is to know; a sentence

  /// Supported where all checks are: no correction is due where all must hold. Not supported where
  /// one is not, by its interval shared among the checks. Else what stands in the way.
  Verdict verdict() const;
  /// The runs that its checks lack, each once.
  std::vector<GridRun> missing() const;
};

/// steps: training steps timed in turn, for the claim about speed.
std::vector<Claim> paper_claims(const Evidence& evidence, const std::vector<StepPair>& steps);

/// over / under, by the seeds that were planned for both, with what it rests on: runs that are
/// missing or cut short. Nothing where no seeds were planned.
std::optional<Check> planned_ratio(const Evidence& evidence, const Measure& measure,
                                   const PointRuns* over, const PointRuns* under);

/// "gmf/full-d8 seeds 6–10, gmf/mgqe-D32 seed 7".
std::string names_of(const std::vector<GridRun>& runs);
/// "about 3.5 h": on one thread each, one after the other.
std::string time_of(const std::vector<GridRun>& runs, const RunCosts& costs);

/// How far below the full table "on par" may be: ratios of quality, and of RMSE.
inline constexpr double kOnParSampled = 0.99;
inline constexpr double kOnParFull = 0.97;
inline constexpr double kOnParError = 1.01;

}  // namespace mgqe
