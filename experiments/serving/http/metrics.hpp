// Metrics of the service in Prometheus' text format.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace mgqe {

/// From many threads at once.
class Metrics {
 public:
  /// An answer was given; `endpoint` is one of few, whatever clients ask for.
  void count(const std::string& endpoint, int status);
  /// What it took to compute one.
  void observe(const std::string& endpoint, double seconds);
  void count_reload(bool good);

  /// Requests that are being computed.
  std::atomic<int> in_flight{0};

  /// A value that is looked at when somebody asks; `labels`: "a=\"b\"" or empty.
  struct Gauge {
    std::string name, help, labels;
    double value = 0;
  };
  std::string text(const std::vector<Gauge>& gauges) const;

 private:
  static constexpr std::array<double, 14> kBounds = {.0001, .00025, .0005, .001, .0025, .005, .01,
                                                     .025,  .05,    .1,    .25,  .5,    1,    2.5};
  struct Histogram {
    std::array<int64_t, kBounds.size()> counts{};  // of values up to each bound, and no lower one
    int64_t total = 0;
    double sum = 0;
  };

  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, int64_t> requests_;
  std::map<std::string, Histogram> seconds_;
  int64_t reloads_ = 0, failed_reloads_ = 0;
};

}  // namespace mgqe
