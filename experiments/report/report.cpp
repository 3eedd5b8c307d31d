#include "experiments/report/report.hpp"

#include "experiments/report/sections.hpp"
#include "host/io/atomic_file.hpp"

namespace mgqe {
namespace {

constexpr size_t kSeedsAskedFor = 10;                         // of ablations
constexpr const char* kSteps = "steps_against_dpq_cpu.json";  // beside the report

/// Tasks of their own, laid out by points of their own.
Evidence of_features(const std::vector<RunRecord>& runs, GridChoice choice) {
  choice.tasks = feature_tasks();
  return Evidence(runs, choice.tasks, feature_points(choice));
}

}  // namespace

void write_report(const RunStore& store, const GridChoice& choice,
                  const std::filesystem::path& folder) {
  size_t others = 0;
  const std::vector<RunRecord> runs = store.all(&others);
  const Evidence evidence(runs, choice);
  const std::filesystem::path figures = folder / "figures";
  Document document;
  document.title = "Multi-granular quantized embeddings: what was measured";
  document.headline = headline(evidence);
  const std::vector<Claim> claims = paper_claims(evidence, read_step_pairs(folder / kSteps));
  add_verdicts(document, evidence, claims);
  add_overview(document, evidence, figures);
  add_kept(document, evidence);
  add_asked(document, evidence);
  add_claims(document, evidence, claims);
  add_figure2(document, evidence, figures);
  add_features(document, of_features(runs, choice), figures);
  add_figure3(document, evidence, figures);
  add_head_and_tail(document, evidence);
  add_ablations(document, evidence);
  add_codebook_use(document, evidence);
  add_cut_short(document, evidence);
  add_user_intervals(document, evidence);
  add_method(document, evidence);
  add_missing(document, evidence, kSeedsAskedFor);
  add_provenance(document, evidence, others);
  ensure_writable_directory(folder);
  write_file_atomically(folder / "report.html", to_html(document));
  write_file_atomically(folder / "report.md", to_markdown(document));
}

}  // namespace mgqe
