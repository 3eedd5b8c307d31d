// The sections of the report.
#pragma once

#include <filesystem>

#include "experiments/report/document.hpp"
#include "experiments/report/feature_claims.hpp"
#include "experiments/report/paper_claims.hpp"

namespace mgqe {

/// One sentence that needs no knowledge of the field: at what size, what is kept, and where least.
std::string headline(const Evidence& evidence);

/// The claims with their verdicts and what is missing; then figure 2 in one picture, which is drawn
/// into `figures`, a folder beside the report. It is the first screen, which README.md shows too.
void add_verdicts(Document& document, const Evidence& evidence, const std::vector<Claim>& claims);
void add_overview(Document& document, const Evidence& evidence,
                  const std::filesystem::path& figures);
/// mgqe against the full table on every task, large catalogues among them.
void add_kept(Document& document, const Evidence& evidence);
/// Full tables against what was asked of them: that the baseline is as good as it should be.
void add_asked(Document& document, const Evidence& evidence);
/// Claim by claim: the rule, its bounds and the runs that are missing.
void add_claims(Document& document, const Evidence& evidence, const std::vector<Claim>& claims);
/// One of them, folded.
void add_claim(Document& document, const Evidence& evidence, const Claim& claim);
void add_figure2(Document& document, const Evidence& evidence,
                 const std::filesystem::path& figures);
void add_figure3(Document& document, const Evidence& evidence,
                 const std::filesystem::path& figures);
void add_head_and_tail(Document& document, const Evidence& evidence);
void add_ablations(Document& document, const Evidence& evidence);
/// Perplexity and unused centroids of the runs that have them.
void add_codebook_use(Document& document, const Evidence& evidence);
/// Points whose runs ended at the last epoch allowed.
void add_cut_short(Document& document, const Evidence& evidence);
/// Ratios with intervals that count the users too, beside those over seeds alone.
void add_user_intervals(Document& document, const Evidence& evidence);
void add_method(Document& document, const Evidence& evidence);
/// Rows with many features: quality against size, and claims about it. features: of
/// feature_points().
void add_features(Document& document, const Evidence& features,
                  const std::filesystem::path& figures);
/// How many seeds each point has, of those planned; of ablations, of `seeds`.
void add_missing(Document& document, const Evidence& evidence, size_t seeds);
/// Devices, commits, data, commands; `others`: stored runs of another numerics version.
void add_provenance(Document& document, const Evidence& evidence, size_t others);

}  // namespace mgqe
