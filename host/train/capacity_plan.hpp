// --budget: a run's centroids and tiers from the bytes its tables may take.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "host/config/config.hpp"
#include "host/engine/backend.hpp"

namespace mgqe {

/// What a budget says of tables that take so many bytes in full, all of them: "10%", or "300000",
/// "300KiB", "2MiB", "1GiB". InputError where it is no such thing.
int64_t budget_bytes(const std::string& budget, int64_t full_bytes);

struct CapacityPlan {
  Config config;     // with the centroids and tiers that the budget gives
  std::string text;  // a line for each table, for people
};

/// Whether the sizes that a plan gives stand beside the budget, in a recorded config.
bool is_planned(const EmbeddingConfig& embedding);

/// Of a run with a budget that goes on in the folder `out`: the sizes that it was begun with.
void take_planned_sizes(const std::filesystem::path& out, Config& config);

/// What is done, and how many of how many steps.
using PlanProgress = std::function<void(const std::string& task, int64_t step, int64_t steps)>;

/// Trains full tables for config.embedding.budget_warmup epochs, sums their squared gradients by
/// row over one more, and allocates tiers (models/embeddings/tier_allocation.hpp) by these. The
/// same config, data and back end give the same plan. InputError where the budget is too small, and
/// for what it cannot plan: several ranks, or a table a field.
CapacityPlan plan_capacity(Backend& backend, const Config& config, const PlanProgress& progress);

}  // namespace mgqe
