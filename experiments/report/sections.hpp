// The sections of the report.
#pragma once

#include <filesystem>

#include "experiments/report/document.hpp"
#include "experiments/report/evidence.hpp"

namespace mgqe {

/// One sentence: what mgqe keeps of the full table, and at what size.
std::string headline(const Evidence& evidence);

void add_claims(Document& document, const Evidence& evidence);
/// Figures are drawn into `figures`, a folder beside the report.
void add_figure2(Document& document, const Evidence& evidence,
                 const std::filesystem::path& figures);
void add_figure3(Document& document, const Evidence& evidence,
                 const std::filesystem::path& figures);
void add_head_and_tail(Document& document, const Evidence& evidence);
void add_ablations(Document& document, const Evidence& evidence);
void add_method(Document& document, const Evidence& evidence);
/// How many seeds each point has, of `seeds` asked for.
void add_missing(Document& document, const Evidence& evidence, size_t seeds);
/// Devices, commits, data, commands; `others`: stored runs of another numerics version.
void add_provenance(Document& document, const Evidence& evidence, size_t others);

}  // namespace mgqe
