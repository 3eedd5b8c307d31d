#include "experiments/report/statistics.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "host/io/console/run_table.hpp"

namespace mgqe {

std::optional<Estimate> estimate(const BySeed& values) {
  if (values.empty()) return std::nullopt;
  std::vector<double> list;
  for (const auto& [seed, value] : values) list.push_back(value);
  const MeanInterval interval = mean_interval(list);
  return Estimate{interval.mean, interval.half_width, list.size()};
}

std::optional<Estimate> paired_ratio(const BySeed& numerator, const BySeed& denominator) {
  BySeed ratios;
  for (const auto& [seed, value] : numerator)
    if (const auto other = denominator.find(seed); other != denominator.end())
      ratios[seed] = value / other->second;
  return estimate(ratios);
}

double interpolate(std::vector<std::pair<double, double>> points, double size) {
  std::sort(points.begin(), points.end());
  if (size <= points.front().first) return points.front().second;
  for (size_t i = 1; i < points.size(); ++i) {
    const auto [left, left_value] = points[i - 1];
    const auto [right, right_value] = points[i];
    if (size > right) continue;
    const double share = std::log(size / left) / std::log(right / left);
    return left_value + share * (right_value - left_value);
  }
  return points.back().second;
}

std::string to_text(const Estimate& estimate, int digits) {
  if (estimate.seeds < 2) return fmt::format("{:.{}f}", estimate.mean, digits);
  return fmt::format("{:.{}f} ± {:.{}f}", estimate.mean, digits, estimate.half_width, digits);
}

}  // namespace mgqe
