#include "host/train/capacity_plan.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "host/io/checkpoint.hpp"
#include "host/train/training_loop.hpp"
#include "host/train/warm_start.hpp"
#include "models/embeddings/nested_codebook.hpp"
#include "models/features/placement.hpp"
#include "models/features/table_group.hpp"

namespace mgqe {
namespace {

/// What a model visits, by name.
std::map<std::string, std::vector<float>> arrays_of(Model& model) {
  std::map<std::string, std::vector<float>> arrays;
  model.visit(
      [&](const std::string& name, Tensor<float>& array) { arrays[name] = array.to_host(); });
  return arrays;
}

constexpr int64_t kStepsAtOnce = 64;  // between two looks at progress

/// Epoch number `epoch` of the warm-up, whose last one measures.
void run_epoch(TrainingLoop& loop, int epoch, int epochs, const PlanProgress& progress) {
  const int64_t steps = loop.steps_per_epoch();
  loop.begin_epoch(epoch);
  for (int64_t done = 0; done < steps;) {
    progress("budget: full tables", (epoch - 1) * steps + done, epochs * steps);
    done += loop.advance(std::min(kStepsAtOnce, steps - done));
  }
  if (!std::isfinite(loop.mean_loss()))
    input_error("--budget: the loss of full tables is not finite in epoch ", epoch,
                " of the warm-up: lower --lr or --init-stddev");
}

/// Full tables in the place of quantized ones.
Config full_config(Config config) {
  EmbeddingConfig& embedding = config.embedding;
  embedding.scheme = "full";
  embedding.budget.clear();
  embedding.user = embedding.item = {};
  embedding.tiers.clear();
  embedding.centroids = {256};
  config.train.row_type = RowType::kF32;
  config.model.pretrain_epochs = 0;
  return config;
}

/// Rows (n, d) of full tables after the warm-up, and each row's sum of squared gradients.
struct Measured {
  std::map<std::string, std::vector<float>> arrays;  // "user.table", "user.table.adagrad", ...

  const std::vector<float>& rows(const std::string& table) const {
    return arrays.at(table + ".table");
  }
  /// Row-wise Adagrad keeps the sum over steps of the mean of g^2 over a row's d components.
  const std::vector<float>& mean_squares(const std::string& table) const {
    return arrays.at(table + ".table.adagrad");
  }
};

/// Every array of a model after the warm-up but what its optimizer keeps of tables.
std::map<std::string, std::vector<float>> warm_up(Backend& backend, const Task& task,
                                                  const Config& config,
                                                  const PlanProgress& progress) {
  TrainingLoop loop(backend, task, config);
  const int epochs = config.embedding.budget_warmup;
  for (int epoch = 1; epoch <= epochs; ++epoch) run_epoch(loop, epoch, epochs + 1, progress);
  auto arrays = arrays_of(loop.model());
  std::erase_if(arrays, [](const auto& array) { return array.first.ends_with(".adagrad"); });
  return arrays;
}

Measured measure(Backend& backend, const Task& task, Config config, const PlanProgress& progress) {
  const auto weights = warm_up(backend, task, config, progress);
  // A rate at which nothing moves, under the optimizer that keeps just these sums.
  config.train.optimizer = Optimizer::kRowwiseAdagrad;
  config.train.lr = config.train.table_lr = 1e-30;
  config.train.l2 = 0.0;
  TrainingLoop measuring(backend, task, config);
  measuring.model().visit([&](const std::string& name, Tensor<float>& array) {
    if (const auto found = weights.find(name); found != weights.end()) array.assign(found->second);
  });
  const int last = config.embedding.budget_warmup + 1;
  run_epoch(measuring, last, last, progress);
  return {arrays_of(measuring.model())};
}

/// Tables that are cut alike, and the order of their rows by popularity.
struct PlannedTables {
  std::string name;  // "user", "item", "fields"
  std::vector<std::string> tables;
  std::vector<int64_t> dims;
  std::vector<int64_t> rows;  // of a full table, by popularity; empty: as they are
  int64_t count;              // n
  int subspaces;
};

int64_t component_bytes(const Config& config) {
  return config.embedding.codebook_type == CodebookType::kF32 ? sizeof(float) : sizeof(Half);
}

/// Of a table whose ids all use the fewest centroids.
int64_t least_bytes(const Config& config, const PlannedTables& planned) {
  const int64_t fewest = kTierCentroids.back();
  int64_t bytes = 0;
  for (const int64_t dim : planned.dims)
    bytes += planned.count * packed_row_bytes(planned.subspaces, code_bits(fewest)) +
             fewest * dim * component_bytes(config);
  return bytes;
}

TierCosts costs_of(Backend& backend, const Config& config, const Measured& measured,
                   const PlannedTables& planned) {
  TierCosts costs;
  for (std::vector<double>& lost : costs.lost) lost.assign(static_cast<size_t>(planned.count), 0.0);
  for (size_t t = 0; t < planned.tables.size(); ++t) {
    const int64_t dim = planned.dims[t];
    const std::vector<float>& all = measured.rows(planned.tables[t]);
    const std::vector<float>& squares = measured.mean_squares(planned.tables[t]);
    std::vector<float> rows;
    std::vector<double> sensitivity;
    for (int64_t i = 0; i < planned.count; ++i) {
      const int64_t row = planned.rows.empty() ? i : planned.rows[static_cast<size_t>(i)];
      rows.insert(rows.end(), all.begin() + row * dim, all.begin() + (row + 1) * dim);
      sensitivity.push_back(static_cast<double>(squares[static_cast<size_t>(row)]) *
                            static_cast<double>(dim));
    }
    const auto errors = nested_errors(backend, rows, dim, planned.subspaces,
                                      stream_key(config.run.seed, RandomStream::kItemCodebook) + t);
    for (size_t k = 0; k < kTierCentroids.size(); ++k) {
      for (size_t i = 0; i < sensitivity.size(); ++i)
        costs.lost[k][i] += sensitivity[i] * static_cast<double>(errors[k][i]);
      costs.row_bytes[k] += packed_row_bytes(planned.subspaces, code_bits(kTierCentroids[k]));
      costs.codebook_bytes[k] += kTierCentroids[k] * dim * component_bytes(config);
    }
  }
  return costs;
}

/// The ids of a layout's quantized features by falling count, ties by feature and id, as rows of
/// the table that holds every feature in full.
std::vector<int64_t> rows_by_popularity(const Task& full_task, const Config& config) {
  const FeatureGroup& full = full_task.catalogue().layout->groups.front();
  std::vector<std::pair<int64_t, int64_t>> counted;  // -count, row
  for (int64_t k = 0; k < full.count(); ++k) {
    const std::vector<int64_t>& counts = full.counts(k);
    if (static_cast<int64_t>(counts.size()) <= config.embedding.full_rows) continue;
    for (size_t id = 0; id < counts.size(); ++id)
      counted.emplace_back(-counts[id], full.row(k, static_cast<int32_t>(id)));
  }
  std::sort(counted.begin(), counted.end());
  std::vector<int64_t> rows;
  rows.reserve(counted.size());
  for (const auto& [count, row] : counted) rows.push_back(row);
  return rows;
}

std::vector<PlannedTables> planned_tables(const Task& full_task, const Config& config) {
  std::vector<PlannedTables> all;
  const Catalogue catalogue = full_task.catalogue();
  if (catalogue.layout != nullptr) {
    std::vector<int64_t> rows = rows_by_popularity(full_task, config);
    if (rows.empty())
      input_error("--budget: no field has more than --full-rows ", config.embedding.full_rows,
                  " rows, so that all are full");
    const auto count = static_cast<int64_t>(rows.size());
    all.push_back({"fields",
                   {"fields"},
                   {config.embedding.dim},
                   std::move(rows),
                   count,
                   config.embedding.subspaces[0]});
    return all;
  }
  for (const TableGroup& group : table_groups(config, catalogue)) {
    if (group.embedding.scheme == "full") continue;
    PlannedTables planned{group.name, {}, {}, {}, group.rows, group.embedding.subspaces[0]};
    for (const TableSpec& table : group.tables) {
      planned.tables.push_back(table.name);
      planned.dims.push_back(table.dim);
    }
    all.push_back(std::move(planned));
  }
  return all;
}

/// Cuts as make_tiers() reads them: cumulative fractions, which it rounds up.
std::vector<double> cuts_of(const TierPlan& plan) {
  std::vector<double> cuts;
  for (size_t t = 0; t + 1 < plan.ends.size(); ++t)
    cuts.push_back((static_cast<double>(plan.ends[t]) - 0.5) /
                   static_cast<double>(plan.ends.back()));
  return cuts;
}

void take(const TierPlan& plan, const std::string& name, EmbeddingConfig& embedding) {
  const std::vector<double> cuts = cuts_of(plan);
  if (name == "user") {
    embedding.user.centroids = plan.centroids;
    embedding.user.tiers = cuts;
  } else if (name == "item") {
    embedding.item.centroids = plan.centroids;
    embedding.item.tiers = cuts;
  } else {
    embedding.centroids = plan.centroids;
    embedding.tiers = cuts;
  }
}

/// Of all tables.
int64_t full_table_bytes(const Config& full, const Catalogue& catalogue) {
  int64_t floats = 0;
  for (const TableGroup& group : table_groups(full, catalogue))
    for (const TableSpec& table : group.tables) floats += group.rows * table.dim;
  return floats * int64_t{sizeof(float)};
}

std::string line_of(const PlannedTables& planned, const TierPlan& plan) {
  std::vector<std::string> tiers;
  int64_t begin = 0;
  for (size_t t = 0; t < plan.ends.size(); ++t) {
    tiers.push_back(fmt::format("{} ids of {} centroids", plan.ends[t] - begin, plan.centroids[t]));
    begin = plan.ends[t];
  }
  return fmt::format("        {}: {}; {:.1f} KiB\n", planned.name, fmt::join(tiers, ", "),
                     static_cast<double>(plan.bytes) / 1024.0);
}

}  // namespace

int64_t budget_bytes(const std::string& budget, int64_t full_bytes) {
  double number = 0.0;
  const char* const end = budget.data() + budget.size();
  const auto [rest, error] = std::from_chars(budget.data(), end, number);
  const std::string_view unit(rest, static_cast<size_t>(end - rest));
  double bytes = -1.0;
  if (error == std::errc() && unit == "%") bytes = number / 100.0 * static_cast<double>(full_bytes);
  if (error == std::errc() && (unit.empty() || unit == "B")) bytes = number;
  if (error == std::errc() && unit == "KiB") bytes = number * 1024.0;
  if (error == std::errc() && unit == "MiB") bytes = number * 1024.0 * 1024.0;
  if (error == std::errc() && unit == "GiB") bytes = number * 1024.0 * 1024.0 * 1024.0;
  if (!(bytes > 0.0 && bytes < 9e18))
    input_error("--budget ", budget,
                " is no size: give a share of full tables, as 10%, or bytes, as 300000, 300KiB, "
                "2MiB or 1GiB");
  return static_cast<int64_t>(bytes);
}

bool is_planned(const EmbeddingConfig& embedding) {
  const EmbeddingConfig defaults = [&] {
    Config config;
    config.embedding.scheme = embedding.scheme;
    resolve(config);
    return config.embedding;
  }();
  const auto given = [](const SideSizes& side) {
    return !side.centroids.empty() || !side.tiers.empty();
  };
  return embedding.centroids != defaults.centroids || embedding.tiers != defaults.tiers ||
         given(embedding.user) || given(embedding.item);
}

void take_planned_sizes(const std::filesystem::path& out, Config& config) {
  if (config.embedding.budget.empty()) return;
  const auto found = find_checkpoints(out / "checkpoints");
  for (auto newest = found.rbegin(); newest != found.rend(); ++newest) {
    Config there;
    try {
      const std::string where = newest->second.string();
      update_from_json(there, read_manifest(newest->second).config, where);
    } catch (const DamagedCheckpoint&) {
      continue;  // as when it is gone on from
    }
    const EmbeddingConfig& sizes = there.embedding;
    if (sizes.budget != config.embedding.budget) return;  // it will be refused
    config.embedding.centroids = sizes.centroids;
    config.embedding.tiers = sizes.tiers;
    config.embedding.user = sizes.user;
    config.embedding.item = sizes.item;
    return;
  }
}

CapacityPlan plan_capacity(Backend& backend, const Config& config, const PlanProgress& progress) {
  if (!backend.communicator().alone())
    input_error(
        "--budget is planned by one process: train with one first, for an epoch, and give several "
        "ranks --config and its result.json, which has the sizes");
  if (config.model.task == TaskKind::kCtr &&
      config.embedding.codebook_scope != CodebookScope::kShared)
    input_error("--budget with --codebook ", name_of(config.embedding.codebook_scope),
                ": one table is planned, so give --codebook shared");
  Config full = full_config(config);
  const std::unique_ptr<Task> task = make_task(backend, full);
  check_warm_start(config, *task);  // which begins after the plan
  require_memory(backend, plan_memory(1, full, task->catalogue()));
  const std::vector<PlannedTables> planned = planned_tables(*task, config);
  int64_t planned_bytes = 0, least = 0;  // in full; with the fewest centroids
  for (const PlannedTables& tables : planned) {
    for (const int64_t dim : tables.dims)
      planned_bytes += tables.count * dim * int64_t{sizeof(float)};
    least += least_bytes(config, tables);
  }
  const int64_t full_bytes = full_table_bytes(full, task->catalogue());
  const int64_t kept = full_bytes - planned_bytes;  // of tables that stay full
  const int64_t budget = budget_bytes(config.embedding.budget, full_bytes);
  if (budget < kept + least)
    input_error("--budget ", config.embedding.budget, " is ", budget, " bytes: the least is ",
                kept + least, ", of codes of ", kTierCentroids.back(),
                " centroids and their codebooks",
                kept > 0 ? detail::concat(", ", kept, " of tables that stay full") : "",
                kept > 0 && task->catalogue().layout != nullptr
                    ? "; --full-rows 0 cuts those of small fields too"
                    : "");

  const Measured measured = measure(backend, *task, full, progress);
  std::vector<TierCosts> costs;
  costs.reserve(planned.size());
  for (const PlannedTables& tables : planned)
    costs.push_back(costs_of(backend, config, measured, tables));
  const std::vector<TierPlan> plans = allocate_tiers(costs, budget - kept);

  CapacityPlan result{config, ""};
  int64_t bytes = kept;
  std::string lines;
  for (size_t t = 0; t < plans.size(); ++t) {
    take(plans[t], planned[t].name, result.config.embedding);
    lines += line_of(planned[t], plans[t]);
    bytes += plans[t].bytes;
  }
  if (task->catalogue().layout != nullptr && kept > 0)
    lines += fmt::format(
        "        fields of {} rows or fewer stay full: {:.1f} KiB; with --full-rows 0 they are cut "
        "like the others\n",
        config.embedding.full_rows, static_cast<double>(kept) / 1024.0);
  const auto as_large_as_can_be = [](const TierPlan& plan) {
    return plan.centroids == std::vector<int>{kTierCentroids.front()};
  };
  if (std::all_of(plans.begin(), plans.end(), as_large_as_can_be))
    lines += fmt::format(
        "        every id may use {} centroids, the most there are: --subspaces would take more "
        "bytes\n",
        kTierCentroids.front());
  result.text =
      fmt::format("budget  {:.1f} KiB of {:.1f} KiB in full: {:.1f} KiB ({:.2f}%) are used\n{}",
                  static_cast<double>(budget) / 1024.0, static_cast<double>(full_bytes) / 1024.0,
                  static_cast<double>(bytes) / 1024.0,
                  100.0 * static_cast<double>(bytes) / static_cast<double>(full_bytes), lines);
  return result;
}

}  // namespace mgqe
