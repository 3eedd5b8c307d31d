// A made-up store: what every scheme measures is chosen, so that verdicts and tables are known.
#pragma once

#include <cmath>
#include <functional>

#include "experiments/grid/collected_runs.hpp"
#include "experiments/report/evidence.hpp"
#include "host/io/atomic_file.hpp"
#include "tests/support/grid_testing.hpp"

namespace mgqe::testing {

/// Full-ranking HR@10 as a share of the full table's, or for relevance the RMSE as a multiple.
using Quality = std::function<double(const GridPoint& point)>;

inline GridChoice every_task() {
  GridChoice choice;
  choice.tasks = grid_tasks();
  return choice;
}

/// About what was measured: small dimensions fall, hashing fails, codes hold.
inline double plausible_quality(const GridPoint& point) {
  const auto& embedding = point.candidates.front().embedding;
  const std::string& scheme = embedding.scheme;
  const double dim = static_cast<double>(point.task.dim);
  double quality = 1.0;
  if (scheme == "full") quality = 1.0 - 0.07 * std::log2(dim / static_cast<double>(embedding.dim));
  if (scheme == "low_rank") quality = 0.99 - 0.05 * std::log2(dim / embedding.rank);
  if (scheme == "scalar_quantized") quality = 0.99 - 0.3 / embedding.bits;
  if (scheme == "hashed") quality = 0.2 + 0.1 * std::log2(embedding.buckets / 256.0);
  if (scheme == "dpq_vq" || scheme == "mgqe")
    quality = 1.01 - 0.03 * std::log2(32.0 / embedding.subspaces.front());
  if (scheme == "dpq_sx") quality = 0.6;
  return point.task.is_relevance() ? 1.0 + 0.2 * (1.0 - quality) : quality;
}

inline double percent_of(const EmbeddingConfig& embedding, double dim) {
  const std::string& scheme = embedding.scheme;
  if (scheme == "low_rank") return 100.0 * embedding.rank / dim;
  if (scheme == "scalar_quantized") return 100.0 * embedding.bits / 32.0;
  if (scheme == "hashed") return 100.0 * static_cast<double>(embedding.buckets) / 4728.0;
  if (scheme == "full") return 100.0;
  const double bits = scheme == "mgqe" ? 6.2 : 8.0;
  return 5.4 + 100.0 * bits * embedding.subspaces.front() / (32.0 * dim);
}

/// The run of one candidate; `wobble` is its seed's own share of every figure.
inline RunRecord made_up_run(const GridPoint& point, Config config, uint64_t seed, double quality,
                             double wobble) {
  config.run.seed = seed;
  MadeUpFigures figures{0.65 * (1.0 + 0.3 * (quality - 1.0)) * wobble, 0.08 * quality * wobble};
  // L2 of 1e-5 is a little better than the others.
  if (point.task.is_relevance())
    figures.sampled = (config.train.l2 == 1e-5 ? 14.0 : 14.2) * quality * wobble;
  RunRecord result = made_up_result(config, figures);
  const double percent = percent_of(config.embedding, static_cast<double>(config.embedding.dim));
  const double full_bits = result["size"]["full_bits"];
  result["size"]["formula_bits"] = static_cast<int64_t>(full_bits * percent / 100.0);
  result["size"]["percent_of_full"] = percent;
  for (int epoch = 1; epoch <= 4; ++epoch)
    result["train_loss"][static_cast<size_t>(epoch - 1)] =
        0.2 + 0.2 / epoch * (config.embedding.scheme == "mgqe" ? 1.02 : 1.0) * wobble;
  return make_record(result, config);
}

/// Runs of every point and candidate with these seeds.
inline std::vector<RunRecord> made_up_runs(const std::vector<GridPoint>& points,
                                           const std::vector<uint64_t>& seeds,
                                           const Quality& quality = plausible_quality) {
  std::vector<RunRecord> runs;
  for (const GridPoint& point : points)
    for (const Config& candidate : point.candidates)
      for (const uint64_t seed : seeds)
        runs.push_back(made_up_run(point, candidate, seed, quality(point),
                                   1.0 + 0.001 * static_cast<double>(seed % 3)));
  return runs;
}

/// The runs as a store keeps them for good: joined to one file.
inline void put_all(const std::filesystem::path& folder, const std::vector<RunRecord>& runs) {
  std::string lines;
  for (const RunRecord& run : runs) lines += line_of(run);
  std::filesystem::create_directories(folder);
  write_file_atomically(folder / "made-up.jsonl", lines);
}

}  // namespace mgqe::testing
