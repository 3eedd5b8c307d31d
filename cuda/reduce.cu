// Sums whose order depends on the sizes alone, so that a run repeats to the bit.
//
// sum_chunks: 4 B and 1 flop an element of every chunk. accumulate: 4 B and one double addition an
// element; one block up to 16 K elements (a training batch: one launch), else 128 blocks and a
// second pass over their 128 sums. sum_rows: 4 B and 1 flop an element; up to 512 rows are chunks
// of one row (one launch), more are summed by chunks, whose length depends on the number of rows
// alone, and then the chunks. Any size. cub::DeviceReduce was weighed and left: its grid, and with
// it the order of a float sum, depends on the GPU model.
#include <algorithm>

#include "cuda/cuda_backend.cuh"
#include "cuda/reduce_kernel.cuh"

namespace mgqe {
namespace {

constexpr int64_t kOneBlock = 1 << 14;
constexpr int kManyBlocks = 128;
constexpr int64_t kOnePassRows = 512;
constexpr int64_t kMinRows = 64;  // of a chunk: eight a warp
constexpr int64_t kMaxChunks = 512;

}  // namespace

void CudaBackend::sum_chunks(const float* partials, ChunkCount chunks, View<float> out) {
  constexpr int kThreads = kSumColumns * kSumSlices;
  const unsigned grid = grid_for(out.size(), kSumColumns, resident_blocks(kThreads));
  MGQE_LAUNCH(sum_chunks_kernel, grid, kThreads, 0, stream(), partials, chunks, out.size(),
              out.data);
}

void CudaBackend::sum_rows(View<const float> x, View<float> sums) {
  if (x.rows <= kOnePassRows) {
    sum_chunks(x.data, ChunkCount{x.rows}, sums);
    return;
  }
  const int64_t per_chunk = std::max(kMinRows, (x.rows + kMaxChunks - 1) / kMaxChunks);
  const int64_t chunks = (x.rows + per_chunk - 1) / per_chunk;
  const auto [partials] = workspace_.take<float>(stream(), chunks * x.cols);
  const dim3 grid(static_cast<unsigned>(chunks),
                  static_cast<unsigned>((x.cols + kSumColumns - 1) / kSumColumns));
  MGQE_LAUNCH(sum_rows_kernel, grid, kSumColumns * kSumSlices, 0, stream(), x, per_chunk, partials);
  sum_chunks(partials, ChunkCount{chunks}, sums);
}

void CudaBackend::accumulate(View<const float> x, View<double> sum) {
  if (x.size() == 0) return;
  if (x.size() <= kOneBlock) {
    MGQE_LAUNCH(accumulate_kernel<float>, 1, kAccumulateThreads, 0, stream(), x.data, x.size(),
                true, sum.data);
    return;
  }
  const auto [partials] = workspace_.take<double>(stream(), kManyBlocks);
  MGQE_LAUNCH(accumulate_kernel<float>, kManyBlocks, kAccumulateThreads, 0, stream(), x.data,
              x.size(), false, partials);
  MGQE_LAUNCH(accumulate_kernel<double>, 1, kAccumulateThreads, 0, stream(), partials, kManyBlocks,
              true, sum.data);
}

}  // namespace mgqe
