// Times of a few ways to do one thing, by the device's clock, taken in turn so that all of them see
// the same clock and the same neighbours.
#pragma once

#include <functional>
#include <vector>

#include "host/engine/backend.hpp"

namespace mgqe::bench {

/// Seconds of one call: median, least and most of `samples`.
struct Timing {
  double median = 0, min = 0, max = 0;
  int samples = 0;
};

Timing summarize(std::vector<double> seconds);

/// Of a sample: the ends of the first and of the last call do not show.
inline constexpr double kSampleSeconds = 5e-3;

/// How many copies of an op's data, each of so many bytes, its calls must take in turn so that none
/// finds its own in a cache. 1 where the size of the cache is not known: it is flushed then.
int64_t copies_in_rotation(int64_t cache_bytes, double bytes);
/// Each call runs the next of them.
std::function<void()> in_rotation(std::vector<std::function<void()>> runs);

class Sampler {
 public:
  /// Up to `samples` samples of each way, fewer once they took `budget_seconds`, but at least
  /// three.
  Sampler(Backend& backend, int samples, double budget_seconds = 3.0);

  /// Calls each way once to warm up, then takes their samples round by round. A sample is one call
  /// after the caches were flushed if `flush`, else as many calls as take kSampleSeconds.
  std::vector<Timing> time(const std::vector<std::function<void()>>& ways, bool flush);

 private:
  double seconds_of(const std::function<void()>& way, int64_t calls);
  void flush_caches();

  Backend& backend_;
  int samples_;
  double budget_seconds_;
  Tensor<float> flush_, flush_sums_;
};

}  // namespace mgqe::bench
