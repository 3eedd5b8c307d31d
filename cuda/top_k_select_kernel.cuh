// What a search keeps: the best k of each query's candidates, and at the end their order.
#pragma once

#include "cuda/top_k_kernel.cuh"

namespace mgqe {

inline constexpr int kSelectThreads = 512;
inline constexpr int kSelectBlocks = 2;
inline constexpr int kDigitBits = 8;
inline constexpr int kDigits = 1 << kDigitBits;
inline constexpr int kOrderThreads = 256;
inline constexpr int kOrderBlocks = 4;

/// The best so far of each query, before a selection and after it.
struct BestKeys {
  const uint64_t* from;  // (M, k), in any order
  uint64_t* to;
  int32_t* counts;      // (M)
  int32_t* overflowed;  // (M): 1 where candidates were lost
};

/// Keys that a query kept, then its candidates.
struct KeyList {
  const uint64_t* best;
  const uint64_t* fresh;
  int64_t kept, count;
  __device__ uint64_t operator[](int64_t i) const { return i < kept ? best[i] : fresh[i - kept]; }
};

/// Of a histogram of digits: the digit that holds the wanted-th largest key (1 the largest), and
/// which of that digit's it is. By one warp; every lane has them.
struct DigitPlace {
  int digit;
  int wanted;
};
__device__ inline DigitPlace find_digit(const int* histogram, int wanted) {
  constexpr int kOwn = kDigits / kWarpSize;  // lane 0 has the largest digits
  const int top = kDigits - 1 - lane_index() * kOwn;
  int own = 0;
  for (int i = 0; i < kOwn; ++i) own += histogram[top - i];
  int before = own;  // inclusive prefix sum over lanes
  for (int distance = 1; distance < kWarpSize; distance *= 2) {
    const int other = __shfl_up_sync(kAllLanes, before, distance);
    if (lane_index() >= distance) before += other;
  }
  before -= own;
  const bool mine = before < wanted && wanted <= before + own;
  DigitPlace place{0, 0};
  if (mine) {
    place = {top, wanted - before};
    while (place.wanted > histogram[place.digit]) place.wanted -= histogram[place.digit--];
  }
  const int lane = __ffs(static_cast<int>(__ballot_sync(kAllLanes, mine))) - 1;
  return {__shfl_sync(kAllLanes, place.digit, lane), __shfl_sync(kAllLanes, place.wanted, lane)};
}

/// The k-th largest of distinct keys, at least k of them: digit by digit from the highest. In every
/// thread.
__device__ inline uint64_t kth_largest(const KeyList& keys, int k) {
  MGQE_SHARED_ARRAY(int, histogram, kDigits);
  MGQE_SHARED_ARRAY(DigitPlace, found, 1);
  uint64_t prefix = 0;
  for (int shift = 64 - kDigitBits; shift >= 0; shift -= kDigitBits) {
    for (int i = static_cast<int>(threadIdx.x); i < kDigits; i += kSelectThreads) histogram[i] = 0;
    __syncthreads();
    for (int64_t i = threadIdx.x; i < keys.count; i += kSelectThreads) {
      const uint64_t digits = keys[i] >> shift;
      if (digits >> kDigitBits == prefix)
        atomicAdd(&histogram[static_cast<int>(digits % kDigits)], 1);
    }
    __syncthreads();
    if (threadIdx.x < kWarpSize) {
      const DigitPlace place = find_digit(histogram, k);
      if (threadIdx.x == 0) found[0] = place;
    }
    __syncthreads();
    prefix = prefix << kDigitBits | static_cast<uint64_t>(found[0].digit);
    k = found[0].wanted;
  }
  return prefix;
}

/// Keeps the best k of what each query kept and its candidates, raises its floor, and makes room
/// for further candidates. A block a query.
__global__ void __launch_bounds__(kSelectThreads, kSelectBlocks)
    select_best_kernel(const __grid_constant__ TopKArguments a, BestKeys best) {
  MGQE_SHARED_ARRAY(int, taken, 1);
  const int64_t m = blockIdx.x, fresh = a.fresh_count[m];
  const int64_t kept = best.counts[m], count = kept + min(fresh, a.capacity);
  const KeyList keys{best.from + m * a.k, a.fresh + m * a.capacity, kept, count};
  if (threadIdx.x == 0) taken[0] = 0;
  __syncthreads();  // and all have read the counts
  const uint64_t floor = count >= a.k ? kth_largest(keys, static_cast<int>(a.k)) : 0;
  for (int64_t i = threadIdx.x; i < count; i += kSelectThreads)
    if (keys[i] >= floor) best.to[m * a.k + atomicAdd(&taken[0], 1)] = keys[i];
  if (threadIdx.x != 0) return;
  if (floor != 0) a.floors[m] = floor;
  if (fresh > a.capacity) best.overflowed[m] = 1;
  best.counts[m] = static_cast<int32_t>(min(count, a.k));
  a.fresh_count[m] = 0;
}

/// Lists in order.
struct OrderedLists {
  View<int32_t> rows;   // (M, k)
  View<float> scores;   // (M, k)
  int32_t* counts;      // (M)
  int32_t* overflowed;  // (M)
};

/// A key's place is the number of keys above it: k^2 comparisons a query, evenly over the device.
/// What is left of a line is -1 and -infinity. Blocks (places, query).
__global__ void __launch_bounds__(kOrderThreads, kOrderBlocks)
    order_best_kernel(const __grid_constant__ TopKArguments a, BestKeys best, OrderedLists out) {
  MGQE_SHARED_ARRAY(uint64_t, tile, kOrderThreads);
  const int64_t m = blockIdx.y, count = best.counts[m];
  const uint64_t* keys = best.from + m * a.k;
  const int64_t i = grid_thread();
  const uint64_t own = i < count ? keys[i] : 0;
  int64_t place = 0;
  for (int64_t first = 0; first < count; first += kOrderThreads) {
    __syncthreads();
    tile[threadIdx.x] = first + threadIdx.x < count ? keys[first + threadIdx.x] : 0;
    __syncthreads();
    for (int o = 0; o < kOrderThreads && own != 0; ++o) place += tile[o] > own;
  }
  if (i == 0) {
    out.counts[m] = static_cast<int32_t>(count);
    out.overflowed[m] = best.overflowed[m];
  }
  if (i >= a.k) return;
  if (i >= count) {
    out.rows.row(m)[i] = -1;
    out.scores.row(m)[i] = -INFINITY;
    return;
  }
  // The score once more: a key does not tell zeros apart.
  const int32_t row = row_of(own);
  const int tier = a.table.ranges.tier_of(row);
  float score = 0.0f;
  score_codes(a, tier, m, PackedCodes{a.table.row(tier, row), a.table.tiers[tier].bits}, &score);
  out.rows.row(m)[place] = row;
  out.scores.row(m)[place] = score;
}

}  // namespace mgqe
