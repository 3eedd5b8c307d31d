#include "experiments/bench/ceilings.hpp"

#include <algorithm>
#include <chrono>

namespace mgqe::bench {
namespace {

/// Of each of two arrays: far beyond the caches.
constexpr int64_t kStreamBytes = int64_t{128} << 20;
constexpr int64_t kStreamFloats = kStreamBytes / static_cast<int64_t>(sizeof(float));
constexpr int64_t kChainSteps = 1 << 20;  // some milliseconds: waking the workers does not show
/// Calls between two looks at the clock, for the same reason.
constexpr int kStreamCalls = 2;

/// Work by second of `call`, which returns the work it did, or the rate so far if that is higher.
template <class Call>
void raise(Backend& backend, double& best, const Call& call) {
  using Clock = std::chrono::steady_clock;
  backend.synchronize();
  const Clock::time_point began = Clock::now();
  const double work = call();
  backend.synchronize();
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  best = std::max(best, work / seconds);
}

}  // namespace

nlohmann::ordered_json Ceilings::json() const {
  return {{"fma_flops_per_second", fma_flops},
          {"fma_flops_per_second_one_worker", fma_flops_one_worker},
          {"copy_bytes_per_second", copy_bytes},
          {"fill_bytes_per_second", fill_bytes}};
}

CeilingProbe::CeilingProbe(Backend& backend)
    : backend_(backend),
      from_(backend, kStreamFloats),
      to_(backend, kStreamFloats),
      sums_(backend, backend.fma_workers()) {}

void CeilingProbe::measure(int samples) {
  const auto chains = [&](int64_t workers) {
    // Factor and addend keep the chain among normal numbers.
    const View<float> sums = sums_.view().slice(0, workers);
    return 2.0 * static_cast<double>(backend_.run_fma_chains(kChainSteps, 0.5f, 1.0f, sums));
  };
  const auto stream = [&](double bytes_a_call, const auto& op) {
    for (int i = 0; i < kStreamCalls; ++i) op();
    return kStreamCalls * bytes_a_call;
  };
  for (int i = 0; i < samples; ++i) {
    raise(backend_, ceilings_.fma_flops, [&] { return chains(sums_.rows()); });
    raise(backend_, ceilings_.fma_flops_one_worker, [&] { return chains(1); });
    raise(backend_, ceilings_.copy_bytes,
          [&] { return stream(2.0 * kStreamBytes, [&] { backend_.copy(from_, to_); }); });
    raise(backend_, ceilings_.fill_bytes,
          [&] { return stream(kStreamBytes, [&] { backend_.fill(to_, 1.0f); }); });
  }
}

}  // namespace mgqe::bench
