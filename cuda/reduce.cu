// Sums whose order depends on the sizes alone, so that a run repeats to the bit.
//
// sum_chunks: 4 B and 1 flop an element of every chunk. accumulate: 4 B and one double addition an
// element; one block up to 16 K elements (a training batch: one launch), else 128 blocks and a
// second pass over their 128 sums. Any size. cub::DeviceReduce was weighed and left: its grid, and
// with it the order of a float sum, depends on the GPU model.
#include "cuda/cuda_backend.cuh"
#include "cuda/reduce_kernel.cuh"

namespace mgqe {
namespace {

constexpr int64_t kOneBlock = 1 << 14;
constexpr int kManyBlocks = 128;

}  // namespace

void CudaBackend::sum_chunks(const float* partials, ChunkCount chunks, View<float> out) {
  constexpr int kThreads = kSumColumns * kSumSlices;
  const unsigned grid = grid_for(out.size(), kSumColumns, resident_blocks(kThreads));
  MGQE_LAUNCH(sum_chunks_kernel, grid, kThreads, 0, stream(), partials, chunks, out.size(),
              out.data);
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
