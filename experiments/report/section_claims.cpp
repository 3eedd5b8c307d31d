#include <fmt/format.h>

#include "experiments/report/paper_claims.hpp"
#include "experiments/report/sections.hpp"

namespace mgqe {
namespace {

std::string measured_text(const Check& check) {
  if (!check.measured) return "no run";
  return to_text(*check.measured, check.digits);
}

std::string bound_text(const Check& check) {
  return fmt::format("{} {:g}", check.at_least ? "≥" : "≤", check.bound);
}

std::string tally(const Claim& claim) {
  size_t supported = 0, refuted = 0;
  for (const Check& check : claim.checks) {
    supported += check.verdict() == Verdict::kSupported ? 1 : 0;
    refuted += check.verdict() == Verdict::kNotSupported ? 1 : 0;
  }
  const size_t open = claim.checks.size() - supported - refuted;
  return fmt::format("{} / {} / {}", supported, refuted, open);
}

std::string percent(const Estimate& ratio) {
  const std::string seeds = fmt::format("{} seed{}", ratio.seeds, ratio.seeds == 1 ? "" : "s");
  return ratio.seeds < 2 ? fmt::format("{:.1f}% ({})", 100 * ratio.mean, seeds)
                         : fmt::format("{:.1f}% ± {:.1f}% ({})", 100 * ratio.mean,
                                       100 * ratio.half_width, seeds);
}

/// "GMF" of "GMF on MovieLens-1M".
std::string short_title(const GridTask& task) {
  const std::string title = task.title;
  return title.substr(0, title.find(" on "));
}

}  // namespace

std::string headline(const Evidence& evidence) {
  std::string kept, relevance;
  double least = 1e9, most = 0.0;
  for (const GridTask& task : evidence.tasks()) {
    const PointRuns *mgqe = evidence.usual(task, "mgqe"), *full = evidence.usual(task, "full");
    if (!task.every_size || mgqe == nullptr || full == nullptr) continue;
    const std::string& pointer = measures(task).front().pointer;
    const auto ratio = paired_ratio(mgqe->values(pointer), full->values(pointer));
    if (!ratio) continue;
    least = std::min(least, mgqe->percent_of_full());
    most = std::max(most, mgqe->percent_of_full());
    if (task.is_relevance())
      relevance =
          "Its RMSE on item-to-item relevance is " + percent(*ratio) + " of the full table's.";
    else
      kept += (kept.empty() ? "" : ", ") + short_title(task) + " " + percent(*ratio);
  }
  if (kept.empty() && relevance.empty())
    return "No pair of runs of mgqe and full is stored yet: there is nothing to compare.";
  const std::string size = most - least < 0.05 ? fmt::format("{:.1f}%", most)
                                               : fmt::format("{:.1f}% to {:.1f}%", least, most);
  if (kept.empty()) return fmt::format("MGQE at {} of the full table's size. {}", size, relevance);
  return fmt::format(
      "At {} of the full table's size, MGQE keeps of its full-ranking HR@10 on MovieLens-1M: {}.{}",
      size, kept, relevance.empty() ? "" : " " + relevance);
}

void add_claims(Document& document, const Evidence& evidence) {
  document.heading("The paper's claims");
  document.paragraph(fmt::format(
      "Each claim is put as bounds on measured numbers. A bound is kept where the whole 95% "
      "interval of at least {} seeds keeps it, and broken where the whole interval breaks it; in "
      "between, or with fewer seeds, there are not enough runs. A claim is supported where every "
      "bound is kept, and not supported where one is broken.",
      Check::kFewestSeeds));
  const std::vector<Claim> claims = paper_claims(evidence);
  std::vector<TableRow> rows;
  for (const Claim& claim : claims)
    rows.push_back({claim.name, to_text(claim.verdict()), tally(claim)});
  document.table("", {"claim", "verdict", "bounds kept / broken / open"}, rows, 2);
  for (const Claim& claim : claims) {
    std::vector<TableRow> checks;
    for (const Check& check : claim.checks)
      checks.push_back({check.what, to_text(check.verdict()), measured_text(check),
                        bound_text(check),
                        check.measured ? std::to_string(check.measured->seeds) : "0"});
    document.table("Rule: " + claim.rule + ".", {"what", "verdict", "measured", "bound", "seeds"},
                   checks, 2, claim.name);
  }
}

}  // namespace mgqe
