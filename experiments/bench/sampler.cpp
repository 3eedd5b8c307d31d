#include "experiments/bench/sampler.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace mgqe::bench {
namespace {

/// Larger than the last-level cache of any device this runs on.
constexpr int64_t kFlushBytes = int64_t{128} << 20;
constexpr int64_t kFlushCols = 64;
constexpr double kSampleSeconds = 1e-3;  // of a warm sample, so that clock and launch do not show
constexpr int kFewestSamples = 3;

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

Sampler::Sampler(Backend& backend, int samples, double budget_seconds)
    : backend_(backend),
      samples_(samples),
      budget_seconds_(budget_seconds),
      flush_(backend, kFlushBytes / static_cast<int64_t>(sizeof(float)) / kFlushCols, kFlushCols),
      flush_sums_(backend, kFlushCols) {}

/// Reads, because lines left dirty by writes would go to memory while the sample runs.
void Sampler::flush_caches() { backend_.sum_rows(flush_, flush_sums_); }

double Sampler::seconds_of(const std::function<void()>& way, int64_t calls) {
  using Clock = std::chrono::steady_clock;
  backend_.synchronize();
  const Clock::time_point began = Clock::now();
  for (int64_t i = 0; i < calls; ++i) way();
  backend_.synchronize();
  return std::chrono::duration<double>(Clock::now() - began).count() / static_cast<double>(calls);
}

std::vector<Timing> Sampler::time(const std::vector<std::function<void()>>& ways, bool cold) {
  std::vector<Way> states(ways.size());
  for (size_t i = 0; i < ways.size(); ++i) {
    double once = seconds_of(ways[i], 1);  // pages, scratch and clock frequency settle
    if (cold || samples_ == 1 || once > 10 * kSampleSeconds) continue;
    once = std::max(seconds_of(ways[i], 1), 1e-9);
    states[i].calls = std::max<int64_t>(1, std::llround(kSampleSeconds / once));
  }
  for (int sample = 0; sample < samples_; ++sample)
    for (size_t i = 0; i < ways.size(); ++i) {
      Way& state = states[i];
      if (sample >= kFewestSamples && state.spent > budget_seconds_) continue;
      if (cold) flush_caches();
      state.seconds.push_back(seconds_of(ways[i], state.calls));
      state.spent += state.seconds.back() * static_cast<double>(state.calls);
    }
  std::vector<Timing> timings;
  for (const Way& state : states) timings.push_back(summarize(state.seconds));
  return timings;
}

}  // namespace mgqe::bench
