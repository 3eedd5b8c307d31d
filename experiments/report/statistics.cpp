#include "experiments/report/statistics.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "host/io/console/run_table.hpp"

namespace mgqe {
namespace {

/// P(T <= t) for t >= 0: the density integrated by Simpson's rule over the angle whose tangent is
/// t / sqrt(degrees), where it is the smooth c cos^(degrees - 1), even for a t without end.
double student_t_probability(double t, double degrees) {
  constexpr int kPieces = 2000;  // even; leaves an error far below any digit shown
  const double angle = std::atan(t / std::sqrt(degrees)), piece = angle / kPieces;
  double sum = 0.0;
  for (int i = 0; i <= kPieces; ++i) {
    const double weight = i == 0 || i == kPieces ? 1.0 : i % 2 == 1 ? 4.0 : 2.0;
    sum += weight * std::pow(std::cos(piece * i), degrees - 1.0);
  }
  const double scale =
      std::exp(std::lgamma((degrees + 1.0) / 2.0) - std::lgamma(degrees / 2.0)) / std::sqrt(M_PI);
  return 0.5 + scale * sum * piece / 3.0;
}

}  // namespace

double student_t_quantile(double probability, double degrees) {
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
  const double degrees = static_cast<double>(estimate.seeds - 1);
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
