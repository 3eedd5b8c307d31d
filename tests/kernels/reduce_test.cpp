// Fixed-order sums.
#include "tests/kernels/kernel_testing.hpp"
// Kernel bodies come after the harness.
#include "cuda/reduce_kernel.cuh"

namespace mgqe {
namespace {

TEST(SumChunksKernel, AddsTheLiveChunksAlone) {
  testing::Random random(1);
  constexpr int64_t kPerChunk = 10;
  for (const int64_t n : {1, 31, 33, 100})
    for (const int64_t chunks : {0, 1, 7, 8, 100})
      for (const int64_t dead : {0, 3}) {
        const Buffer<float> partials(chunks + dead, n);  // dead chunks stay NaN
        const std::vector<float> live = random.integers<float>(chunks * n, -100, 100);
        std::copy(live.begin(), live.end(), partials.data());
        std::vector<float> expected(n, 0.0f);
        for (int64_t i = 0; i < chunks * n; ++i) expected[i % n] += live[i];
        // A count inside the last live chunk: 10 a chunk, 4 in the last.
        const Buffer<int32_t> count(
            std::vector<int32_t>{static_cast<int32_t>(std::max<int64_t>(0, chunks * 10 - 6))});
        const ChunkCount chunk_count =
            dead == 0 ? ChunkCount{chunks} : ChunkCount{chunks + dead, count.data(), kPerChunk};
        for (const uint64_t seed : kScheduleSeeds) {
          const Buffer<float> out(n);
          simt::launch(2, kSumColumns * kSumSlices, 0, seed, sum_chunks_kernel, partials.data(),
                       chunk_count, SumTargets{{out.data()}, n});
          EXPECT_EQ(out.values(), expected) << n << " elements, " << chunks << " chunks";
        }
      }
}

TEST(SumChunksKernel, WritesSeveralArraysBesideEachOther) {
  constexpr int64_t kChunks = 5;
  for (const int64_t size : {1, 31, 64})
    for (const int64_t count : {1, 2, 4}) {
      const Buffer<float> partials(
          testing::Random(2).integers<float>(kChunks * count * size, -100, 100), count * size);
      std::vector<float> expected(count * size, 0.0f);
      for (int64_t i = 0; i < partials.size(); ++i) expected[i % (count * size)] += partials[i];
      for (const uint64_t seed : kScheduleSeeds) {
        std::vector<Buffer<float>> outs;
        SumTargets targets{{}, size, count};
        for (int64_t a = 0; a < count; ++a) targets.arrays[a] = outs.emplace_back(size).data();
        simt::launch(2, kSumColumns * kSumSlices, 0, seed, sum_chunks_kernel, partials.data(),
                     ChunkCount{kChunks}, targets);
        std::vector<float> got;
        for (const Buffer<float>& out : outs) got.insert(got.end(), out.data(), out.data() + size);
        EXPECT_EQ(got, expected) << count << " arrays of " << size;
      }
    }
}

TEST(SumRowsKernel, SumsColumnsByChunksOfRows) {
  testing::Random random(4);
  for (const int64_t rows : {1, 7, 8, 9, 40, 41})
    for (const int64_t cols : {1, 31, 32, 33, 100})
      for (const int64_t per_chunk : {3, 8, 20, 64}) {
        // Three matrices; their partial sums of a chunk lie beside each other.
        const Buffer<float> x(random.integers<float>(3 * rows * cols, -100, 100), cols);
        const int64_t chunks = (rows + per_chunk - 1) / per_chunk;
        RowsToSum matrices{};
        for (int64_t m = 0; m < 3; ++m) matrices.x[m] = x.view().slice(m * rows, rows);
        std::vector<float> expected(chunks * 3 * cols, 0.0f);
        for (int64_t m = 0; m < 3; ++m)
          for (int64_t r = 0; r < rows; ++r)
            for (int64_t c = 0; c < cols; ++c)
              expected[(r / per_chunk * 3 + m) * cols + c] += x.row(m * rows + r)[c];
        for (const uint64_t seed : kScheduleSeeds) {
          const Buffer<float> partials(chunks, 3 * cols);
          simt::launch(dim3(static_cast<unsigned>(chunks), blocks_of(cols, kSumColumns), 3),
                       kSumColumns * kSumSlices, 0, seed, sum_rows_kernel, matrices, per_chunk,
                       partials.data());
          EXPECT_EQ(partials.values(), expected) << rows << " x " << cols << " by " << per_chunk;
        }
      }
}

TEST(AccumulateKernel, AddsToTheSumInOnePassOrTwo) {
  testing::Random random(2);
  for (const int64_t n : {1, 255, 256, 257, 3000}) {
    const Buffer<float> x(random.integers<float>(n, -1000, 1000));
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += x[i];
    for (const uint64_t seed : kScheduleSeeds) {
      const Buffer<double> once(std::vector<double>{0.5}), twice(std::vector<double>{0.5});
      const Buffer<double> partials(5);
      simt::launch(1, kAccumulateThreads, 0, seed, accumulate_kernel<float>, x.data(), n, true,
                   once.data());
      simt::launch(5, kAccumulateThreads, 0, seed, accumulate_kernel<float>, x.data(), n, false,
                   partials.data());
      simt::launch(1, kAccumulateThreads, 0, seed, accumulate_kernel<double>, partials.data(), 5,
                   true, twice.data());
      EXPECT_EQ(once[0], sum + 0.5) << n;
      EXPECT_EQ(twice[0], sum + 0.5) << n;
    }
  }
}

TEST(AccumulateKernel, RepeatsToTheBit) {
  const Buffer<float> x(testing::Random(3).normals(1000));
  std::vector<double> sums;
  for (const uint64_t seed : kScheduleSeeds) {
    const Buffer<double> sum(std::vector<double>{0.0});
    simt::launch(1, kAccumulateThreads, 0, seed, accumulate_kernel<float>, x.data(), x.size(), true,
                 sum.data());
    sums.push_back(sum[0]);
  }
  expect_same_bits(sums, std::vector<double>(sums.size(), sums[0]));
}

}  // namespace
}  // namespace mgqe
