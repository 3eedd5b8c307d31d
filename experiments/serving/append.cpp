#include "experiments/serving/append.hpp"

#include <iostream>

#include <fmt/format.h>

#include "host/base/check.hpp"
#include "host/convert/edit.hpp"
#include "host/convert/id_files.hpp"
#include "host/io/atomic_file.hpp"
#include "host/io/console/table.hpp"

namespace mgqe {

using nlohmann::ordered_json;

namespace {

constexpr const char* kAppendHelp = R"(examples:
  mgqe append --artifact items.safetensors --in new.npy --out items2.safetensors
  mgqe append --artifact items.safetensors --in new.npy --ids new_skus.txt --out items.safetensors

New rows come after the last one and are encoded with the centroids of the last tier; rows that were
there keep their codes and their place. Ids are integers after the greatest one unless --ids gives
them. Drift is the error of the new rows against that of the rows of the last tier when they were
converted: much above 1, the centroids no longer fit, and the table should be converted anew.
It costs one reading and one writing of the artifact, which is never seen half-written.)";

constexpr const char* kCompactHelp = R"(examples:
  mgqe compact --artifact items.safetensors --counts clicks.txt --out items2.safetensors
  mgqe compact --artifact items.safetensors --counts clicks.npy --tiers 0.05 --out items2.safetensors
  mgqe compact --artifact old.safetensors --out new.safetensors

Sorts the rows by new counts, so that those asked for most are in the tiers with more centroids; ids
stay with their rows. Without --tiers each tier keeps its number of rows, with it tiers end at those
fractions. Without --counts the rows stay in order, and the file is written anew, aligned, in the
newest version.
What it costs: one reading and one writing, in memory as a whole. A row that comes to a tier with more
centroids keeps its codes, and its error: it is not encoded better until its table is converted anew.
A row that comes to a tier with fewer is encoded anew from what it decodes to, and that is for good,
also if it comes back. Rows have other numbers then: histories written beside the artifact, and row
numbers that you kept, are no longer those of their rows. Files of Python's .npy counts are in the
order of rows as the artifact has them.)";

/// "12% above"
std::string drift_text(double ratio) {
  return fmt::format("{:.0f}% {}", 100.0 * std::abs(ratio - 1.0), ratio < 1.0 ? "below" : "above");
}

}  // namespace

AppendCommand::AppendCommand(CLI::App& app)
    : command_(app.add_subcommand("append", "add rows to an artifact, without training")),
      device_(*command_) {
  command_->footer(kAppendHelp);
  command_->add_option("--artifact", artifact_, "what `mgqe convert` or `mgqe train` wrote")
      ->required();
  command_->add_option("--in", in_, "the new rows: TABLE.npy, FILE.safetensors[:NAME]")->required();
  command_->add_option("--out", out_, "the artifact to write, perhaps the same")->required();
  command_->add_option("--ids", ids_, "ids of the new rows, one a line or .npy");
  command_->add_option("--name", name_, "the table, where there are several");
  command_->add_flag("--json", as_json_, "report as JSON");
}

void AppendCommand::run() const {
  TableWork work;
  const std::unique_ptr<Backend> backend = device_.make();
  const FloatTable source = FloatTable::open(in_);
  require_output_file("--out", out_, {in_, in_.substr(0, in_.rfind(':')), ids_});
  Artifact artifact = read_artifact(artifact_);
  const std::string name = choose_table(artifact_, artifact, name_);
  const OriginalIds& known = artifact.ids.at(entity_of(name));
  const OriginalIds ids =
      ids_.empty() ? following_ids(known, source.rows()) : read_ids(ids_, source.rows());
  source.check(work.progress());
  const Appended appended =
      append_rows(*backend, artifact_, artifact, name, source, ids, work.progress());
  work.clear();
  const SizeReport size = write_artifact(out_, artifact);
  const double error = appended.errors.relative(), ratio = error / appended.last_tier;
  const bool comparable = appended.last_tier > 0.0;
  ordered_json report = {{"table", name},
                         {"rows_added", source.rows()},
                         {"rows", artifact.model.tables.at(name).rows},
                         {"error", error},
                         {"last_tier_error", nullptr},
                         {"all_tiers_error", nullptr},
                         {"drift", nullptr},
                         {"seconds", work.lap()},
                         {"out", out_},
                         {"size", to_json(size)}};
  if (appended.last_tier >= 0.0) report["last_tier_error"] = appended.last_tier;
  if (appended.all_tiers >= 0.0) report["all_tiers_error"] = appended.all_tiers;
  if (comparable) report["drift"] = ratio;
  if (as_json_) {
    std::cout << report.dump(2, ' ', false, ordered_json::error_handler_t::replace) << std::endl;
    return;
  }
  fmt::print("table {}: {} rows added, {} in all\n", name, grouped(source.rows()),
             grouped(report["rows"]));
  fmt::print("error   {} of the new rows", error_text(error));
  if (comparable)
    fmt::print(", {} the {} of the last tier when it was converted\n", drift_text(ratio),
               error_text(appended.last_tier));
  else
    fmt::print("; the artifact does not say what its own rows have\n");
  fmt::print("written to {}\n", out_);
}

CompactCommand::CompactCommand(CLI::App& app)
    : command_(app.add_subcommand("compact", "put an artifact's rows in the order of new counts")),
      device_(*command_) {
  command_->footer(kCompactHelp);
  command_->add_option("--artifact", artifact_, "what is to be reordered")->required();
  command_->add_option("--counts", counts_,
                       "how often each row is asked for: \"id count\" lines, or .npy");
  command_
      ->add_option("--tiers", cuts_, "where tiers are to end, as cumulative fractions of the rows")
      ->delimiter(',');
  command_->add_option("--out", out_, "the artifact to write, perhaps the same")->required();
  command_->add_option("--name", name_, "a table of the rows meant, where there are several");
  command_->add_flag("--json", as_json_, "report as JSON");
}

void CompactCommand::run() const {
  TableWork work;
  const std::unique_ptr<Backend> backend = device_.make();
  require_output_file("--out", out_, {counts_});
  SizeReport before;
  Artifact artifact = read_artifact(artifact_, &before);
  const std::string name = choose_table(artifact_, artifact, name_);
  std::vector<double> counts;
  if (!counts_.empty()) counts = read_counts(counts_, artifact.ids.at(entity_of(name)));
  const Compacted compacted =
      compact_rows(*backend, artifact_, artifact, name, counts, cuts_, work.progress());
  work.clear();
  const SizeReport size = write_artifact(out_, artifact);
  const ordered_json report = {{"table", name},
                               {"rows", artifact.model.tables.at(name).rows},
                               {"tier_rows", compacted.tier_rows},
                               {"rows_moved", compacted.moved},
                               {"rows_encoded", compacted.encoded},
                               {"encoded_error", compacted.errors.relative()},
                               {"bytes_before", before.file_bytes},
                               {"seconds", work.lap()},
                               {"out", out_},
                               {"size", to_json(size)}};
  if (as_json_) {
    std::cout << report.dump(2, ' ', false, ordered_json::error_handler_t::replace) << std::endl;
    return;
  }
  fmt::print("table {}: {} rows, {} of them in another tier than before\n", name,
             grouped(report["rows"]), grouped(compacted.moved));
  if (compacted.encoded > 0)
    fmt::print("encoded {} rows anew, at an error of {} against what they were\n",
               grouped(compacted.encoded), error_text(compacted.errors.relative()));
  fmt::print("written to {}: {} bytes, before {}\n", out_, grouped(size.file_bytes),
             grouped(before.file_bytes));
}

}  // namespace mgqe
