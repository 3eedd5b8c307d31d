#include "host/data/relevance/relevance.hpp"

#include <cmath>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "host/base/check.hpp"
#include "host/base/sampling.hpp"
#include "host/data/hasher.hpp"
#include "host/data/interactions/popularity.hpp"
#include "host/data/locate.hpp"
#include "host/data/relevance/relevance_source.hpp"
#include "host/data/text/text_reader.hpp"

namespace mgqe {

namespace {

/// Not a run's seed: every scheme and seed is measured on the same pairs.
constexpr uint64_t kSplitSeed = 20'200'420;

/// Sends every pair to one of the three parts, by its place in a keyed permutation.
void split_pairs(const RelevanceSource& source, RelevanceDataset& dataset) {
  const ScoredPairs& pairs = source.pairs;
  const int64_t tests = pairs.size() / 10, valids = (pairs.size() - tests) / 10;
  const Permutation place(static_cast<uint64_t>(pairs.size()),
                          stream_key(kSplitSeed, RandomStream::kEvaluation));
  double squares = 0.0;
  for (int64_t p = 0; p < pairs.size(); ++p) {
    const auto at = static_cast<int64_t>(place(static_cast<uint64_t>(p)));
    ScoredPairs& part = at < tests            ? dataset.test
                        : at < tests + valids ? dataset.valid
                                              : dataset.train;
    part.add(pairs.left[p], pairs.right[p], pairs.score[p]);
    if (at < tests && !source.noiseless.empty()) {
      const double noise = static_cast<double>(pairs.score[p]) - source.noiseless[p];
      squares += noise * noise;
    }
  }
  if (!source.noiseless.empty())
    dataset.noise_floor = std::sqrt(squares / static_cast<double>(tests));
}

void rank_items(RelevanceDataset& dataset, Backend& backend) {
  std::vector<int64_t> counts(dataset.items);
  for (const auto* side : {&dataset.train.left, &dataset.train.right})
    for (const int32_t item : *side) ++counts[item];
  const std::vector<int32_t> order = frequency_order(counts, backend);
  reorder(dataset.item_ids.integers, order);
  reorder(dataset.item_ids.strings, order);
  const std::vector<int32_t> rank = invert(order);
  for (ScoredPairs* part : {&dataset.train, &dataset.valid, &dataset.test})
    for (auto* side : {&part->left, &part->right})
      for (int32_t& item : *side) item = rank[item];
}

uint64_t fingerprint_of(const RelevanceDataset& dataset) {
  Hasher hasher;
  hasher.add(dataset.item_ids);
  for (const ScoredPairs* part : {&dataset.train, &dataset.valid, &dataset.test}) {
    hasher.add(part->left);
    hasher.add(part->right);
    hasher.add(part->score);
  }
  return hasher.value();
}

std::filesystem::path locate(const std::string& name) {
  const auto missing = [](const std::filesystem::path& path) {
    std::error_code unreadable_is_missing;
    return !std::filesystem::exists(path, unreadable_is_missing);
  };
  if (name == "steam") {
    std::filesystem::path path = data_folder() / "relevance" / "steam.tsv.gz";
    if (missing(path))
      input_error(path.string(),
                  ": steam is not there: set MGQE_DATA_DIR to the folder that holds "
                  "relevance/steam.tsv.gz, or use relevance-synthetic");
    return path;
  }
  for (const std::string_view ranking : {"auto", "ml-1m", "ncf", "video", "synthetic"})
    if (name == ranking)
      input_error("--data ", name,
                  " has no scores of item pairs: --task relevance reads steam, "
                  "relevance-synthetic, or a file of \"item item score\"");
  if (missing(name))
    input_error(name,
                ": no such file: give the path of a file of \"item item score\", or one of "
                "the names steam, relevance-synthetic");
  return name;
}

}  // namespace

RelevanceDataset arrange_relevance(const std::string& name, RelevanceSource source,
                                   Backend& backend) {
  RelevanceDataset dataset;
  dataset.name = name;
  dataset.items = source.item_ids.size();
  dataset.reading = source.reading;
  split_pairs(source, dataset);
  dataset.item_ids = std::move(source.item_ids);
  source = {};
  rank_items(dataset, backend);
  double sum = 0.0;
  for (const float score : dataset.train.score) sum += score;
  dataset.mean_score = sum / static_cast<double>(dataset.train.size());
  dataset.fingerprint = fingerprint_of(dataset);
  return dataset;
}

RelevanceDataset load_relevance(const DataConfig& config, Backend& backend) {
  RelevanceSource source = config.name == "relevance-synthetic"
                               ? generate_relevance(config)
                               : read_relevance_file(open_data_file(locate(config.name)));
  return arrange_relevance(config.name, std::move(source), backend);
}

}  // namespace mgqe
