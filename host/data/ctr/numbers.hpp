// Numbers in columns, and the buckets that make ids of them.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace mgqe {

/// False where `text` is not a finite decimal number.
bool read_decimal(std::string_view text, double& value);

/// floor(log(x + 1)^2) of x of 0 or more; -1 - floor(log(1 - x)^2) below 0.
int64_t log_bucket(double x);

/// log(max(x + shift, 1)): never below 0, whatever stands in the file.
double log_of_plus(double x, double shift);

/// Mean and variance of numbers, one after the other (Welford 1962).
class NumberMoments {
 public:
  void add(double x) {
    const double off = x - mean_;
    mean_ += off / static_cast<double>(++count_);
    squares_ += off * (x - mean_);
  }
  double mean() const { return mean_; }
  /// 1 where they are all the same, or none.
  double deviation() const;

 private:
  int64_t count_ = 0;
  double mean_ = 0.0, squares_ = 0.0;  // the latter: of distances from the mean
};

/// A sample of so many numbers, of each by its row alone: the same whatever the order. All of them
/// while they are no more than that.
class NumberSample {
 public:
  static constexpr size_t kMost = size_t{1} << 16;

  void add(int64_t row, double x);
  /// Ascending.
  std::vector<double> sorted() const;

 private:
  struct Drawn {
    uint64_t lot;
    double x;
    bool operator<(const Drawn& other) const { return lot < other.lot; }
  };
  std::vector<Drawn> drawn_;  // a heap, the greatest lot on top, once it is full
};

/// The distinct bounds that part ascending numbers into `buckets` parts as equal as ties let them
/// be: fewer than `buckets` of them.
std::vector<double> quantile_bounds(const std::vector<double>& sorted, int64_t buckets);

/// How many of the ascending bounds are at x or below.
int64_t quantile_bucket(const std::vector<double>& bounds, double x);

}  // namespace mgqe
