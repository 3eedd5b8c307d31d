// Times of a few ways to do one thing, taken in turn so that all of them see the same clock and the
// same neighbours.
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

class Sampler {
 public:
  /// Up to `samples` samples of each way, fewer once they took `budget_seconds`, but at least
  /// three.
  Sampler(Backend& backend, int samples, double budget_seconds = 3.0);

  /// Calls each way once to warm up, then takes their samples round by round. A sample is one call
  /// with nothing of its data in the caches if `cold`, else as many calls as take a millisecond.
  std::vector<Timing> time(const std::vector<std::function<void()>>& ways, bool cold);

 private:
  double seconds_of(const std::function<void()>& way, int64_t calls);
  void flush_caches();

  Backend& backend_;
  int samples_;
  double budget_seconds_;
  Tensor<float> flush_, flush_sums_;
};

}  // namespace mgqe::bench
