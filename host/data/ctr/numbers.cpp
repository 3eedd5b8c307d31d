#include "host/data/ctr/numbers.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "host/base/philox.hpp"

namespace mgqe {

bool read_decimal(std::string_view text, double& value) {
  // Most are short whole numbers, which need no rounding.
  constexpr size_t kShort = 9;
  const size_t sign = text.starts_with('-') ? 1 : 0;
  if (text.size() > sign && text.size() <= kShort) {
    int64_t whole = 0;
    bool digits = true;
    for (size_t i = sign; i < text.size(); ++i) {
      const auto digit = static_cast<unsigned>(text[i] - '0');
      digits = digits && digit < 10;
      whole = 10 * whole + digit;
    }
    if (digits) {
      value = static_cast<double>(sign == 1 ? -whole : whole);
      return true;
    }
  }
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && stop == text.data() + text.size() && std::isfinite(value);
}

namespace {

int64_t squared_log(double x) {
  const double log = std::log1p(x);
  return static_cast<int64_t>(std::floor(log * log));
}

}  // namespace

int64_t log_bucket(double x) {
  // Most are small counts.
  constexpr int kSmall = 1024;
  static const std::vector<uint8_t> small = [] {
    std::vector<uint8_t> buckets(kSmall);
    for (size_t i = 0; i < kSmall; ++i)
      buckets[i] = static_cast<uint8_t>(squared_log(static_cast<double>(i)));
    return buckets;
  }();
  if (x >= 0.0 && x < kSmall && x == static_cast<int>(x)) return small[static_cast<size_t>(x)];
  return x < 0.0 ? -1 - squared_log(-x) : squared_log(x);
}

double log_of_plus(double x, double shift) { return std::log(std::max(x + shift, 1.0)); }

double NumberMoments::deviation() const {
  const double variance = count_ > 0 ? squares_ / static_cast<double>(count_) : 0.0;
  return variance > 0.0 ? std::sqrt(variance) : 1.0;
}

void NumberSample::add(int64_t row, double x) {
  constexpr uint64_t kKey = 0x51ED2701A4C0B3D7ull;
  const Drawn drawn{random_u64(kKey, static_cast<uint64_t>(row)), x};
  if (drawn_.size() < kMost) {
    drawn_.push_back(drawn);
    if (drawn_.size() == kMost) std::make_heap(drawn_.begin(), drawn_.end());
  } else if (drawn < drawn_.front()) {
    std::pop_heap(drawn_.begin(), drawn_.end());
    drawn_.back() = drawn;
    std::push_heap(drawn_.begin(), drawn_.end());
  }
}

std::vector<double> NumberSample::sorted() const {
  std::vector<double> numbers;
  for (const Drawn& drawn : drawn_) numbers.push_back(drawn.x);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

std::vector<double> quantile_bounds(const std::vector<double>& sorted, int64_t buckets) {
  std::vector<double> bounds;
  const auto count = static_cast<int64_t>(sorted.size());
  for (int64_t part = 1; part < buckets && count > 0; ++part) {
    const double bound = sorted[static_cast<size_t>(part * count / buckets)];
    // Below the first bound there must be something.
    if (bound > sorted.front() && (bounds.empty() || bound > bounds.back()))
      bounds.push_back(bound);
  }
  return bounds;
}

int64_t quantile_bucket(const std::vector<double>& bounds, double x) {
  return std::upper_bound(bounds.begin(), bounds.end(), x) - bounds.begin();
}

}  // namespace mgqe
