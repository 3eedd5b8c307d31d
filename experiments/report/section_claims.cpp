#include <cmath>
#include <set>

#include <fmt/format.h>

#include "experiments/report/bootstrap.hpp"
#include "experiments/report/sections.hpp"

namespace mgqe {
namespace {

std::string measured_text(const Check& check) {
  if (!check.shown.empty()) return check.shown;
  if (!check.measured) return "no run";
  return to_text(*check.measured, check.digits);
}

std::string bound_text(const Check& check) {
  return fmt::format("{} {:g}", check.at_least ? "≥" : "≤", check.bound);
}

/// "5 of 10", or nothing where one run decides.
std::string seeds_text(const Check& check) {
  if (check.planned == 0) return "";
  return fmt::format("{} of {}", check.measured ? check.measured->seeds : 0, check.planned);
}

/// Which way the seeds go that are there. A bound that is broken by itself, but not among as many
/// as its claim has, refutes nothing.
std::string verdict_text(const Check& check, size_t bounds) {
  const Verdict verdict = check.verdict(), so_far = check.so_far();
  if (verdict == Verdict::kNotSupported && check.verdict(bounds) != Verdict::kNotSupported)
    return fmt::format("broken by itself, not among {}", bounds);
  if (verdict != Verdict::kNotEnoughRuns || so_far == verdict) return to_text(verdict);
  return fmt::format("{}; so far {}", to_text(verdict), to_text(so_far));
}

std::string tally(const Claim& claim) {
  size_t supported = 0, refuted = 0;
  for (const Check& check : claim.checks) {
    supported += check.verdict() == Verdict::kSupported ? 1 : 0;
    refuted += check.verdict(claim.checks.size()) == Verdict::kNotSupported ? 1 : 0;
  }
  const size_t open = claim.checks.size() - supported - refuted;
  return fmt::format("{} / {} / {}", supported, refuted, open);
}

/// "1.5% to 2.1% larger", of ratios to an error.
std::string error_range(double low, double high) {
  const auto percent = [](double ratio) {
    return fmt::format("{:.1f}%", std::abs(100 * (ratio - 1)));
  };
  const auto side = [](double ratio) { return ratio < 1 ? " smaller" : " larger"; };
  if ((low < 1) != (high < 1))
    return percent(low) + side(low) + " to " + percent(high) + side(high);
  return (percent(low) == percent(high) ? "" : percent(low) + " to ") + percent(high) + side(high);
}

/// What mgqe keeps of the full table on a task, by the measure that sizes are compared by.
struct Kept {
  GridTask task;
  double percent;
  Check check;
};

std::vector<Kept> kept_of(const Evidence& evidence) {
  std::vector<Kept> list;
  for (const GridTask& task : evidence.tasks()) {
    const PointRuns *mgqe = evidence.usual(task, "mgqe"), *full = evidence.usual(task, "full");
    const auto check = planned_ratio(evidence, measures(task).front(), mgqe, full);
    if (check && check->measured) list.push_back({task, mgqe->percent_of_full(), *check});
  }
  return list;
}

std::string range(const std::string& low, const std::string& high) {
  return low == high ? low : low + " to " + high;
}

std::string where(const Kept& kept) {
  return fmt::format("{}, {} seeds", kept.task.title, seeds_text(kept.check));
}

}  // namespace

std::string headline(const Evidence& evidence) {
  const std::vector<Kept> all = kept_of(evidence);
  if (all.empty())
    return "No pair of runs of mgqe and full is stored yet: there is nothing to compare.";
  const auto by_ratio = [](const Kept* a, const Kept* b) {
    return a->check.measured->mean < b->check.measured->mean;
  };
  std::vector<const Kept*> ranking, relevance;
  double least = 1e9, most = 0.0;
  for (const Kept& kept : all) {
    (kept.task.is_relevance() ? relevance : ranking).push_back(&kept);
    least = std::min(least, kept.percent);
    most = std::max(most, kept.percent);
  }
  std::sort(ranking.begin(), ranking.end(), by_ratio);
  std::sort(relevance.begin(), relevance.end(), by_ratio);
  const auto mean = [](const Kept* kept) { return kept->check.measured->mean; };
  std::string text =
      fmt::format("In {} of the bits of a full embedding table, MGQE ",
                  range(fmt::format("{:.1f}%", least), fmt::format("{:.1f}%", most)));
  if (!ranking.empty()) {
    text += fmt::format(
        "finds the held-out item among its first ten {} as often as the full table does (least: "
        "{})",
        range(fmt::format("{:.1f}%", 100 * mean(ranking.front())),
              fmt::format("{:.1f}%", 100 * mean(ranking.back()))),
        where(*ranking.front()));
  }
  if (!relevance.empty())
    text += fmt::format("{}predicts how alike two items are with an error that is {} (most: {})",
                        ranking.empty() ? "" : " and ",
                        error_range(mean(relevance.front()), mean(relevance.back())),
                        where(*relevance.back()));
  return text + ".";
}

void add_verdicts(Document& document, const Evidence& evidence, const std::vector<Claim>& claims) {
  std::vector<TableRow> rows;
  for (const Claim& claim : claims) {
    const std::vector<GridRun> missing = claim.missing();
    rows.push_back({claim.name, to_text(claim.verdict()), tally(claim),
                    missing.empty() ? "none"
                                    : fmt::format("{}, at least {}", missing.size(),
                                                  time_of(missing, evidence.costs()))});
  }
  document.table("", {"claim", "verdict", "bounds kept / broken / open", "runs missing"}, rows, 2);
}

void add_kept(Document& document, const Evidence& evidence) {
  document.heading("What MGQE keeps of the full table");
  std::vector<TableRow> rows;
  for (const Kept& kept : kept_of(evidence)) {
    Check check = kept.check;
    const bool relevance = kept.task.is_relevance();
    check.bound = relevance ? kOnParError : kOnParFull;
    check.at_least = !relevance;
    rows.push_back({kept.task.title, measures(kept.task).front().name,
                    fmt::format("{:.2f}%", kept.percent), measured_text(check), bound_text(check),
                    seeds_text(check), verdict_text(check, 1)});
  }
  if (rows.empty()) {
    document.paragraph("No run of it is stored yet.");
    return;
  }
  document.paragraph(
      "mgqe over the full table at its usual size, paired by seed, all from one store and one "
      "version of the numerics. For the RMSE less is better.");
  document.table("", {"task", "measure", "size", "mgqe / full", "on par", "seeds", "verdict"}, rows,
                 2);
}

void add_claim(Document& document, const Evidence& evidence, const Claim& claim) {
  std::vector<TableRow> checks;
  for (const Check& check : claim.checks)
    checks.push_back({check.what, verdict_text(check, claim.checks.size()), measured_text(check),
                      bound_text(check), seeds_text(check)});
  const std::vector<GridRun> missing = claim.missing();
  std::string text = "Rule: " + claim.rule + ".";
  if (!claim.note.empty()) text += " " + claim.note;
  if (!missing.empty())
    text += fmt::format(
        " Missing: {} runs, at least {} of one thread on the CPUs that made the others: {}.",
        missing.size(), time_of(missing, evidence.costs()), names_of(missing));
  std::set<std::string> cut;
  for (const Check& check : claim.checks)
    cut.insert(check.cut_short.begin(), check.cut_short.end());
  if (!cut.empty()) {
    text += " Cut short, so to be trained longer:";
    for (const std::string& name : cut) text += (name == *cut.begin() ? " " : ", ") + name;
    text += ".";
  }
  document.table(
      text, {"what", "verdict", "measured", "bound", "seeds"}, checks, 2,
      fmt::format("{}: {}, {} bounds", claim.name, to_text(claim.verdict()), claim.checks.size()));
}

void add_claims(Document& document, const Evidence& evidence, const std::vector<Claim>& claims) {
  document.heading("The paper's claims");
  size_t bounds = 0;
  for (const Claim& claim : claims) bounds += claim.checks.size();
  document.paragraph(fmt::format(
      "Each claim is put as bounds on measured numbers, {} in all. How many seeds a bound rests on "
      "is fixed (10; 5 or 3 where a run takes long), and it is judged when all of them are there, "
      "by no more and no fewer: kept where the whole 95% interval keeps it, broken where the whole "
      "interval breaks it, undecided in between. The numbers of seeds were fixed after part of the "
      "runs had been stored: those of relevance at 290,000 items, 15 of SASRec, part of GMF's and "
      "of Steam's. `so far` says where fewer seeds point. A run whose best epoch is one of its "
      "last is cut short: it could have become better. Where most runs of a point are, and may "
      "still be made longer, no bound counts as kept or broken that better ones could turn; what "
      "has had the longest training allowed is judged by it. The time of missing runs is at least "
      "what is told: of a run that is to be made longer only its next length is counted.",
      bounds));
  document.paragraph(
      "A claim is supported where every bound is kept; as all must hold, no correction is due. It "
      "is "
      "not supported where one bound of its k is broken by the interval at 1 − 5%/k (Bonferroni), "
      "so "
      "that chance alone refutes a true claim in at most one case of twenty, however many bounds "
      "it "
      "has.");
  for (const Claim& claim : claims) add_claim(document, evidence, claim);
}

void add_user_intervals(Document& document, const Evidence& evidence) {
  document.heading("Intervals that count the users too");
  std::vector<TableRow> rows;
  for (const GridTask& task : evidence.tasks()) {
    const PointRuns *mgqe = evidence.usual(task, "mgqe"), *full = evidence.usual(task, "full");
    if (task.is_relevance() || mgqe == nullptr || full == nullptr) continue;
    HitsBySeed over, under;
    for (const auto& [hits, point] : {std::pair(&over, mgqe), std::pair(&under, full)})
      for (const auto& [seed, run] : point->runs)
        if (run.contains("user_hits")) (*hits)[seed] = hits_of_run(run);
    const auto by_users = ratio_over_users(over, under);
    if (!by_users) continue;
    BySeed ours = mgqe->values("/test/full/hr@10"), theirs = full->values("/test/full/hr@10");
    for (BySeed* values : {&ours, &theirs})
      std::erase_if(*values, [&](const auto& value) {
        return !over.contains(value.first) || !under.contains(value.first);
      });
    if (const auto by_seeds = paired_ratio(ours, theirs))
      rows.push_back({task.title, to_text(*by_seeds, 3), to_text(*by_users, 3),
                      std::to_string(by_users->seeds)});
  }
  document.paragraph(
      "An interval over seeds says what other seeds would give for the same users. Which users "
      "there "
      "are is chance too: a bootstrap draws users and seeds anew, the same users for both tables. "
      "Runs keep a bit for each user's hit since the store has a field for it.");
  if (rows.empty())
    document.paragraph(
        "No pair of stored runs of mgqe and full has its users' hits, they were made before: every "
        "interval of this report is over seeds alone, and says nothing of other users.");
  else
    document.table("Full-ranking HR@10, mgqe / full at their usual sizes.",
                   {"task", "over seeds", "over seeds and users", "seeds"}, rows, 1);
}

}  // namespace mgqe
