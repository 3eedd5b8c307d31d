// Means over seeds, ratios paired by seed, and intervals for many bounds at once.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mgqe {

/// One value a seed.
using BySeed = std::map<uint64_t, double>;

/// A mean, the half width of its 95% interval by Student's t (0 for one seed), and the seeds.
struct Estimate {
  double mean = 0.0;
  double half_width = 0.0;
  size_t seeds = 0;

  double low() const { return mean - half_width; }
  double high() const { return mean + half_width; }
};

/// Nothing of no seed.
std::optional<Estimate> estimate(const BySeed& values);

/// Of the ratios of the seeds that both have: what varies with the seed alone cancels.
std::optional<Estimate> paired_ratio(const BySeed& numerator, const BySeed& denominator);

/// The t that a variable of Student's distribution stays below with this probability, 0.5 to 1;
/// degrees of freedom 1 or more.
double student_t_quantile(double probability, size_t degrees);

/// The interval at 1 - 5% / bounds instead of 95% (Bonferroni): of so many intervals together at
/// most 5% miss. One seed's has no width and keeps none.
Estimate shared_among(const Estimate& estimate, size_t bounds);

/// The value at `size` on the line through (size, value) pairs, straight in log(size); beyond
/// either end that end's value. `points` is not empty and in any order.
double interpolate(std::vector<std::pair<double, double>> points, double size);

/// "0.6502 ± 0.0028", or the mean alone of one seed.
std::string to_text(const Estimate& estimate, int digits);

}  // namespace mgqe
