// Claims: bounds on measured ratios, how they are judged, and what they are measured by.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "experiments/report/evidence.hpp"

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
  /// Seeds that were planned; 0: the same for every seed, so one run decides.
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

/// Of several verdicts that all must be kept.
Verdict all_of(const std::vector<Verdict>& verdicts);

using Points = std::vector<const PointRuns*>;

/// The points of a scheme that seeds were planned for, in the order of the grid: the smallest
/// first.
Points planned_points(const Evidence& evidence, const GridTask& task, const std::string& scheme);

/// What a ratio of `over` to `under` rests on: the seeds planned for all of them, the runs that are
/// missing, and what longer training could do to it.
void rest_on(Check& check, const Evidence& evidence, const Points& over, const Points& under,
             bool higher_is_better);

/// Of the seeds 1 to `seeds`.
BySeed first(BySeed values, size_t seeds);

/// over / under, by the seeds that were planned for both, with what it rests on: runs that are
/// missing or cut short. Nothing where no seeds were planned.
std::optional<Check> planned_ratio(const Evidence& evidence, const Measure& measure,
                                   const PointRuns* over, const PointRuns* under);

/// A scheme's (size, value) pairs, for one seed; nothing where the seed lacks one of the points.
std::optional<std::vector<std::pair<double, double>>> curve_of(const Points& points, uint64_t seed,
                                                               const std::string& pointer);

/// Percent of the full table.
struct SizeRange {
  double least = 0.0, most = std::numeric_limits<double>::infinity();
};
/// By seed the geometric mean, over the sizes of `ours` in the range, of its value over that of the
/// rival there; nothing of a seed without such a size.
BySeed over_curve(const Points& ours, const Points& rival, size_t seeds, const std::string& pointer,
                  SizeRange range = {});

/// By seed the training loss of one point over that of another, in the last epoch of the latter's
/// first length: what every run has, however long some were made.
BySeed loss_ratios(const PointRuns& ours, const PointRuns& full);

/// "gmf/full-d8 seeds 6–10, gmf/mgqe-D32 seed 7".
std::string names_of(const std::vector<GridRun>& runs);
/// "about 3.5 h": on one thread each, one after the other. Of missing runs it is the least: those
/// that are made longer may turn out to need a further length.
std::string time_of(const std::vector<GridRun>& runs, const RunCosts& costs);

}  // namespace mgqe
