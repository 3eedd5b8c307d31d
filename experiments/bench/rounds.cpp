#include "experiments/bench/rounds.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>

#include "host/base/check.hpp"

namespace mgqe::bench {
namespace {

double processor_seconds() {
  timespec now{};
  MGQE_CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

CallTime time_of(const std::function<void()>& call) {
  const auto wall = std::chrono::steady_clock::now();
  const double cpu = processor_seconds();
  call();
  const double cpu_seconds = processor_seconds() - cpu;
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - wall).count(),
          cpu_seconds};
}

double quantile(const std::vector<CallTime>& times, double p, double CallTime::*clock) {
  MGQE_CHECK(!times.empty());
  std::vector<double> sorted;
  for (const CallTime& time : times) sorted.push_back(time.*clock);
  std::sort(sorted.begin(), sorted.end());
  if (p == 0.5) return 0.5 * (sorted[(sorted.size() - 1) / 2] + sorted[sorted.size() / 2]);
  const double place = std::ceil(p * static_cast<double>(sorted.size())) - 1.0;
  return sorted[static_cast<size_t>(std::max(0.0, place))];
}

std::vector<WayTimes> time_in_rounds(const std::vector<Way>& ways, int rounds,
                                     double seconds_at_most) {
  std::vector<WayTimes> times(ways.size());
  std::vector<int64_t> turns(ways.size(), 0);
  for (int round = 0; round < rounds; ++round)
    for (size_t i = 0; i < ways.size(); ++i) {
      const Way& way = ways[i];
      std::vector<CallTime> samples;
      double spent = 0.0;
      if (way.many_a_sample) {
        const CallTime together = time_of([&] {
          for (int64_t c = 0; c < way.calls; ++c) way.call(turns[i]++);
        });
        const auto calls = static_cast<double>(way.calls);
        samples.push_back({together.wall / calls, together.cpu / calls});
      }
      for (int64_t c = 0; !way.many_a_sample && c < way.calls && spent < seconds_at_most; ++c) {
        samples.push_back(time_of([&] { way.call(turns[i]++); }));
        spent += samples.back().wall;
      }
      times[i].calls.insert(times[i].calls.end(), samples.begin(), samples.end());
      times[i].round_medians.push_back(
          {quantile(samples, 0.5, &CallTime::wall), quantile(samples, 0.5, &CallTime::cpu)});
    }
  return times;
}

}  // namespace mgqe::bench
