#include "experiments/report/paper_claims.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "experiments/grid/run_key.hpp"
#include "experiments/report/codebook_use.hpp"

namespace mgqe {
namespace {

constexpr double kLossGap = 1.03;        // of mgqe's loss over full's
constexpr double kHalfFull = 0.985;      // of full's HR@10, by 16-bit centroids
constexpr double kHalfError = 1.005;     // of its RMSE
constexpr double kHalfLoss = 1.02;       // of its training loss
constexpr double kWholeFile = 0.99;      // of full's HR@10, by a file of a fifth
constexpr double kSpeed = 1.10;          // of mgqe's seconds a step over dpq_vq's
constexpr double kSizePercent = 20;      // of the full table
constexpr double kFewerBits = 0.99;      // of dpq_vq's
constexpr double kNotWorse = 0.98;       // at equal size, of HR@10
constexpr double kNotWorseError = 1.02;  // and of the RMSE

std::string title_of(const GridTask& task) { return task.title; }

/// The tasks that figure 2 has every size of.
std::vector<GridTask> main_tasks(const Evidence& evidence) {
  std::vector<GridTask> tasks;
  for (const GridTask& task : evidence.tasks())
    if (task.every_size) tasks.push_back(task);
  return tasks;
}

double on_par_bound(const Measure& measure) {
  if (!measure.higher_is_better) return kOnParError;
  return measure.pointer == "/test/sampled/hr@10" ? kOnParSampled : kOnParFull;
}

/// over / under by every measure that has a bound.
std::vector<Check> on_par_checks(const Evidence& evidence, const PointRuns* over,
                                 const PointRuns* under) {
  std::vector<Check> checks;
  if (over == nullptr || under == nullptr) return checks;
  for (const Measure& measure : measures(over->point.task)) {
    if (measure.pointer == "/test/full/ndcg@10") continue;
    auto check = planned_ratio(evidence, measure, over, under);
    if (!check) continue;
    check->bound = on_par_bound(measure);
    check->at_least = measure.higher_is_better;
    checks.push_back(std::move(*check));
  }
  return checks;
}

const PointRuns* usual(const Evidence& evidence, const GridTask& task, const std::string& scheme) {
  return evidence.point(task, scheme, usual_value(task, scheme));
}

void append(std::vector<Check>& checks, std::vector<Check> more) {
  for (Check& check : more) checks.push_back(std::move(check));
}

Claim on_par(const Evidence& evidence, const std::string& scheme, const std::string& base,
             const std::string& name) {
  Claim claim{
      name,
      fmt::format("{} over {} at their usual sizes, paired by seed: at least {} of the "
                  "sampled HR@10 and {} of the full-ranking HR@10, at most {} times the RMSE",
                  scheme, base, kOnParSampled, kOnParFull, kOnParError),
      {}};
  for (const GridTask& task : evidence.tasks())
    append(claim.checks,
           on_par_checks(evidence, usual(evidence, task, scheme), usual(evidence, task, base)));
  return claim;
}

Claim on_par_with_dpq(const Evidence& evidence) {
  Claim claim = on_par(evidence, "mgqe", "dpq_vq", "MGQE is on par with DPQ at fewer bits");
  claim.rule += fmt::format("; and at most {} of its bits", kFewerBits);
  for (const GridTask& task : evidence.tasks()) {
    const PointRuns *mgqe = usual(evidence, task, "mgqe"), *dpq = usual(evidence, task, "dpq_vq");
    if (mgqe == nullptr || dpq == nullptr || planned_seeds(mgqe->point) == 0) continue;
    Check check{.what = title_of(task) + ", bits by formula: mgqe / dpq_vq",
                .bound = kFewerBits,
                .at_least = false};
    if (!mgqe->runs.empty() && !dpq->runs.empty())
      check.measured = Estimate{mgqe->percent_of_full() / dpq->percent_of_full(), 0.0, 1};
    else
      for (const PointRuns* point : {mgqe, dpq})
        for (const GridRun& run : evidence.missing(*point, 1)) check.missing.push_back(run);
    claim.checks.push_back(std::move(check));
  }
  return claim;
}

Claim best_at_equal_size(const Evidence& evidence) {
  Claim claim{
      "MGQE is the best at equal size",
      fmt::format(
          "mgqe over each other scheme, at every size that mgqe has and averaged over them "
          "(geometric mean): not worse than by 2%, that is at least {} of the full-ranking HR@10, "
          "at most {} times the RMSE. Between the sizes of the other scheme is interpolated along "
          "log(size); beyond them its nearest stands",
          kNotWorse, kNotWorseError),
      {}};
  for (const GridTask& task : main_tasks(evidence)) {
    const Measure& measure = measures(task).front();
    const Points ours = planned_points(evidence, task, "mgqe");
    for (const char* rival : {"full", "low_rank", "scalar_quantized", "hashed", "dpq_vq"}) {
      const Points theirs = planned_points(evidence, task, rival);
      if (ours.empty() || theirs.empty()) continue;
      Check check{.what = fmt::format("{}, {} over all sizes: mgqe / {}", title_of(task),
                                      measure.name, rival),
                  .bound = measure.higher_is_better ? kNotWorse : kNotWorseError,
                  .at_least = measure.higher_is_better};
      rest_on(check, evidence, ours, theirs, measure.higher_is_better);
      check.measured = estimate(over_curve(ours, theirs, check.planned, measure.pointer));
      claim.checks.push_back(std::move(check));
    }
  }
  return claim;
}

/// Of one bound on one of a task's sizes. One size that keeps its bounds is enough, so that each
/// must keep them by the interval shared among the sizes: chance alone has as many tries. A task
/// breaks only where every small size does, so that one which is truly on par prevents it, and no
/// share is due among sizes: only among the tasks and a size's bounds, of which one breaks it.
Verdict verdict_of_one(const Check& check, size_t sizes, size_t shares) {
  const Verdict alone = check.verdict();
  const bool stands = (alone == Verdict::kSupported && check.verdict(sizes) == alone) ||
                      (alone == Verdict::kNotSupported && check.verdict(shares) == alone);
  const bool decided = alone == Verdict::kSupported || alone == Verdict::kNotSupported;
  return decided && !stands ? Verdict::kUndecided : alone;
}

/// The least size at which mgqe is on par with the full table: judged where quality is, since a
/// size alone is arithmetic.
Check size_at_par(const Evidence& evidence, const GridTask& task, const Points& sizes,
                  size_t tasks) {
  Check check{.what = title_of(task) + ": least size of mgqe on par with full, percent",
              .bound = kSizePercent,
              .at_least = false,
              .planned = planned_seeds(sizes.front()->point),
              .digits = 2};
  std::vector<Verdict> small;  // of sizes that are small enough
  std::string seen;
  size_t seeds = 1u << 20;
  for (const PointRuns* point : sizes) {
    std::vector<Verdict> verdicts;
    std::vector<Check> bounds = on_par_checks(evidence, point, usual(evidence, task, "full"));
    for (Check& one : bounds) {
      verdicts.push_back(verdict_of_one(one, sizes.size(), tasks * bounds.size()));
      seeds = std::min(seeds, one.measured ? one.measured->seeds : 0);
      check.planned = std::min(check.planned, one.planned);
      for (GridRun& run : one.missing) check.missing.push_back(std::move(run));
      for (std::string& name : one.cut_short) check.cut_short.push_back(std::move(name));
    }
    const Verdict verdict = all_of(verdicts);
    if (point->runs.empty() || point->percent_of_full() <= kSizePercent) small.push_back(verdict);
    seen += fmt::format("{}{}: {}", seen.empty() ? "" : ", ", point->point.value,
                        verdict == Verdict::kSupported ? "on par" : to_text(verdict));
    if (verdict != Verdict::kSupported || check.measured) continue;
    check.measured = Estimate{point->percent_of_full(), 0.0, seeds};
  }
  if (!check.measured) {
    check.shown = seen;
    if (seeds > 0 && seeds < 1u << 20) check.measured = Estimate{100.0, 0.0, seeds};
  }
  std::sort(small.begin(), small.end());
  // One small size on par is enough; the claim fails where none can be.
  check.decided = std::find(small.begin(), small.end(), Verdict::kSupported) != small.end()
                      ? Verdict::kSupported
                      : Verdict::kNotSupported;
  if (check.decided == Verdict::kNotSupported) {
    std::erase(small, Verdict::kNotSupported);
    if (!small.empty()) check.decided = all_of(small);
  }
  return check;
}

Claim fifth_of_the_size(const Evidence& evidence) {
  std::vector<std::pair<GridTask, Points>> tasks;
  for (const GridTask& task : evidence.tasks())
    if (const Points sizes = planned_points(evidence, task, "mgqe"); !sizes.empty())
      tasks.emplace_back(task, sizes);
  Claim claim{"MGQE needs about 20% of the size",
              fmt::format("the least of its sizes at which mgqe is on par with the full table, by "
                          "the bounds of that claim, is at most {0}% of it. One size is enough, so "
                          "each of a task's n is on par where its intervals at 1 − 5%/n keep its "
                          "bounds. A task is broken where every size of at most {0}% is, so the "
                          "error is not shared among sizes: each is broken where one of its m "
                          "bounds (ranking 2, relevance 1) is by the interval at 1 − 5%/(k m), for "
                          "k = {1} tasks",
                          kSizePercent, tasks.size()),
              {}};
  for (const auto& [task, sizes] : tasks)
    claim.checks.push_back(size_at_par(evidence, task, sizes, tasks.size()));
  return claim;
}

Claim small_dimension_fails(const Evidence& evidence) {
  Claim claim{
      "A smaller d fails",
      fmt::format("full at the smallest d over full at d falls below what is on par: at most {} of "
                  "the full-ranking HR@10, at least {} times the RMSE",
                  kOnParFull, kOnParError),
      {}};
  for (const GridTask& task : main_tasks(evidence)) {
    const Points sizes = planned_points(evidence, task, "full");
    if (sizes.size() < 2) continue;
    const Measure& measure = measures(task).front();
    auto check = planned_ratio(evidence, measure, sizes.front(), usual(evidence, task, "full"));
    if (!check) continue;
    check->bound = measure.higher_is_better ? kOnParFull : kOnParError;
    check->at_least = !measure.higher_is_better;
    claim.checks.push_back(std::move(*check));
  }
  return claim;
}

Check loss_check(const Evidence& evidence, const PointRuns& ours, const PointRuns& full,
                 double bound) {
  Check check{.what = fmt::format("{}: last training loss, {} / full", title_of(full.point.task),
                                  ours.point.series),
              .bound = bound,
              .at_least = false};
  rest_on(check, evidence, {&ours}, {&full}, true);
  // It is about the epochs that every run has: longer ones are not needed for it.
  check.may_rise = check.may_fall = false;
  check.cut_short.clear();
  std::erase_if(check.missing, [&](const GridRun& run) {
    return run.config.train.epochs > full.config.train.epochs;
  });
  check.measured = estimate(first(loss_ratios(ours, full), check.planned));
  return check;
}

/// Where loss_check looks, for people.
constexpr const char* kLossEpoch =
    "the last epoch that both runs of a seed have, and at most the last of the first length (GMF "
    "and NeuMF 20, SASRec 200; runs of relevance end by patience)";

Claim converges(const Evidence& evidence) {
  Claim claim{"MGQE converges as the full table does",
              fmt::format("training loss of mgqe over full's in {}: at most {}. In later epochs of "
                          "longer runs it may be more, and how far a loss ever rose is told with "
                          "figure 3, and judged by nothing",
                          kLossEpoch, kLossGap),
              {}};
  for (const GridTask& task : evidence.tasks()) {
    const PointRuns *mgqe = usual(evidence, task, "mgqe"), *full = usual(evidence, task, "full");
    if (mgqe == nullptr || full == nullptr) continue;
    claim.checks.push_back(loss_check(evidence, *mgqe, *full, kLossGap));
  }
  return claim;
}

/// Not the paper's: what 16-bit centroids save pays for K = 256 in every tier.
Claim half_centroids(const Evidence& evidence) {
  Claim claim{
      "Ours: 16-bit centroids, K = 256 for every id, MGQE's size",
      fmt::format("mgqe_f16 over full, paired by seed: at least {} of the full-ranking HR@10, at "
                  "most {} times the RMSE, and at most {} times the training loss in {}",
                  kHalfFull, kHalfError, kHalfLoss, kLossEpoch),
      {}};
  for (const GridTask& task : main_tasks(evidence)) {
    const PointRuns* half = evidence.point(task, "mgqe_f16", usual_value(task, "mgqe"));
    const PointRuns* full = usual(evidence, task, "full");
    if (half == nullptr || full == nullptr || planned_seeds(half->point) == 0) continue;
    const Measure& measure = measures(task).front();
    if (auto check = planned_ratio(evidence, measure, half, full)) {
      check->bound = measure.higher_is_better ? kHalfFull : kHalfError;
      check->at_least = measure.higher_is_better;
      claim.checks.push_back(std::move(*check));
    }
    claim.checks.push_back(loss_check(evidence, *half, *full, kHalfLoss));
  }
  return claim;
}

/// Not the paper's: a sequence model whose file takes a fifth with ids and all, as a test of sizes
/// says (stored runs are no measure of it: the format has grown since the first of them).
Claim whole_file(const Evidence& evidence) {
  Claim claim{"Ours: int8 layers, so that a sequence model's whole file takes a fifth",
              fmt::format("mgqe_int8 (tiers of mgqe, 16-bit centroids, int8 layers) over full, "
                          "paired by seed: at least {} of the HR@10, full-ranking and sampled",
                          kWholeFile),
              {}};
  for (const GridTask& task : main_tasks(evidence)) {
    const PointRuns* small = evidence.point(task, "mgqe_int8", usual_value(task, "mgqe"));
    const PointRuns* full = usual(evidence, task, "full");
    if (small == nullptr || full == nullptr) continue;
    for (const Measure& measure : {measures(task)[0], measures(task)[1]}) {
      auto check = planned_ratio(evidence, measure, small, full);
      if (!check) continue;
      check->bound = kWholeFile;
      claim.checks.push_back(std::move(*check));
    }
  }
  return claim;
}

/// Rounds 1 and 2, 3 and 4 ...: which of the two models begins a round changes with it, and that
/// shows. The geometric mean of two rounds knows nothing of it.
BySeed both_orders(const BySeed& rounds) {
  BySeed pairs;
  for (const auto& [round, ratio] : rounds)
    if (const auto next = rounds.find(round + 1); round % 2 == 1 && next != rounds.end())
      pairs[(round + 1) / 2] = std::sqrt(ratio * next->second);
  return pairs;
}

Claim as_fast_as_dpq(const Evidence& evidence, const std::vector<StepPair>& steps) {
  Claim claim{
      "MGQE trains as fast as DPQ",
      fmt::format("seconds a training step of mgqe over dpq_vq's at the same D, timed in "
                  "turn in one process, {} rounds, of which two, with either of them first, "
                  "are one measurement: at most {}",
                  kStepRounds, kSpeed),
      {}};
  std::string devices, unmeasured;
  for (const GridTask& task : main_tasks(evidence)) {
    Check check{.what = title_of(task) + ": seconds a step, mgqe / dpq_vq",
                .bound = kSpeed,
                .at_least = false,
                .planned = kStepRounds / 2};
    for (const StepPair& pair : steps)
      if (pair.data == task.data && pair.model == task.model) {
        check.measured = estimate(both_orders(first(pair.ratios, kStepRounds)));
        if (devices.find(pair.device) == std::string::npos)
          devices += (devices.empty() ? "" : "; ") + pair.device;
      }
    if (!check.measured) unmeasured += (unmeasured.empty() ? "" : ", ") + std::string(task.name);
    claim.checks.push_back(std::move(check));
  }
  if (!devices.empty()) claim.note = "Measured on: " + devices + ".";
  if (!unmeasured.empty())
    claim.note += fmt::format(
        "{}Not timed yet: {}; `experiments/scripts/compare_dpq.py` does, in about two minutes.",
        claim.note.empty() ? "" : " ", unmeasured);
  return claim;
}

Claim softmax_is_worse(const Evidence& evidence) {
  Claim claim{"DPQ's softmax variant is worse than its vector-quantized one",
              "dpq_sx over dpq_vq at the same D: below 1 by full-ranking HR@10, above 1 by RMSE; "
              "not judged where the codes of dpq_sx have collapsed",
              {}};
  for (const GridTask& task : main_tasks(evidence)) {
    const Measure& measure = measures(task).front();
    const PointRuns* softmax = evidence.point(task, "softmax", "dpq_sx");
    if (softmax == nullptr) continue;
    auto check =
        planned_ratio(evidence, measure, softmax, evidence.point(task, "softmax", "dpq_vq"));
    // Of the others only those are asked for that have a run.
    if (!check || (softmax->runs.empty() && std::string(task.name) != "gmf")) continue;
    check->bound = 1.0;
    check->at_least = !measure.higher_is_better;
    const CodebookUse use = codebook_use(*softmax);
    if (use.collapsed > 0) {
      claim.name = "DPQ's softmax variant collapses as trained here";
      claim.note = fmt::format(
          "In {} of {} runs its codes tell hardly more rows apart than one code "
          "would, so that it is not compared",
          use.collapsed, use.runs);
      if (check->verdict() != Verdict::kNotEnoughRuns) check->decided = Verdict::kNotJudged;
    }
    if (use.runs < softmax->runs.size()) {
      claim.note += fmt::format(
          "{}{} of its {} runs do not say how they used their codebooks (they "
          "are older than that record), and decide nothing",
          claim.note.empty() ? "" : ". ", softmax->runs.size() - use.runs, softmax->runs.size());
      check->decided = Verdict::kNotEnoughRuns;
    }
    if (!claim.note.empty()) claim.note += ".";
    claim.checks.push_back(std::move(*check));
  }
  return claim;
}

}  // namespace

std::vector<Claim> paper_claims(const Evidence& evidence, const std::vector<StepPair>& steps) {
  return {
      on_par(evidence, "dpq_vq", "full", "DPQ is on par with the full table"),
      on_par(evidence, "mgqe", "full", "MGQE is on par with the full table, or better"),
      on_par_with_dpq(evidence),
      best_at_equal_size(evidence),
      fifth_of_the_size(evidence),
      small_dimension_fails(evidence),
      converges(evidence),
      as_fast_as_dpq(evidence, steps),
      softmax_is_worse(evidence),
      half_centroids(evidence),
      whole_file(evidence),
  };
}

}  // namespace mgqe
