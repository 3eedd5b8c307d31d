#include "experiments/cli/derive_relevance.hpp"

#include <iterator>
#include <memory>

#include <fmt/format.h>

#include "experiments/cli/cli.hpp"
#include "host/base/check.hpp"
#include "host/io/atomic_file.hpp"

namespace mgqe {

std::string relevance_field(const DataIds& ids, int32_t item) {
  const std::string name = ids.name(item);
  if (name.find_first_of("\t\n") != std::string::npos || name.starts_with('#') ||
      name.starts_with(' ') || name.ends_with(' '))
    input_error("item \"", name,
                "\" cannot stand in a tab-separated file: rename items with tabs, ",
                "a leading \"#\", or spaces at an end");
  return name;
}

std::string relevance_text(const Dataset& dataset, const ScoredPairs& pairs, uint64_t seed) {
  std::string text = fmt::format(
      "# item, item, relevance: derived from {} ({} users, {} items), seed {}. c: users who have "
      "both; e = |a| |b| / users; score = round(100 tanh(ln((c + 1) / (e + 1)) / 1.5)). 70% of the "
      "pairs are drawn from those with c >= 2, the rest by popularity.\n",
      dataset.name, dataset.users, dataset.items, seed);
  for (int64_t p = 0; p < pairs.size(); ++p)
    fmt::format_to(
        std::back_inserter(text), "{}\t{}\t{}\n", relevance_field(dataset.item_ids, pairs.left[p]),
        relevance_field(dataset.item_ids, pairs.right[p]), static_cast<int>(pairs.score[p]));
  return text;
}

DeriveRelevanceCommand::DeriveRelevanceCommand(CLI::App& app)
    : command_(
          app.add_subcommand("derive-relevance", "score item pairs by how often users have both")) {
  command_->footer(
      "example:\n  mgqe derive-relevance --data ml-1m --out relevance.tsv --pairs 1000000\n"
      "  mgqe train --task relevance --data relevance.tsv --out runs/relevance");
  command_->add_option("--data", data_.name, "ml-1m, ncf, video, synthetic, or the path of a file")
      ->required();
  command_->add_option("--out", out_, "the file to write, \"item item score\" a line")->required();
  command_->add_option("--pairs", pairs_, "pairs wanted; fewer where there are fewer")
      ->capture_default_str();
  command_->add_option("--seed", seed_, "seed of the choice of pairs")
      ->check(not_unsigned)
      ->capture_default_str();
}

void DeriveRelevanceCommand::run() const {
  if (pairs_ < kMinScoredPairs || pairs_ > kMaxPairs)
    input_error("--pairs ", pairs_, " is out of range: ", kMinScoredPairs, " to ", kMaxPairs);
  require_output_file("--out", out_, {data_.name});
  const std::unique_ptr<Backend> backend = make_backend("cpu");
  const Dataset dataset = load_dataset(data_, *backend);
  const ScoredPairs pairs = derive_relevance(dataset, pairs_, seed_);
  if (pairs.size() < kMinScoredPairs)
    input_error("--data ", data_.name, " gives ", pairs.size(), " pairs to score: relevance ",
                "needs ", kMinScoredPairs, " or more; give more interactions");
  write_file_atomically(out_, relevance_text(dataset, pairs, seed_));
  fmt::print("{} scored pairs of {} items written to {}\n", pairs.size(), dataset.items, out_);
}

}  // namespace mgqe
