// Ways to do one thing, timed in turn, round by round, on two clocks: this process's own processor
// time, which does not count what neighbours take, and the wall's.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "host/serve/scan/top_k.hpp"

namespace mgqe::bench {

/// Seconds of one call.
struct CallTime {
  double wall = 0, cpu = 0;
};

CallTime time_of(const std::function<void()>& call);

struct Way {
  std::string name;
  std::function<void(int64_t turn)> call;  // turn 0, 1, ...: each on other inputs
  int64_t calls = 1;                       // a round, at most; fewer of what takes long
  bool many_a_sample = false;              // so short that its calls are one sample together
  TopKStatistics* statistics = nullptr;    // what `call` did the last time, if it says
};

struct WayTimes {
  std::vector<CallTime> calls;
  std::vector<CallTime> round_medians;  // one a round
};

/// Times of each way. A round stops calling a way again after `seconds_at_most`.
std::vector<WayTimes> time_in_rounds(const std::vector<Way>& ways, int rounds,
                                     double seconds_at_most);

/// The p-th part of sorted values lies at or below it; of one clock.
double quantile(const std::vector<CallTime>& times, double p, double CallTime::*clock);

}  // namespace mgqe::bench
