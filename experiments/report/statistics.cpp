#include "experiments/report/statistics.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "host/io/console/run_table.hpp"

namespace mgqe {
namespace {

/// P(T <= t) for t >= 0 by the finite sums that whole degrees of freedom have (Abramowitz and
/// Stegun, 26.7.3 and 26.7.4), over the angle whose tangent is t / sqrt(degrees).
double student_t_probability(double t, size_t degrees) {
  const double angle = std::atan(t / std::sqrt(static_cast<double>(degrees)));
  const double sine = std::sin(angle), cosine = std::cos(angle);
  const bool odd = degrees % 2 == 1;
  double term = odd ? cosine : 1.0, sum = 0.0;
  for (size_t power = odd ? 1 : 0; power + 2 <= degrees; power += 2) {
    sum += term;
    term *= static_cast<double>(power + 1) / static_cast<double>(power + 2) * cosine * cosine;
  }
  const double within = odd ? (angle + sine * sum) * 2.0 / M_PI : sine * sum;  // P(-t <= T <= t)
  return 0.5 + 0.5 * within;
}

}  // namespace

double student_t_quantile(double probability, size_t degrees) {
  double low = 0.0, high = 1.0;
  while (student_t_probability(high, degrees) < probability) high *= 2.0;
  for (int halving = 0; halving < 60; ++halving) {
    const double middle = 0.5 * (low + high);
    (student_t_probability(middle, degrees) < probability ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

Estimate shared_among(const Estimate& estimate, size_t bounds) {
  if (bounds < 2 || estimate.seeds < 2) return estimate;
  const size_t degrees = estimate.seeds - 1;
  Estimate wider = estimate;
  wider.half_width *= student_t_quantile(1.0 - 0.025 / static_cast<double>(bounds), degrees) /
                      student_t_quantile(0.975, degrees);
  return wider;
}

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
