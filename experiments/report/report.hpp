// The report: figures, tables and the paper's claims, from the runs of a store.
#pragma once

#include <filesystem>

#include "experiments/grid/grid_points.hpp"
#include "experiments/grid/run_store.hpp"
#include "experiments/report/document.hpp"

namespace mgqe {

/// Writes report.html (self-contained), report.md and figures/ to `folder`. Runs that are missing
/// are said to be.
void write_report(const RunStore& store, const GridChoice& choice,
                  const std::filesystem::path& folder);

}  // namespace mgqe
