// GMF on the CPU. Sums run in fixed lanes and fixed chunks, so neither the instruction level nor
// the number of threads changes a bit.
#include "host/cpu/cpu_backend.hpp"
#include "host/cpu/runtime/lanes.hpp"

namespace mgqe {
namespace {

// A look-up is less work than fetching from another core what it reads and leaves: a batch of 256
// shared by two threads was slower than on one.
constexpr int64_t kLookupGrain = 512;
constexpr int64_t kChunk = 64;  // look-ups whose weight gradients are summed before chunks are

constexpr int64_t kLine = 16;  // floats of a cache line

constexpr int64_t kPrefetchLookups = 6;

/// Rows of one look-up lie anywhere in the tables: fetch them while earlier ones are computed.
inline void prefetch_row(const Lookup& lookup, int64_t b) {
  const float* row = lookup.rows.row(lookup.index[b]);
  for (int64_t c = 0; c < lookup.rows.cols; c += kLine) __builtin_prefetch(row + c);
}
/// What is about to be overwritten was read last by whoever updated the tables: another core.
inline void prefetch_to_write(float* row, int64_t d) {
  for (int64_t c = 0; c < d; c += kLine) __builtin_prefetch(row + c, 1);
}

}  // namespace

void CpuBackend::gmf_forward(Lookup users, Lookup items, View<const float> weights,
                             View<float> logits) {
  const int64_t d = users.rows.cols;
  const float bias = weights[d];
  parallel_ranges(logits.size(), kLookupGrain, [=](int64_t begin, int64_t end) {
    const float* __restrict w = weights.data;
    for (int64_t b = begin; b < end; ++b) {
      if (b + kPrefetchLookups < end) {
        prefetch_row(users, b + kPrefetchLookups);
        prefetch_row(items, b + kPrefetchLookups);
      }
      const float* __restrict p = users.rows.row(users.index[b]);
      const float* __restrict q = items.rows.row(items.index[b]);
      alignas(64) float lanes[kLanes] = {};
      int64_t c = 0;
      for (; c + kLanes <= d; c += kLanes)
#pragma omp simd
        for (int l = 0; l < kLanes; ++l) lanes[l] = fmaf(w[c + l] * p[c + l], q[c + l], lanes[l]);
      for (; c < d; ++c) lanes[c % kLanes] = fmaf(w[c] * p[c], q[c], lanes[c % kLanes]);
      Lanes sums;
      load(lanes, sums);
      logits[b] = sum_lanes(sums) + bias;
    }
  });
}

void CpuBackend::gmf_backward(Lookup users, Lookup items, View<const float> weights,
                              View<const float> logit_gradient, View<float> user_gradient,
                              View<float> item_gradient, View<float> weight_gradient) {
  const int64_t lookups = logit_gradient.size(), d = users.rows.cols;
  const int64_t chunks = (lookups + kChunk - 1) / kChunk;
  const int64_t stride = (d + 1 + kLine - 1) / kLine * kLine + kLine;
  partials_.assign(static_cast<size_t>(chunks * stride), 0.0f);
  float* partials = partials_.data();
  parallel_ranges(chunks, kLookupGrain / kChunk, [=](int64_t begin, int64_t end) {
    const float* __restrict w = weights.data;
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      float* __restrict sum = partials + chunk * stride;
      const int64_t last = std::min(lookups, (chunk + 1) * kChunk);
      for (int64_t b = chunk * kChunk; b < last; ++b) {
        if (b + kPrefetchLookups < last) {
          prefetch_row(users, b + kPrefetchLookups);
          prefetch_row(items, b + kPrefetchLookups);
          prefetch_to_write(user_gradient.row(b + kPrefetchLookups), d);
          prefetch_to_write(item_gradient.row(b + kPrefetchLookups), d);
        }
        const float g = logit_gradient[b];
        const float* __restrict p = users.rows.row(users.index[b]);
        const float* __restrict q = items.rows.row(items.index[b]);
        float* __restrict user = user_gradient.row(b);
        float* __restrict item = item_gradient.row(b);
#pragma GCC ivdep
        for (int64_t c = 0; c < d; ++c) {
          const float gq = g * q[c];
          user[c] = gq * w[c];
          item[c] = g * w[c] * p[c];
          sum[c] = fmaf(gq, p[c], sum[c]);
        }
        sum[d] += g;
      }
    }
  });
  for (int64_t c = 0; c <= d; ++c) {
    float total = 0.0f;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) total += partials[chunk * stride + c];
    weight_gradient[c] = total;
  }
}

}  // namespace mgqe
