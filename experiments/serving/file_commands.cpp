#include "experiments/serving/file_commands.hpp"

#include <fmt/format.h>

#include "host/data/ctr/ctr_cache.hpp"
#include "host/io/atomic_file.hpp"
#include "host/io/safetensors.hpp"

namespace mgqe {

VerifyCommand::VerifyCommand(CLI::App& app)
    : command_(
          app.add_subcommand("verify", "read all of an artifact or of histories, and check it")) {
  command_->footer(
      "example:\n  mgqe verify runs/mgqe/model.safetensors\n\n"
      "Checksum, codes within their codebooks, finite weights, ids and their order; exit code 2 "
      "and\n"
      "one line at the first that is wrong.");
  command_->add_option("file", path_, "an artifact, or a file of `mgqe histories` or `prepare`")
      ->required();
}

void VerifyCommand::run() const {
  if (is_ctr_cache(path_)) {
    const CtrCache cache(path_);
    cache.verify();
    fmt::print("{}: rows of {} fields, {} train, {} valid, {} test: good\n", path_,
               cache.index().fields.size(), cache.rows(CtrSplit::kTrain),
               cache.rows(CtrSplit::kValid), cache.rows(CtrSplit::kTest));
    return;
  }
  const Bytes bytes = Bytes::map(path_);
  const SafetensorsHeader header = read_safetensors_header(bytes);
  const auto format = header.metadata.find("format");
  if (format != header.metadata.end() && format->second == kHistoriesFormat) {
    const HistoriesView histories = HistoriesView::open(bytes);
    histories.verify();
    fmt::print("{}: histories of {} users, {} items in all, {} bytes: good\n", path_,
               histories.users(), histories.total(), bytes.size());
    return;
  }
  const ArtifactView artifact = ArtifactView::open(bytes);
  artifact.verify();
  fmt::print("{}: {} artifact of version {}, {} tables, {} bytes: good\n", path_,
             artifact.backbone(), artifact.version(), artifact.table_names().size(), bytes.size());
}

HistoriesCommand::HistoriesCommand(CLI::App& app)
    : command_(
          app.add_subcommand("histories", "write what users had to a file beside the artifact")),
      artifact_option_(command_->add_option("--artifact", path_, "model.safetensors of a run")
                           ->required()
                           ->type_name("FILE")),
      data_(*command_, ConfigBase::kRecorded,
            [](const auto& section, const auto&) { return section == "data"; }) {
  command_->footer(
      "example:\n  mgqe histories --artifact runs/mgqe/model.safetensors \\\n"
      "                 --out runs/mgqe/histories.safetensors\n\n"
      "The file lets `mgqe recommend` and `mgqe serve` leave out what users had, and answer for "
      "the\n"
      "users of a model that reads histories, without the data set.");
  command_->add_option("--out", out_, "the file to write")->required()->type_name("FILE");
  command_
      ->add_option("--until", until_,
                   "where histories end: before the validation item, before the test item (as "
                   "`mgqe evaluate` ranks), or at the end of what is known, for serving")
      ->type_name("validation|test|end")
      ->capture_default_str();
}

void HistoriesCommand::run() const {
  const Until until = parse_until(until_);
  const ArtifactView artifact = ArtifactView::open(path_);
  const auto data_of = [](const nlohmann::json& config) {
    return config.value("/data/name"_json_pointer, std::string());
  };
  require_output_file("--out", out_, {path_, data_of(artifact.config()), data_of(data_.given())});
  const KnownHistories histories = KnownHistories::load(artifact, data_.given(), until);
  histories.write(out_);
  fmt::print("histories of {} users written to {}\n", histories.users(), out_);
}

}  // namespace mgqe
