#include "experiments/bench/ceilings.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "experiments/bench/sampler.hpp"
#include "experiments/bench/search_mix.hpp"

namespace mgqe::bench {
namespace {

/// Of each of two arrays: far beyond a processor's caches.
constexpr int64_t kStreamBytes = int64_t{128} << 20;
constexpr int64_t kQuickStreamBytes = int64_t{64} << 10;
constexpr int64_t kChainSteps = 1 << 20;  // some milliseconds: waking the workers does not show
constexpr int64_t kQuickChainSteps = 64;
/// Calls between two looks at the clock, for the same reason, and as many more as a sample takes.
constexpr int64_t kFewestCalls = 2;

/// Work by second of `op`, which does `work`, or the rate so far if that is higher. A sample is as
/// many calls as take `seconds_at_least`.
void raise(Backend& backend, double seconds_at_least, double& best, double work,
           const std::function<void()>& op) {
  const double once = std::max(backend.seconds_of(op), 1e-9);
  const auto calls =
      std::max(kFewestCalls, static_cast<int64_t>(std::ceil(seconds_at_least / once)));
  const double seconds = backend.seconds_of([&] {
    for (int64_t i = 0; i < calls; ++i) op();
  });
  best = std::max(best, static_cast<double>(calls) * work / seconds);
}

}  // namespace

const char* Ceilings::bound(Cost cost) const {
  if (memory_bound(cost)) return "copy";
  return search_flops.contains(cost.searched_width) ? "slots" : "fma";
}

nlohmann::ordered_json Ceilings::json() const {
  nlohmann::ordered_json json = {{"fma_flops_per_second", fma_flops},
                                 {"fma_flops_per_second_one_worker", fma_flops_one_worker},
                                 {"copy_bytes_per_second", copy_bytes},
                                 {"fill_bytes_per_second", fill_bytes}};
  for (const auto& [width, flops] : search_flops)
    json[fmt::format("search_flops_per_second_width_{}", width)] = flops;
  return json;
}

CeilingProbe::CeilingProbe(Backend& backend, bool quick)
    : backend_(backend),
      stream_floats_((quick ? kQuickStreamBytes : kStreamBytes) /
                     static_cast<int64_t>(sizeof(float))),
      chain_steps_(quick ? kQuickChainSteps : kChainSteps),
      sample_seconds_(quick ? 0.0 : kSampleSeconds),
      sums_(backend, backend.fma_workers()) {
  const int64_t pairs = quick ? 1 : copies_in_rotation(backend.cache_bytes(), 2.0 * kStreamBytes);
  for (int64_t i = 0; i < pairs; ++i) {
    from_.emplace_back(backend, stream_floats_);
    to_.emplace_back(backend, stream_floats_);
  }
}

void CeilingProbe::measure(int samples) {
  // Factor and addend keep the chain among normal numbers.
  const auto chains = [&](int64_t workers) {
    return backend_.run_fma_chains(chain_steps_, 0.5f, 1.0f, sums_.view().slice(0, workers));
  };
  const double worker_flops = 2.0 * static_cast<double>(chains(1));
  const double stream_bytes = sizeof(float) * static_cast<double>(stream_floats_);
  size_t next = 0;
  const auto turn = [&] { return next++ % from_.size(); };
  for (int i = 0; i < samples; ++i) {
    raise(backend_, sample_seconds_, ceilings_.fma_flops,
          worker_flops * static_cast<double>(sums_.rows()), [&] { chains(sums_.rows()); });
    raise(backend_, sample_seconds_, ceilings_.fma_flops_one_worker, worker_flops,
          [&] { chains(1); });
    raise(backend_, sample_seconds_, ceilings_.copy_bytes, 2.0 * stream_bytes, [&] {
      const size_t pair = turn();
      backend_.copy(from_[pair], to_[pair]);
    });
    raise(backend_, sample_seconds_, ceilings_.fill_bytes, stream_bytes,
          [&] { backend_.fill(to_[turn()], 1.0f); });
  }
}

void CeilingProbe::measure_search(int width, int samples) {
  if (width == 0 || backend_.name() != "cpu") return;
  const int64_t steps = std::max<int64_t>(1, chain_steps_ / (4 * width));
  for (int i = 0; i < samples; ++i)
    for (const SearchRows rows : {SearchRows::kInRegisters, SearchRows::kInFirstCache}) {
      const double flops = run_search_mix(rows, width, steps, sums_);
      raise(backend_, sample_seconds_, ceilings_.search_flops[width], flops,
            [&] { run_search_mix(rows, width, steps, sums_); });
    }
}

}  // namespace mgqe::bench
