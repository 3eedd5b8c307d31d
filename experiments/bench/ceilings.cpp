#include "experiments/bench/ceilings.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "experiments/bench/sampler.hpp"

namespace mgqe::bench {
namespace {

/// Of each of two arrays: far beyond a processor's caches.
constexpr int64_t kStreamBytes = int64_t{128} << 20;
constexpr int64_t kStreamFloats = kStreamBytes / static_cast<int64_t>(sizeof(float));
constexpr int64_t kChainSteps = 1 << 20;  // some milliseconds: waking the workers does not show
/// Calls between two looks at the clock, for the same reason, and as many more as a sample takes.
constexpr int64_t kFewestCalls = 2;

/// Work by second of `op`, which does `work`, or the rate so far if that is higher.
void raise(Backend& backend, double& best, double work, const std::function<void()>& op) {
  const double once = std::max(backend.seconds_of(op), 1e-9);
  const auto calls = std::max(kFewestCalls, static_cast<int64_t>(std::ceil(kSampleSeconds / once)));
  const double seconds = backend.seconds_of([&] {
    for (int64_t i = 0; i < calls; ++i) op();
  });
  best = std::max(best, static_cast<double>(calls) * work / seconds);
}

}  // namespace

nlohmann::ordered_json Ceilings::json() const {
  return {{"fma_flops_per_second", fma_flops},
          {"fma_flops_per_second_one_worker", fma_flops_one_worker},
          {"copy_bytes_per_second", copy_bytes},
          {"fill_bytes_per_second", fill_bytes}};
}

CeilingProbe::CeilingProbe(Backend& backend)
    : backend_(backend), sums_(backend, backend.fma_workers()) {
  const int64_t pairs = copies_in_rotation(backend.cache_bytes(), 2.0 * kStreamBytes);
  for (int64_t i = 0; i < pairs; ++i) {
    from_.emplace_back(backend, kStreamFloats);
    to_.emplace_back(backend, kStreamFloats);
  }
}

void CeilingProbe::measure(int samples) {
  // Factor and addend keep the chain among normal numbers.
  const auto chains = [&](int64_t workers) {
    return backend_.run_fma_chains(kChainSteps, 0.5f, 1.0f, sums_.view().slice(0, workers));
  };
  const double worker_flops = 2.0 * static_cast<double>(chains(1));
  size_t next = 0;
  const auto turn = [&] { return next++ % from_.size(); };
  for (int i = 0; i < samples; ++i) {
    raise(backend_, ceilings_.fma_flops, worker_flops * static_cast<double>(sums_.rows()),
          [&] { chains(sums_.rows()); });
    raise(backend_, ceilings_.fma_flops_one_worker, worker_flops, [&] { chains(1); });
    raise(backend_, ceilings_.copy_bytes, 2.0 * kStreamBytes, [&] {
      const size_t pair = turn();
      backend_.copy(from_[pair], to_[pair]);
    });
    raise(backend_, ceilings_.fill_bytes, kStreamBytes, [&] { backend_.fill(to_[turn()], 1.0f); });
  }
}

}  // namespace mgqe::bench
