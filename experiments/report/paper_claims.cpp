#include "experiments/report/paper_claims.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace mgqe {
namespace {

constexpr double kLossGap = 1.03;    // of mgqe's loss over full's, after epoch 2
constexpr double kLossRise = 1.05;   // of an epoch's loss over the least before it
constexpr double kSpeed = 1.10;      // of mgqe's seconds an epoch over dpq_vq's
constexpr double kSizePercent = 20;  // of the full table

std::string title_of(const GridTask& task) { return task.title; }

/// The tasks that figure 2 has every size of: those the paper's claims are about.
std::vector<GridTask> main_tasks(const Evidence& evidence) {
  std::vector<GridTask> tasks;
  for (const GridTask& task : evidence.tasks())
    if (task.every_size) tasks.push_back(task);
  return tasks;
}

std::optional<Estimate> ratio_of(const PointRuns* over, const PointRuns* under,
                                 const std::string& pointer) {
  if (over == nullptr || under == nullptr) return std::nullopt;
  return paired_ratio(over->values(pointer), under->values(pointer));
}

/// scheme over base, each at its usual size, by every measure that has a bound.
void add_on_par(std::vector<Check>& checks, const Evidence& evidence, const std::string& scheme,
                const std::string& base) {
  for (const GridTask& task : main_tasks(evidence))
    for (const Measure& measure : measures(task)) {
      if (measure.pointer == "/test/full/ndcg@10") continue;
      const bool sampled = measure.pointer == "/test/sampled/hr@10";
      checks.push_back(
          {fmt::format("{}, {}: {} {} / {} {}", title_of(task), measure.name, scheme,
                       usual_value(task, scheme), base, usual_value(task, base)),
           ratio_of(evidence.usual(task, scheme), evidence.usual(task, base), measure.pointer),
           !measure.higher_is_better ? kOnParError
           : sampled                 ? kOnParSampled
                                     : kOnParFull,
           measure.higher_is_better});
    }
}

Claim on_par(const Evidence& evidence, const std::string& scheme, const std::string& base,
             const std::string& name) {
  Claim claim{
      name,
      fmt::format("{} over {} at their usual sizes, paired by seed: at least {} of the "
                  "sampled HR@10 and {} of the full-ranking HR@10, at most {} times the RMSE",
                  scheme, base, kOnParSampled, kOnParFull, kOnParError),
      {}};
  add_on_par(claim.checks, evidence, scheme, base);
  return claim;
}

/// mgqe at its usual size over `rival` interpolated to that size.
std::optional<Estimate> over_rival(const Evidence& evidence, const GridTask& task,
                                   const std::string& rival, const std::string& pointer) {
  const PointRuns* mgqe = evidence.usual(task, "mgqe");
  if (mgqe == nullptr) return std::nullopt;
  std::map<uint64_t, std::vector<std::pair<double, double>>> curves;
  for (const PointRuns* point : evidence.figure2(task))
    if (point->point.series == rival)
      for (const auto& [seed, value] : point->values(pointer))
        curves[seed].emplace_back(point->percent_of_full(), value);
  BySeed at_its_size;
  for (auto& [seed, curve] : curves)
    if (curve.size() >= 2) at_its_size[seed] = interpolate(curve, mgqe->percent_of_full());
  return paired_ratio(mgqe->values(pointer), at_its_size);
}

Claim best_at_equal_size(const Evidence& evidence) {
  Claim claim{"MGQE is the best at equal size",
              "mgqe at its usual size over each other scheme at that size, between whose sizes is "
              "interpolated along log(size); beyond them its nearest stands. By full-ranking HR@10 "
              "at least 1, by RMSE at most 1",
              {}};
  for (const GridTask& task : main_tasks(evidence))
    for (const char* rival : {"full", "low_rank", "scalar_quantized", "hashed", "dpq_vq"}) {
      const Measure& measure = measures(task).front();
      claim.checks.push_back({fmt::format("{}, {}: mgqe / {}", title_of(task), measure.name, rival),
                              over_rival(evidence, task, rival, measure.pointer), 1.0,
                              measure.higher_is_better});
    }
  return claim;
}

Claim fifth_of_the_size(const Evidence& evidence) {
  Claim claim{"MGQE needs about 20% of the size",
              fmt::format("percent of the full table, at most {}", kSizePercent),
              {}};
  for (const GridTask& task : main_tasks(evidence)) {
    Check check{
        fmt::format("{}: mgqe {}, percent of full", title_of(task), usual_value(task, "mgqe")),
        std::nullopt,
        kSizePercent,
        false,
        true,
        2};
    if (const PointRuns* point = evidence.usual(task, "mgqe"))
      check.measured = Estimate{point->percent_of_full(), 0.0, point->runs.size()};
    claim.checks.push_back(check);
  }
  return claim;
}

Claim small_dimension_fails(const Evidence& evidence) {
  Claim claim{
      "A smaller d fails",
      fmt::format("full at d/8 over full at d falls below what is on par: at most {} of the "
                  "full-ranking HR@10, at least {} times the RMSE",
                  kOnParFull, kOnParError),
      {}};
  for (const GridTask& task : main_tasks(evidence)) {
    const Measure& measure = measures(task).front();
    const std::string small = fmt::format("d={}", task.dim / 8);
    claim.checks.push_back(
        {fmt::format("{}, {}: full {} / full d={}", title_of(task), measure.name, small, task.dim),
         ratio_of(evidence.find(task, "full", small), evidence.usual(task, "full"),
                  measure.pointer),
         measure.higher_is_better ? kOnParFull : kOnParError, !measure.higher_is_better});
  }
  return claim;
}

std::vector<double> losses(const RunRecord& run) {
  return run.at("train_loss").get<std::vector<double>>();
}

/// The largest ratio of mgqe's loss to full's over the epochs after the second, by seed.
BySeed largest_gap(const PointRuns& mgqe, const PointRuns& full) {
  BySeed gaps;
  for (const auto& [seed, run] : mgqe.runs) {
    const auto other = full.runs.find(seed);
    if (other == full.runs.end()) continue;
    const std::vector<double> ours = losses(run), theirs = losses(other->second);
    double gap = 0.0;
    for (size_t epoch = 2; epoch < std::min(ours.size(), theirs.size()); ++epoch)
      gap = std::max(gap, ours[epoch] / theirs[epoch]);
    gaps[seed] = gap;
  }
  return gaps;
}

/// The largest ratio of an epoch's loss to the least before it, by seed.
BySeed largest_rise(const PointRuns& mgqe) {
  BySeed rises;
  for (const auto& [seed, run] : mgqe.runs) {
    double rise = 0.0, least = 0.0;
    for (const double loss : losses(run)) {
      if (least > 0.0) rise = std::max(rise, loss / least);
      least = least > 0.0 ? std::min(least, loss) : loss;
    }
    rises[seed] = rise;
  }
  return rises;
}

Claim converges(const Evidence& evidence) {
  Claim claim{"MGQE converges stably, as the full table does",
              fmt::format("training loss of mgqe over full's, the largest ratio after epoch 2, at "
                          "most {}; and no epoch's loss over the least before it by more than {}",
                          kLossGap, kLossRise),
              {}};
  for (const GridTask& task : main_tasks(evidence)) {
    if (task.is_relevance()) continue;
    const PointRuns *mgqe = evidence.usual(task, "mgqe"), *full = evidence.usual(task, "full");
    const bool both = mgqe != nullptr && full != nullptr;
    claim.checks.push_back({fmt::format("{}: largest loss ratio mgqe / full", title_of(task)),
                            both ? estimate(largest_gap(*mgqe, *full)) : std::nullopt, kLossGap,
                            false});
    claim.checks.push_back({fmt::format("{}: largest rise of mgqe's loss", title_of(task)),
                            mgqe != nullptr ? estimate(largest_rise(*mgqe)) : std::nullopt,
                            kLossRise, false});
  }
  return claim;
}

/// Training seconds an epoch, by seed.
BySeed epoch_seconds(const PointRuns& point) {
  BySeed seconds = point.values("/seconds/train");
  for (auto& [seed, value] : seconds) value /= point.runs.at(seed).at("epochs").get<double>();
  return seconds;
}

Claim as_fast_as_dpq(const Evidence& evidence) {
  Claim claim{"MGQE trains as fast as DPQ",
              fmt::format("seconds an epoch of mgqe over dpq_vq's at the same D, at most {}; runs "
                          "that shared a machine with others make this rough",
                          kSpeed),
              {}};
  for (const GridTask& task : main_tasks(evidence)) {
    const PointRuns *mgqe = evidence.usual(task, "mgqe"), *dpq = evidence.usual(task, "dpq_vq");
    const bool both = mgqe != nullptr && dpq != nullptr;
    claim.checks.push_back(
        {fmt::format("{}: seconds an epoch, mgqe / dpq_vq", title_of(task)),
         both ? paired_ratio(epoch_seconds(*mgqe), epoch_seconds(*dpq)) : std::nullopt, kSpeed,
         false});
  }
  return claim;
}

Claim softmax_is_worse(const Evidence& evidence) {
  Claim claim{"DPQ's softmax variant is worse than its vector-quantized one",
              "dpq_sx over dpq_vq at the same D: below 1 by full-ranking HR@10, above 1 by RMSE",
              {}};
  for (const GridTask& task : main_tasks(evidence)) {
    const Measure& measure = measures(task).front();
    const PointRuns* softmax = evidence.ablation(task, "softmax", "dpq_sx");
    // Of the backbones that are slow to train so only those are asked for that have a run.
    if (softmax == nullptr && std::string(task.name) != "gmf") continue;
    claim.checks.push_back(
        {fmt::format("{}, {}: dpq_sx / dpq_vq", title_of(task), measure.name),
         ratio_of(softmax, evidence.ablation(task, "softmax", "dpq_vq"), measure.pointer), 1.0,
         !measure.higher_is_better});
  }
  return claim;
}

}  // namespace

std::string to_text(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSupported:
      return "supported";
    case Verdict::kNotSupported:
      return "not supported";
    default:
      return "not enough runs";
  }
}

Verdict Check::verdict() const {
  if (!measured || (!exact && measured->seeds < kFewestSeeds)) return Verdict::kNotEnoughRuns;
  const bool low_keeps = at_least ? measured->low() >= bound : measured->low() <= bound;
  const bool high_keeps = at_least ? measured->high() >= bound : measured->high() <= bound;
  if (low_keeps && high_keeps) return Verdict::kSupported;
  return low_keeps || high_keeps ? Verdict::kNotEnoughRuns : Verdict::kNotSupported;
}

Verdict Claim::verdict() const {
  bool all = !checks.empty();
  for (const Check& check : checks) {
    if (check.verdict() == Verdict::kNotSupported) return Verdict::kNotSupported;
    all = all && check.verdict() == Verdict::kSupported;
  }
  return all ? Verdict::kSupported : Verdict::kNotEnoughRuns;
}

std::vector<Claim> paper_claims(const Evidence& evidence) {
  return {
      on_par(evidence, "dpq_vq", "full", "DPQ is on par with the full table"),
      on_par(evidence, "mgqe", "full", "MGQE is on par with the full table, or better"),
      on_par(evidence, "mgqe", "dpq_vq", "MGQE is on par with DPQ at fewer bits"),
      best_at_equal_size(evidence),
      fifth_of_the_size(evidence),
      small_dimension_fails(evidence),
      converges(evidence),
      as_fast_as_dpq(evidence),
      softmax_is_worse(evidence),
  };
}

}  // namespace mgqe
