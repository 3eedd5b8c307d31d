// Sums whose order depends on the sizes alone, so that a run repeats to the bit.
//
// sum_chunks: 4 B and 1 flop an element of every chunk. accumulate: 4 B and one double addition an
// element; one block up to 16 K elements (a training batch: one launch), else 128 blocks and a
// second pass over their 128 sums. sum_rows: 4 B and 1 flop an element; up to 512 rows are chunks
// of one row (one launch), more are summed by chunks, whose length depends on the number of rows
// alone, and then the chunks; up to four matrices of one shape by the same two launches. Any size.
// cub::DeviceReduce was weighed and left: its grid, and with it the order of a float sum, depends
// on the GPU model.
#include <algorithm>
#include <array>

#include "cuda/cuda_backend.cuh"
#include "cuda/reduce_kernel.cuh"

namespace mgqe {
namespace {

constexpr int64_t kOneBlock = 1 << 14;
constexpr int64_t kOnePassRows = 512;
constexpr int64_t kMinRows = 64;  // of a chunk: eight a warp
constexpr int64_t kMaxChunks = 512;

}  // namespace

void CudaBackend::sum_chunks(const float* partials, ChunkCount chunks, View<float> out) {
  sum_chunks(partials, chunks, std::span(&out, 1));
}

void CudaBackend::sum_chunks(const float* partials, ChunkCount chunks,
                             std::span<const View<float>> outs) {
  MGQE_CHECK(outs.size() <= kMostSums, outs.size(), " sums");
  SumTargets targets{{}, outs[0].size(), static_cast<int64_t>(outs.size())};
  for (size_t a = 0; a < outs.size(); ++a) {
    MGQE_CHECK(outs[a].size() == targets.size, outs[a].size(), " sums beside ", targets.size);
    targets.arrays[a] = outs[a].data;
  }
  constexpr int kThreads = kSumColumns * kSumSlices;
  const unsigned grid =
      grid_for(targets.count * targets.size, kSumColumns, resident_blocks(kThreads));
  MGQE_LAUNCH(sum_chunks_kernel, grid, kThreads, 0, stream(), partials, chunks, targets);
}

void CudaBackend::sum_rows(View<const float> x, View<float> sums) {
  sum_rows_each(std::array{SummedRows{x, sums}});
}

void CudaBackend::sum_rows_each(std::span<const SummedRows> all) {
  const View<const float> shape = all[0].x;
  if (shape.rows <= kOnePassRows) {
    for (const auto& [x, sums] : all) sum_chunks(x.data, ChunkCount{x.rows}, sums);
    return;
  }
  MGQE_CHECK(all.size() <= kMostSums, all.size(), " sums");
  RowsToSum rows{};
  std::array<View<float>, kMostSums> outs;
  for (size_t a = 0; a < all.size(); ++a) {
    MGQE_CHECK(all[a].x.rows == shape.rows && all[a].x.cols == shape.cols, "matrix ", a, " is (",
               all[a].x.rows, ", ", all[a].x.cols, ")");
    rows.x[a] = all[a].x;
    outs[a] = all[a].sums;
  }
  const int64_t per_chunk = std::max(kMinRows, (shape.rows + kMaxChunks - 1) / kMaxChunks);
  const int64_t chunks = (shape.rows + per_chunk - 1) / per_chunk;
  const auto matrices = static_cast<int64_t>(all.size());
  const auto [partials] = workspace().take<float>(stream(), chunks * matrices * shape.cols);
  const dim3 grid(static_cast<unsigned>(chunks),
                  static_cast<unsigned>((shape.cols + kSumColumns - 1) / kSumColumns),
                  static_cast<unsigned>(matrices));
  MGQE_LAUNCH(sum_rows_kernel, grid, kSumColumns * kSumSlices, 0, stream(), rows, per_chunk,
              partials);
  sum_chunks(partials, ChunkCount{chunks}, std::span(outs).first(all.size()));
}

void CudaBackend::accumulate(View<const float> x, View<double> sum) {
  const auto [partials] = workspace().take<double>(stream(), kAccumulateBlocks);
  accumulate(x, partials, sum);
}

void CudaBackend::accumulate(View<const float> x, double* partials, View<double> sum) {
  if (x.size() == 0) return;
  if (x.size() <= kOneBlock) {
    MGQE_LAUNCH(accumulate_kernel<float>, 1, kAccumulateThreads, 0, stream(), x.data, x.size(),
                true, sum.data);
    return;
  }
  MGQE_LAUNCH(accumulate_kernel<float>, kAccumulateBlocks, kAccumulateThreads, 0, stream(), x.data,
              x.size(), false, partials);
  MGQE_LAUNCH(accumulate_kernel<double>, 1, kAccumulateThreads, 0, stream(), partials,
              kAccumulateBlocks, true, sum.data);
}

}  // namespace mgqe
