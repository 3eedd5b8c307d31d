// What can be done to a finished artifact without training: rows appended, rows put in another
// order. Each leaves a record in config[kEdits], by which programs that need the rows as they were
// trained know that they are not (untrained_defect).
#pragma once

#include <string>
#include <vector>

#include "host/convert/float_table.hpp"
#include "host/convert/row_encoder.hpp"
#include "host/io/artifact.hpp"

namespace mgqe {

/// The artifact of a table that was converted, not trained: of backbone "table", which recommends
/// nothing. `errors` by tier, for append_rows to compare with; `convert` goes to config["convert"].
Artifact table_artifact(const std::string& name, PackedTable table, OriginalIds ids,
                        const std::vector<RowErrors>& errors, nlohmann::json convert);

/// The table of that name; where it is empty, the only one. InputError listing them.
std::string choose_table(const std::string& file, const Artifact& artifact,
                         const std::string& name);

/// Ids for `rows` more rows than `known` has: after the greatest integer. InputError of texts.
OriginalIds following_ids(const OriginalIds& known, int64_t rows);

/// config[kEdits] += {kind: record}.
void add_edit(Artifact& artifact, const char* kind, nlohmann::json record);

struct Appended {
  RowErrors errors;  // of the new rows
  double last_tier =
      -1.0;  // relative error of that tier's rows when they were converted; -1: unknown
  double all_tiers = -1.0;  // the same of all rows
};

/// New rows after the last one, of its tier, by its codebook. InputError, where `file` is the
/// artifact's name, unless the rows fit the table, it has codes or is full, no other table has the
/// same ids, and the ids are new.
Appended append_rows(Backend& backend, const std::string& file, Artifact& artifact,
                     const std::string& table, const FloatTable& source, const OriginalIds& ids,
                     const WorkProgress& progress);

struct Compacted {
  int64_t moved = 0;    // rows in another tier than before
  int64_t encoded = 0;  // of those, rows that had to be encoded anew
  RowErrors errors;     // of these, against what they decoded to before
  std::vector<int64_t> tier_rows;
};

/// Rows of all tables of the table's entity in the order of falling `counts` (n; empty: as they
/// are). Tiers end where they do, or at the cumulative fractions `cuts`. A row that may use more
/// centroids of a shared codebook than before, or as many, keeps its codes; others are encoded anew
/// from what they decode to. InputError where tables cannot be reordered.
Compacted compact_rows(Backend& backend, const std::string& file, Artifact& artifact,
                       const std::string& table, const std::vector<double>& counts,
                       const std::vector<double>& cuts, const WorkProgress& progress);

}  // namespace mgqe
