// Ceilings of the CPU: chains of fma in registers, and streams past the caches.
//
// Copy and fill use non-temporal stores: an ordinary store to a line that no cache holds first
// reads it, bytes that the op did not ask for.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "host/cpu/ceiling.cpp"
// clang-format off
#include "hwy/foreach_target.h"  // first: it includes this file once per target
#include "hwy/highway.h"
// clang-format on

#include <hwy/cache_control.h>

#include "host/cpu/cpu_backend.hpp"
#include "host/cpu/fused_multiply-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace mgqe {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
/// Vectors in flight: four cycles of latency times two units, and some. 16 registers hold them.
constexpr int kChains = 12;

int64_t fma_chains() { return kChains * static_cast<int64_t>(hn::Lanes(Tag())); }

/// The sum of all chains after `steps` steps.
float run_fma_chains(int64_t steps, float factor, float addend) {
  const Tag tag;
  const auto f = hn::Set(tag, factor), a = hn::Set(tag, addend);
  hn::Vec<Tag> x[kChains];
  for (auto& chain : x) chain = hn::Zero(tag);
  for (int64_t i = 0; i < steps; ++i)
    for (auto& chain : x) chain = fused_multiply_add(tag, chain, f, a);
  HWY_ALIGN float lanes[hn::MaxLanes(tag)];
  float sum = 0.0f;
  for (const auto& chain : x) {
    hn::Store(chain, tag, lanes);
    for (size_t lane = 0; lane < hn::Lanes(tag); ++lane) sum += lanes[lane];
  }
  return sum;
}

/// `to` is aligned to a cache line; n floats.
void stream_copy(const float* from, float* to, int64_t n) {
  const Tag tag;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(tag));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::Stream(hn::LoadU(tag, from + i), tag, to + i);
  for (; i < n; ++i) to[i] = from[i];
  hwy::FlushStream();
}

void stream_fill(float* to, float value, int64_t n) {
  const Tag tag;
  const auto values = hn::Set(tag, value);
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(tag));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::Stream(values, tag, to + i);
  for (; i < n; ++i) to[i] = value;
  hwy::FlushStream();
}

}  // namespace HWY_NAMESPACE
}  // namespace mgqe
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mgqe {

HWY_EXPORT(fma_chains);
HWY_EXPORT(run_fma_chains);
HWY_EXPORT(stream_copy);
HWY_EXPORT(stream_fill);

namespace {

constexpr int64_t kLine = 16;              // floats of a cache line
constexpr int64_t kStreamGrain = 1 << 14;  // lines: 1 MB

bool starts_a_line(const float* pointer) {
  return reinterpret_cast<uintptr_t>(pointer) % (kLine * sizeof(float)) == 0;
}

/// task(first, count) over pieces of [0, n) that begin on a cache line.
template <class Task>
void parallel_lines(int64_t n, const Task& task) {
  const int64_t lines = (n + kLine - 1) / kLine;
  parallel_pieces(lines, kStreamGrain, [&](int64_t begin, int64_t end) {
    task(begin * kLine, std::min(n, end * kLine) - begin * kLine);
  });
}

}  // namespace

int64_t CpuBackend::run_fma_chains(int64_t steps, float factor, float addend, View<float> sums) {
  const auto run = HWY_DYNAMIC_DISPATCH(run_fma_chains);
  parallel_pieces(sums.size(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t w = begin; w < end; ++w) sums[w] = run(steps, factor, addend);
  });
  return sums.size() * steps * HWY_DYNAMIC_DISPATCH(fma_chains)();
}

void CpuBackend::copy(View<const float> x, View<float> out) {
  MGQE_CHECK(x.size() == out.size() && starts_a_line(out.data), x.size(), " floats to ", out.size(),
             " at ", out.data);
  const auto stream = HWY_DYNAMIC_DISPATCH(stream_copy);
  parallel_lines(out.size(), [&](int64_t first, int64_t count) {
    stream(x.data + first, out.data + first, count);
  });
}

void CpuBackend::fill(View<float> x, float value) {
  MGQE_CHECK(starts_a_line(x.data), "floats at ", x.data);
  const auto stream = HWY_DYNAMIC_DISPATCH(stream_fill);
  parallel_lines(x.size(),
                 [&](int64_t first, int64_t count) { stream(x.data + first, value, count); });
}

}  // namespace mgqe
#endif
