#include "experiments/report/feature_claims.hpp"

#include <fmt/format.h>

namespace mgqe {
namespace {

constexpr double kKept = 0.9995;             // of an AUC near 1: .0005 of it
constexpr SizeRange kCompared = {3.0, 8.0};  // where rivals stand beside it
constexpr double kShareOfGap = 0.5;          // of the log loss between the rule and K = 256
constexpr double kPublishedDeep = 0.9835;    // AUC of a full deep network on Frappe
constexpr double kPublishedCross = 0.9840;   // and with cross layers

constexpr const char* kAuc = "/test/auc";
constexpr const char* kLogloss = "/test/logloss";

std::vector<GridTask> compared_tasks(const Evidence& features) {
  std::vector<GridTask> tasks;
  for (const GridTask& task : features.tasks())
    if (task.every_size) tasks.push_back(task);
  return tasks;
}

/// Ratios of the AUC of one point to that of another, on each task.
Claim ratios(const Evidence& features, const std::string& name, const std::string& rule,
             const std::pair<const char*, const char*>& over,
             const std::pair<const char*, const char*>& under) {
  Claim claim{name, rule, {}};
  for (const GridTask& task : compared_tasks(features)) {
    auto check = planned_ratio(features, measures(task).front(),
                               features.point(task, over.first, over.second),
                               features.point(task, under.first, under.second));
    if (!check) continue;
    check->bound = kKept;
    check->digits = 5;
    claim.checks.push_back(std::move(*check));
  }
  return claim;
}

Claim not_below_rivals(const Evidence& features) {
  Claim claim{
      "Tiers from a budget are not below any rival of their size",
      fmt::format("mgqe_budget over each rival, at every size of {:.0f}% to {:.0f}% of full that "
                  "mgqe_budget has and averaged over them (geometric mean): at least {} of the "
                  "AUC. Between the sizes of the rival is interpolated along log(size); beyond "
                  "them its nearest stands",
                  kCompared.least, kCompared.most, kKept),
      {}};
  for (const GridTask& task : compared_tasks(features)) {
    const Points ours = planned_points(features, task, "mgqe_budget");
    for (const char* rival : {"full", "low_rank", "scalar_quantized", "lsq", "lsq_all", "hashed",
                              "multiplexed", "quotient_remainder", "memcom", "mixed_dim"}) {
      const Points theirs = planned_points(features, task, rival);
      if (ours.empty() || theirs.empty()) continue;
      Check check{.what = fmt::format("{}, AUC: mgqe_budget / {}", task.title, rival),
                  .bound = kKept,
                  .digits = 5};
      rest_on(check, features, ours, theirs, true);
      check.measured = estimate(over_curve(ours, theirs, check.planned, kAuc, kCompared));
      claim.checks.push_back(std::move(check));
    }
  }
  return claim;
}

/// By seed: the log loss that a budget of the rule of thumb's bytes saves of what the rule has
/// above K = 256 for every id, beyond half of that.
BySeed beyond_half_the_gap(const PointRuns& rule, const PointRuns& every, const Points& budgets,
                           size_t seeds) {
  BySeed saved;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    const auto at_rule = curve_of({&rule}, seed, kLogloss),
               at_all = curve_of({&every}, seed, kLogloss);
    const auto budget = curve_of(budgets, seed, kLogloss);
    if (!at_rule || !at_all || !budget) continue;
    const auto& [size, loss] = at_rule->front();
    saved[seed] = loss - interpolate(*budget, size) - kShareOfGap * (loss - at_all->front().second);
  }
  return saved;
}

Claim closes_the_gap(const Evidence& features) {
  Claim claim{
      "A budget closes half of what the rule of thumb loses",
      "256 centroids for the most popular tenth and 64 for the others, in every field (mgqe_all), "
      "have a log loss above that of 256 for all (dpq_vq); a budget of as many bytes as the "
      "former saves half of the difference or more: what it saves beyond that is at least 0. "
      "Between the budgets that were run is interpolated along log(size)",
      {}};
  for (const GridTask& task : compared_tasks(features)) {
    const PointRuns *rule = features.point(task, "mgqe_all", "D=8"),
                    *every = features.point(task, "dpq_vq", "D=8");
    const Points budgets = planned_points(features, task, "mgqe_budget");
    if (rule == nullptr || every == nullptr || budgets.empty()) continue;
    Check check{.what = fmt::format("{}: log loss saved beyond half of the gap", task.title),
                .bound = 0.0,
                .digits = 5};
    const Points under = {rule, every};
    rest_on(check, features, budgets, under, true);
    check.measured = estimate(beyond_half_the_gap(*rule, *every, budgets, check.planned));
    claim.checks.push_back(std::move(check));
  }
  return claim;
}

Claim as_published(const Evidence& features) {
  Claim claim{"Full tables on Frappe are as good as published ones",
              fmt::format("test AUC of d = 10 and three layers of 400: at least {} without cross "
                          "layers and {} with three. The negatives of Frappe's training file are "
                          "drawn anew here",
                          kPublishedDeep, kPublishedCross),
              {}};
  for (const GridTask& task : features.tasks()) {
    if (task.every_size) continue;
    for (const auto& [value, bound] :
         {std::pair("cross=0", kPublishedDeep), std::pair("cross=3", kPublishedCross)}) {
      const PointRuns* point = features.point(task, "full", value);
      if (point == nullptr) continue;
      Check check{.what = fmt::format("{}, AUC: {}", task.title, point->label()),
                  .bound = bound,
                  .digits = 5};
      rest_on(check, features, {point}, {point}, true);
      check.may_fall = false;  // longer training takes nothing from the best epoch
      check.measured = estimate(first(point->values(kAuc), check.planned));
      claim.checks.push_back(std::move(check));
    }
  }
  return claim;
}

}  // namespace

std::vector<Claim> feature_claims(const Evidence& features) {
  return {
      as_published(features),
      ratios(features, "Tiers from a budget keep a click model's quality in a tenth of its tables",
             fmt::format("mgqe_budget 10% over full d=16, paired by seed: at least {} of the AUC",
                         kKept),
             {"mgqe_budget", "10%"}, {"full", "d=16"}),
      not_below_rivals(features),
      closes_the_gap(features),
      ratios(features, "One codebook for all fields is as good as one each",
             fmt::format("mgqe D=8 over mgqe_field D=8, which has more bytes: at least {} of the "
                         "AUC",
                         kKept),
             {"mgqe", "D=8"}, {"mgqe_field", "D=8"}),
      ratios(features, "Layers of int8 lose nothing",
             fmt::format("mgqe_int8 D=8 over mgqe D=8: at least {} of the AUC", kKept),
             {"mgqe_int8", "D=8"}, {"mgqe", "D=8"}),
  };
}

}  // namespace mgqe
