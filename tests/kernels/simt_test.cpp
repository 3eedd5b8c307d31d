// The harness itself: it must notice a missing barrier, a barrier not reached by all, memory never
// written, and (under AddressSanitizer) a step past the end of shared memory.
#include <set>

#include "tests/kernels/kernel_testing.hpp"
// The harness before the kernel side of the macros.
#include "cuda/primitives.cuh"

namespace mgqe {
namespace {

constexpr int kThreads = 64;

/// out[i] = in[kThreads - 1 - i], through shared memory.
template <bool kWithBarrier>
__global__ void reverse_kernel(const int* in, int* out) {
  MGQE_SHARED_ARRAY(int, tile, kThreads);
  const int i = static_cast<int>(threadIdx.x);
  tile[i] = in[i];
  if (kWithBarrier) __syncthreads();
  out[i] = tile[kThreads - 1 - i];
}

template <bool kWithBarrier>
int wrong_elements(uint64_t seed) {
  const std::vector<int> in = testing::Random(seed).integers<int>(kThreads, 0, 1000);
  const Buffer<int> input(in), output(kThreads);
  simt::launch(1, kThreads, 0, seed, reverse_kernel<kWithBarrier>, input.data(), output.data());
  int wrong = 0;
  for (int i = 0; i < kThreads; ++i) wrong += output[i] != in[kThreads - 1 - i];
  return wrong;
}

TEST(Simt, NoticesAMissingBarrier) {
  for (const uint64_t seed : kScheduleSeeds) {
    EXPECT_GT(wrong_elements<false>(seed), 0) << "seed " << seed;
    EXPECT_EQ(wrong_elements<true>(seed), 0) << "seed " << seed;
  }
}

/// A running sum over two tiles; the second barrier keeps a fast thread from refilling the tile.
template <bool kWithSecondBarrier>
__global__ void tile_sum_kernel(const int* in, int* out) {
  MGQE_SHARED_ARRAY(int, tile, kThreads);
  const int i = static_cast<int>(threadIdx.x);
  int sum = 0;
  for (int first = 0; first < 2 * kThreads; first += kThreads) {
    tile[i] = in[first + i];
    __syncthreads();
    for (int k = 0; k < kThreads; ++k) sum += tile[k];
    if (kWithSecondBarrier) __syncthreads();
  }
  out[i] = sum;
}

TEST(Simt, NoticesAMissingBarrierBeforeMemoryIsReused) {
  const Buffer<int> input(std::vector<int>(2 * kThreads, 0));
  for (int i = 0; i < 2 * kThreads; ++i) input[i] = i;
  const std::vector<int> expected(kThreads, kThreads * (2 * kThreads - 1));
  int wrong_seeds = 0;
  for (const uint64_t seed : kScheduleSeeds) {
    const Buffer<int> good(kThreads), bad(kThreads);
    simt::launch(1, kThreads, 0, seed, tile_sum_kernel<true>, input.data(), good.data());
    simt::launch(1, kThreads, 0, seed, tile_sum_kernel<false>, input.data(), bad.data());
    EXPECT_EQ(good.values(), expected);
    wrong_seeds += bad.values() != expected;
  }
  EXPECT_GT(wrong_seeds, 0);
}

__global__ void partial_barrier_kernel() {
  if (threadIdx.x < 40) __syncthreads();
}

__global__ void partial_collective_kernel() {
  if (threadIdx.x != 5) __shfl_xor_sync(kAllLanes, 1, 1);
}

__global__ void foreign_mask_kernel() { __ballot_sync(0xFFFFu, 1); }

std::string failure_of(void (*kernel)()) {
  try {
    simt::launch(2, kThreads, 0, 1, kernel);
  } catch (const simt::LaunchError& error) {
    return error.what();
  }
  return "";
}

TEST(Simt, ReportsABarrierNotReachedByAll) {
  const std::string message = failure_of(partial_barrier_kernel);
  EXPECT_NE(message.find("deadlock"), std::string::npos) << message;
  EXPECT_NE(message.find("40 threads wait at __syncthreads, 24 have returned"), std::string::npos)
      << message;
}

TEST(Simt, ReportsACollectiveNotReachedByItsMask) {
  const std::string message = failure_of(partial_collective_kernel);
  EXPECT_NE(message.find("warp 0 misses lanes 32"), std::string::npos) << message;
}

TEST(Simt, ReportsALaneOutsideItsMask) {
  const std::string message = failure_of(foreign_mask_kernel);
  EXPECT_NE(message.find("is not in its own mask"), std::string::npos) << message;
}

__global__ void read_first_kernel(float* out) {
  MGQE_SHARED_ARRAY(float, fixed, kThreads);
  MGQE_DYNAMIC_SHARED(float, dynamic);
  const int i = static_cast<int>(threadIdx.x);
  out[(blockIdx.x * 2 + 0) * kThreads + i] = fixed[i];
  out[(blockIdx.x * 2 + 1) * kThreads + i] = dynamic[i];
  __syncthreads();
  fixed[i] = dynamic[i] = 1.0f;
}

TEST(Simt, PoisonsSharedMemoryBeforeEveryBlock) {
  const Buffer<float> out(std::vector<float>(4 * kThreads, 0.0f));
  simt::launch(2, kThreads, sizeof(float) * kThreads, 1, read_first_kernel, out.data());
  for (int64_t i = 0; i < out.size(); ++i) EXPECT_TRUE(std::isnan(out[i])) << i;
}

__global__ void order_kernel(std::vector<int>* order) {
  order->push_back(static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x));
}

TEST(Simt, DrawsTheOrderFromTheSeed) {
  std::set<std::vector<int>> orders;
  for (const uint64_t seed : {1, 2, 3, 1, 2, 3}) {
    std::vector<int> order;
    simt::launch(4, kThreads, 0, seed, order_kernel, &order);
    EXPECT_EQ(order.size(), 4u * kThreads);
    EXPECT_EQ(std::set<int>(order.begin(), order.end()).size(), order.size());
    orders.insert(order);
  }
  EXPECT_EQ(orders.size(), 3u);
}

__global__ void collectives_kernel(int* sums, unsigned* ballots, int* shifted) {
  const int i = static_cast<int>(threadIdx.x);
  sums[i] = warp_sum(i);
  ballots[i] = __ballot_sync(kAllLanes, i % 3 == 0);
  // Halves of the warp meet apart, the lower one twice, before all meet again.
  const bool low = i % kWarpSize < 16;
  const uint32_t half = low ? 0x0000FFFFu : 0xFFFF0000u;
  int value = __shfl_xor_sync(half, i, 1);
  if (low) value = __shfl_xor_sync(half, value, 2);
  __syncwarp();
  shifted[i] = __shfl_down_sync(kAllLanes, value, 1) + __shfl_up_sync(kAllLanes, 1000 * i, 1);
}

TEST(Simt, WarpCollectivesMeetByMask) {
  for (const uint64_t seed : kScheduleSeeds) {
    const Buffer<int> sums(kThreads), shifted(kThreads);
    const Buffer<unsigned> ballots(kThreads);
    simt::launch(1, kThreads, 0, seed, collectives_kernel, sums.data(), ballots.data(),
                 shifted.data());
    for (int i = 0; i < kThreads; ++i) {
      const int first = i / 32 * 32, lane = i % 32;
      unsigned ballot = 0;
      for (int l = 0; l < 32; ++l) ballot |= (first + l) % 3 == 0 ? 1u << l : 0u;
      const auto exchanged = [&](int l) { return first + (l < 16 ? l ^ 3 : l ^ 1); };
      EXPECT_EQ(sums[i], 32 * first + 31 * 16);
      EXPECT_EQ(ballots[i], ballot);
      EXPECT_EQ(shifted[i],
                exchanged(std::min(lane + 1, 31)) + 1000 * (first + std::max(lane - 1, 0)));
    }
  }
}

__global__ void block_sum_kernel(const double* x, double* out) {
  const double first = block_sum<kThreads>(x[threadIdx.x]);
  const double second = block_sum<kThreads>(2 * x[threadIdx.x]);
  if (threadIdx.x == 0) out[0] = first, out[1] = second;
}

TEST(Simt, BlockSumCanBeCalledTwice) {
  const std::vector<float> whole = testing::Random(7).integers<float>(kThreads, -100, 100);
  const Buffer<double> x(std::vector<double>(whole.begin(), whole.end())), out(2);
  const double sum = std::accumulate(whole.begin(), whole.end(), 0.0);
  for (uint64_t seed = 1; seed <= 20; ++seed) {  // a warp must run far ahead to do harm
    simt::launch(1, kThreads, 0, seed, block_sum_kernel, x.data(), out.data());
    EXPECT_EQ(out[0], sum);
    EXPECT_EQ(out[1], 2 * sum);
  }
}

__global__ void atomic_kernel(int* count) { atomicAdd(count, 1); }

TEST(Simt, AtomicsCountEveryThread) {
  const Buffer<int> count(std::vector<int>{0});
  simt::launch(dim3(3, 2), dim3(8, 4, 2), 0, 1, atomic_kernel, count.data());
  EXPECT_EQ(count[0], 6 * 64);
}

#if defined(__SANITIZE_ADDRESS__)
__global__ void overrun_kernel() {
  MGQE_SHARED_ARRAY(int, tile, kThreads);
  tile[threadIdx.x + 1] = 1;
}

TEST(SimtDeathTest, AddressSanitizerSeesAStepPastSharedMemory) {
  EXPECT_DEATH(simt::launch(1, kThreads, 0, 1, overrun_kernel), "heap-buffer-overflow");
}
#endif

}  // namespace
}  // namespace mgqe
