#include "experiments/bench/sampler.hpp"

#include <algorithm>
#include <cmath>

namespace mgqe::bench {
namespace {

/// Larger than the last-level cache of any processor this runs on.
constexpr int64_t kFlushBytes = int64_t{128} << 20;
constexpr int64_t kFlushCols = 64;
constexpr int kFewestSamples = 3;
constexpr int64_t kMostCopies = 64;

struct Way {
  int64_t calls = 1;  // a sample
  double spent = 0;
  std::vector<double> seconds;
};

}  // namespace

Timing summarize(std::vector<double> seconds) {
  MGQE_CHECK(!seconds.empty());
  std::sort(seconds.begin(), seconds.end());
  const size_t n = seconds.size();
  const double median = 0.5 * (seconds[(n - 1) / 2] + seconds[n / 2]);
  return {median, seconds.front(), seconds.back(), static_cast<int>(n)};
}

int64_t copies_in_rotation(int64_t cache_bytes, double bytes) {
  if (cache_bytes == 0) return 1;
  constexpr double kCaches = 4.0;  // an LRU keeps nothing of so much, other policies little
  const auto copies =
      static_cast<int64_t>(std::ceil(kCaches * static_cast<double>(cache_bytes) / bytes));
  return std::clamp<int64_t>(copies, 2, kMostCopies);
}

std::function<void()> in_rotation(std::vector<std::function<void()>> runs) {
  return [runs = std::move(runs), next = size_t{0}]() mutable { runs[next++ % runs.size()](); };
}

Sampler::Sampler(Backend& backend, int samples, double budget_seconds)
    : backend_(backend),
      samples_(samples),
      budget_seconds_(budget_seconds),
      flush_(backend, kFlushBytes / static_cast<int64_t>(sizeof(float)) / kFlushCols, kFlushCols),
      flush_sums_(backend, kFlushCols) {}

/// Reads, because lines left dirty by writes would go to memory while the sample runs.
void Sampler::flush_caches() { backend_.sum_rows(flush_, flush_sums_); }

double Sampler::seconds_of(const std::function<void()>& way, int64_t calls) {
  const double seconds = backend_.seconds_of([&] {
    for (int64_t i = 0; i < calls; ++i) way();
  });
  return seconds / static_cast<double>(calls);
}

std::vector<Timing> Sampler::time(const std::vector<std::function<void()>>& ways, bool flush) {
  std::vector<Way> states(ways.size());
  for (size_t i = 0; i < ways.size(); ++i) {
    double once = seconds_of(ways[i], 1);  // pages, scratch and clock frequency settle
    if (flush || samples_ == 1 || once > kSampleSeconds) continue;
    once = std::max(seconds_of(ways[i], 1), 1e-9);
    states[i].calls = std::max<int64_t>(1, static_cast<int64_t>(std::ceil(kSampleSeconds / once)));
  }
  for (int sample = 0; sample < samples_; ++sample)
    for (size_t i = 0; i < ways.size(); ++i) {
      Way& state = states[i];
      if (sample >= kFewestSamples && state.spent > budget_seconds_) continue;
      if (flush) flush_caches();
      state.seconds.push_back(seconds_of(ways[i], state.calls));
      state.spent += state.seconds.back() * static_cast<double>(state.calls);
    }
  std::vector<Timing> timings;
  for (const Way& state : states) timings.push_back(summarize(state.seconds));
  return timings;
}

}  // namespace mgqe::bench
