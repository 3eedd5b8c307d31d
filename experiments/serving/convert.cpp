#include "experiments/serving/convert.hpp"

#include <iostream>

#include <fmt/format.h>

#include "host/base/check.hpp"
#include "host/convert/edit.hpp"
#include "host/convert/id_files.hpp"
#include "host/io/atomic_file.hpp"
#include "host/io/console/table.hpp"

namespace mgqe {

using nlohmann::json;
using nlohmann::ordered_json;

namespace {

constexpr const char* kExamples = R"(examples:
  mgqe convert --in items.npy --out items.safetensors --subspaces 8 --centroids 256,64 --tiers 0.1
  mgqe convert --in items.npy --counts clicks.txt --ids skus.txt --out items.safetensors
  mgqe convert --in model.safetensors:item_embedding.weight --centroids 256 --out items.safetensors
  mgqe convert --in items.npy --out items.safetensors --rotation opq --stages 2
  mgqe convert --in items.npy --out items.safetensors --centroids 256 --codebook-type f16
  python3 experiments/scripts/torch_to_npy.py checkpoint.pt item_embedding.weight items.npy

Rows are taken to be sorted by how often they are asked for, most often first; if they are not, give
--counts: the tiers are then cut by count, and ids say which row is which. Centroids are learnt from a
sample, those of the last tier first; then every row is encoded, in the order of the file, which is
never in memory as a whole. The error shown is sum |row - decoded|^2 / sum |row|^2.
--stages S codes S times over: each stage what those before it have left, in as many bits again.
--rotation opq learns a rotation of the rows by which they lose less, and keeps it in the file: it helps
where columns depend on each other, and costs d^2 products a look-up or query.
What is written serves look-ups, similar rows and top-k by your own query vectors.)";

/// What stands in a name of arrays.
void check_name(const std::string& name) {
  constexpr const char* kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
  const std::string first = name.substr(0, name.find('.'));
  if (name.empty() || name.find_first_not_of(kAllowed) != std::string::npos ||
      name.front() == '.' || name.back() == '.')
    input_error("--name \"", name, "\": letters, digits, \"_\" and \"-\", parted by \".\", belong");
  if (first == "ids" || first == "pad")
    input_error("--name ", name, ": names beginning with ids or pad are the format's own");
}

ordered_json tiers_json(const Converted& converted) {
  ordered_json tiers;
  for (size_t t = 0; t < converted.errors.size(); ++t) {
    const PackedTier& tier = converted.table.tiers[t];
    tiers.push_back({{"rows", converted.errors[t].rows},
                     {"subspaces", tier.subspaces},
                     {"codes", converted.table.code_count(static_cast<int>(t))},
                     {"centroids", tier.centroids},
                     {"bits_per_code", code_bits(tier.centroids)},
                     {"error", converted.errors[t].relative()}});
  }
  return tiers;
}

ordered_json learnt_json(const Converted& converted) {
  ordered_json learnt;
  for (const LearntRange& range : converted.learnt)
    learnt.push_back({{"first_centroid", range.centroids.first},
                      {"centroids", range.centroids.last - range.centroids.first},
                      {"sampled_rows", range.sample},
                      {"of_rows", range.population}});
  return learnt;
}

RowErrors total(const std::vector<RowErrors>& errors) {
  RowErrors sum;
  for (const RowErrors& tier : errors) sum.add(tier);
  return sum;
}

void print(const ordered_json& report) {
  fmt::print("table {}: {} rows of {}, {} from {}\n\n", report["table"].get<std::string>(),
             grouped(report["rows"]), report["dim"].get<int>(),
             report["source_dtype"].get<std::string>(), report["source"].get<std::string>());
  std::vector<TableRow> rows;
  for (const auto& tier : report["tiers"])
    rows.push_back({std::to_string(rows.size()), grouped(tier["rows"]), tier["subspaces"].dump(),
                    tier["centroids"].dump(), tier["bits_per_code"].dump(),
                    error_text(tier["error"])});
  rows.push_back({"all", grouped(report["rows"]), "", "", "", error_text(report["error"])});
  std::cout << format_table({"tier", "rows", "D", "K", "bits a code", "error"}, rows,
                            {Align::kLeft})
            << std::flush;
  if (report["stages"] > 1)
    fmt::print("\nstages  {}, of D codes a row each\n", report["stages"].get<int>());
  if (report.contains("rotation"))
    fmt::print("\nrotation: error {} where it was {}, of the {} rows it was learnt from\n",
               error_text(report["rotation"]["error"]),
               error_text(report["rotation"]["error_without"]),
               grouped(report["rotation"]["sampled_rows"]));
  const auto& seconds = report["seconds"];
  fmt::print(
      "\nsize    {:.2f}% of full: {} bytes in the file, of {} unquantized in f32\n"
      "time    {:.1f} s: checking {:.1f}, learning {:.1f}, encoding {:.1f}, writing {:.1f}\n"
      "written to {}\n",
      report["size"]["percent_of_full"].get<double>(), grouped(report["size"]["file_bytes"]),
      grouped(report["size"]["full_bits"].get<int64_t>() / 8), seconds["total"].get<double>(),
      seconds["check"].get<double>(), seconds["learn"].get<double>(),
      seconds["encode"].get<double>(), seconds["write"].get<double>(),
      report["out"].get<std::string>());
}

}  // namespace

ConvertCommand::ConvertCommand(CLI::App& app)
    : command_(app.add_subcommand(
          "convert",
          "compress a float table of yours: .npy, safetensors, and PyTorch's by script")),
      options_([] {
        ConvertOptions options;
        options.embedding.subspaces = {8};
        return options;
      }()),
      device_(*command_) {
  command_->footer(kExamples);
  command_->add_option("--in", in_, "TABLE.npy, FILE.safetensors or FILE.safetensors:NAME")
      ->required();
  command_->add_option("--out", out_, "the artifact to write")->required();
  command_
      ->add_option("--subspaces", options_.embedding.subspaces,
                   "D: codes a row; divides the dimension")
      ->delimiter(',')
      ->default_str("8");
  command_
      ->add_option("--stages", options_.stages,
                   "S: D codes for the row, D for what they leave of it, and so on")
      ->capture_default_str();
  command_
      ->add_option("--rotation", rotation_,
                   "none; opq: learnt, kept in the file, and undone by look-ups")
      ->capture_default_str();
  command_
      ->add_option("--centroids", options_.embedding.centroids,
                   "K of each tier, largest first, 1 to 256 [256,64]")
      ->delimiter(',');
  command_
      ->add_option(
          "--tiers", options_.embedding.tiers,
          "where tiers end, as cumulative fractions of the rows [0.1 where K has 2 values]")
      ->delimiter(',');
  command_->add_option("--codebook-type", codebook_type_, "f32, or f16: centroids of half the size")
      ->capture_default_str();
  command_->add_option("--counts", counts_,
                       "how often each row is asked for: \"id count\" lines, or .npy");
  command_->add_option("--ids", ids_, "the rows' ids, one a line or .npy; else their numbers");
  command_->add_option("--name", name_, "of the table")->capture_default_str();
  command_->add_option("--seed", options_.seed, "seed of sample and centroids")
      ->capture_default_str();
  command_
      ->add_option("--sample", options_.sample,
                   fmt::format("rows that each tier's centroids are learnt from, at most; 0: {} "
                               "a centroid",
                               kRowsPerCentroid))
      ->capture_default_str();
  command_->add_option("--iterations", options_.iterations, "of k-means, at most")
      ->capture_default_str();
  command_->add_flag("--json", as_json_, "report as JSON");
}

json ConvertCommand::recorded(const FloatTable& source, const ConvertOptions& options) const {
  return {{"source", in_},
          {"source_dtype", source.dtype()},
          {"counts", counts_},
          {"ids", ids_},
          {"subspaces", options.embedding.subspaces},
          {"stages", options.stages},
          {"rotation", rotation_},
          {"centroids", options.embedding.centroids},
          {"tiers", options.embedding.tiers},
          {"codebook_type", codebook_type_},
          {"sample", options.sample},
          {"iterations", options.iterations},
          {"seed", options.seed}};
}

void ConvertCommand::run() const {
  TableWork work;
  const std::unique_ptr<Backend> backend = device_.make();
  check_name(name_);
  const FloatTable source = FloatTable::open(in_);
  ConvertOptions options = options_;
  if (rotation_ != "none" && rotation_ != "opq")
    input_error("--rotation ", rotation_, " is unknown: none or opq");
  options.rotate = rotation_ == "opq";
  options.embedding.codebook_type = choice<CodebookType>(codebook_type_);
  options.resolve(source);
  require_output_file("--out", out_, {in_, in_.substr(0, in_.rfind(':')), ids_, counts_});
  OriginalIds ids = ids_.empty() ? row_numbers(source.rows()) : read_ids(ids_, source.rows());
  std::vector<int32_t> order;
  if (!counts_.empty()) order = order_by_count(read_counts(counts_, ids));
  source.check(work.progress());
  const double check_seconds = work.lap();
  const Converted converted =
      convert_table(*backend, source, std::move(order), options, work.progress());
  work.clear();
  work.lap();
  ordered_json report = {{"table", name_},
                         {"source", source.name()},
                         {"source_dtype", source.dtype()},
                         {"source_bytes", source.bytes()},
                         {"rows", source.rows()},
                         {"dim", source.dim()},
                         {"scheme", converted.table.scheme},
                         {"stages", converted.table.stages},
                         {"codebook_type", codebook_type_},
                         {"tiers", tiers_json(converted)},
                         {"error", total(converted.errors).relative()},
                         {"learnt", learnt_json(converted)}};
  if (converted.rotation)
    report["rotation"] = {{"sampled_rows", converted.rotation_sample},
                          {"error", converted.rotation->error},
                          {"error_without", converted.rotation->error_without}};
  Artifact artifact =
      table_artifact(name_, converted.table, in_order(std::move(ids), converted.order),
                     converted.errors, recorded(source, options));
  artifact.seed = options.seed;
  artifact.device = backend->name();
  const SizeReport size = write_artifact(out_, artifact);
  const double write_seconds = work.lap();
  report["size"] = to_json(size);
  report["seconds"] = {{"check", check_seconds},
                       {"learn", converted.learn_seconds},
                       {"encode", converted.encode_seconds},
                       {"write", write_seconds},
                       {"total", check_seconds + converted.learn_seconds +
                                     converted.encode_seconds + write_seconds}};
  report["device"] = backend->description();
  report["out"] = out_;
  if (as_json_)
    std::cout << report.dump(2, ' ', false, json::error_handler_t::replace) << std::endl;
  else
    print(report);
}

}  // namespace mgqe
