#include "models/embeddings/tier_allocation.hpp"

#include <cmath>
#include <limits>

#include "host/base/check.hpp"

namespace mgqe {
namespace {

constexpr size_t kChoices = kTierCentroids.size();

/// Tiers that end at `ends`, by number of kTierCentroids; empty ones are left out.
TierPlan plan_of(const TierCosts& costs, const std::array<int64_t, kChoices>& ends) {
  TierPlan plan;
  int64_t begin = 0;
  for (size_t k = 0; k < kChoices; ++k) {
    if (ends[k] == begin) continue;
    if (plan.centroids.empty()) plan.bytes += costs.codebook_bytes[k];
    plan.bytes += (ends[k] - begin) * costs.row_bytes[k];
    for (int64_t i = begin; i < ends[k]; ++i) plan.lost += costs.lost[k][static_cast<size_t>(i)];
    plan.centroids.push_back(kTierCentroids[k]);
    plan.ends.push_back(ends[k]);
    begin = ends[k];
  }
  return plan;
}

/// Where tiers end at the least price, the first one of choice `first`, which has an id at least.
/// Prefixes of the ids are cut, the last tier of each of choice k: from[k][i] is where that begins
/// where the prefix ends at i.
std::array<int64_t, kChoices> cut(const TierCosts& costs, double price, size_t first) {
  const int64_t n = costs.rows();
  std::array<std::vector<int64_t>, kChoices> from;
  std::vector<double> before;  // of prefixes whose last tier is of the choice before
  for (size_t k = first; k < kChoices; ++k) {
    from[k].resize(static_cast<size_t>(n) + 1);
    std::vector<double> best(static_cast<size_t>(n) + 1);
    double here = 0.0;  // all ids up to i by this choice
    // What it costs more that others came before where it is best to begin.
    double least = k > first ? std::numeric_limits<double>::infinity() : 0.0;
    int64_t begin = 0;
    for (int64_t i = 0; i <= n; ++i) {
      const auto at = static_cast<size_t>(i);
      if (i > 0) here += costs.lost[k][at - 1] + price * static_cast<double>(costs.row_bytes[k]);
      if (k > first && i > 0 && before[at] - here < least) {
        least = before[at] - here;
        begin = i;
      }
      best[at] = here + least;
      from[k][at] = begin;
    }
    before = std::move(best);
  }
  std::array<int64_t, kChoices> ends{};
  int64_t end = n;
  for (size_t k = kChoices; k-- > first;) {
    ends[k] = end;
    end = from[k][static_cast<size_t>(end)];
  }
  return ends;
}

int64_t bytes_of(const std::vector<TierPlan>& plans) {
  int64_t bytes = 0;
  for (const TierPlan& plan : plans) bytes += plan.bytes;
  return bytes;
}

/// The plan whose largest codebook is of choice `first`, at a price of a byte.
TierPlan plan_at(const TierCosts& costs, double price, size_t first) {
  return plan_of(costs, cut(costs, price, first));
}

/// What the largest codebook of each table may be, every combination.
std::vector<std::vector<size_t>> largest_codebooks(size_t tables) {
  std::vector<std::vector<size_t>> all = {{}};
  for (size_t t = 0; t < tables; ++t) {
    std::vector<std::vector<size_t>> longer;
    for (const std::vector<size_t>& before : all)
      for (size_t first = 0; first < kChoices; ++first) {
        longer.push_back(before);
        longer.back().push_back(first);
      }
    all = std::move(longer);
  }
  return all;
}

/// The least that fits, its largest codebooks given; none where nothing does.
std::vector<TierPlan> fitting_plans(std::span<const TierCosts> tables,
                                    const std::vector<size_t>& firsts, int64_t budget_bytes) {
  const auto plans_at = [&](double price) {
    std::vector<TierPlan> plans;
    for (size_t t = 0; t < tables.size(); ++t)
      plans.push_back(plan_at(tables[t], price, firsts[t]));
    return plans;
  };
  std::vector<TierPlan> best = plans_at(0.0);
  if (bytes_of(best) <= budget_bytes) return best;
  // At the price of all that can be lost a byte, none is bought.
  double low = 0.0, high = 1.0;
  for (const TierCosts& table : tables) high += plan_at(table, 0.0, kChoices - 1).lost;
  best = plans_at(high);
  if (bytes_of(best) > budget_bytes) return {};
  for (int step = 0; step < 100 && high - low > 1e-12 * high; ++step) {
    const double price = 0.5 * (low + high);
    std::vector<TierPlan> plans = plans_at(price);
    if (bytes_of(plans) <= budget_bytes) {
      high = price;
      best = std::move(plans);
    } else {
      low = price;
    }
  }
  return best;
}

double lost_of(const std::vector<TierPlan>& plans) {
  double lost = 0.0;
  for (const TierPlan& plan : plans) lost += plan.lost;
  return lost;
}

}  // namespace

TierPlan cheapest_tiers(const TierCosts& costs, double price) {
  TierPlan best;
  double least = std::numeric_limits<double>::infinity();
  for (size_t first = 0; first < kChoices; ++first) {  // which decides what the codebook takes
    TierPlan plan = plan_at(costs, price, first);
    const double total = plan.lost + price * static_cast<double>(plan.bytes);
    if (total < least) {
      least = total;
      best = std::move(plan);
    }
  }
  return best;
}

std::vector<TierPlan> allocate_tiers(std::span<const TierCosts> tables, int64_t budget_bytes) {
  int64_t least = 0;
  for (const TierCosts& table : tables) {
    for (const std::vector<double>& costs : table.lost)
      for (const double cost : costs) MGQE_CHECK(std::isfinite(cost), "a cost of ", cost);
    least += plan_at(table, 0.0, kChoices - 1).bytes;
  }
  if (least > budget_bytes)
    input_error("--budget of ", budget_bytes, " bytes: codes of ", kTierCentroids.back(),
                " centroids and their codebooks alone take ", least);
  // A codebook takes its bytes at once. Under one price for all, no plan would come between that
  // without it and one with many ids by it; with the largest codebooks given, there are such.
  std::vector<TierPlan> best;
  for (const std::vector<size_t>& firsts : largest_codebooks(tables.size())) {
    std::vector<TierPlan> plans = fitting_plans(tables, firsts, budget_bytes);
    if (!plans.empty() && (best.empty() || lost_of(plans) < lost_of(best))) best = std::move(plans);
  }
  MGQE_CHECK(bytes_of(best) <= budget_bytes, bytes_of(best), " bytes of ", budget_bytes);
  return best;
}

}  // namespace mgqe
