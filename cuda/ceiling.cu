// Ceilings of a GPU. Not yet run on one.
//
// run_fma_chains: one block of 1024 threads a multiprocessor, eight chains a thread; no memory
// traffic but a float a block. copy: 8 B an element, fill: 4 B; grid-stride loops over 16-byte
// vectors. Any n.
//
// Weighed and left: cudaMemcpyAsync and cudaMemsetAsync (the first may go to a copy engine, which
// is no ceiling of the multiprocessors; the second sets bytes, not floats).
#include "cuda/ceiling_kernel.cuh"
#include "cuda/cuda_backend.cuh"

namespace mgqe {

int64_t CudaBackend::run_fma_chains(int64_t steps, float factor, float addend, View<float> sums) {
  if (sums.size() == 0) return 0;
  MGQE_LAUNCH(fma_chains_kernel, static_cast<unsigned>(sums.size()), kChainThreads, 0, stream(),
              steps, factor, addend, sums.data);
  return sums.size() * steps * kChainThreads * kChainsPerThread;
}

void CudaBackend::copy(View<const float> x, View<float> out) {
  MGQE_CHECK(x.size() == out.size(), x.size(), " floats to ", out.size());
  if (out.size() == 0) return;
  const unsigned grid = grid_for(out.size() / 4, kStreamThreads, resident_blocks(kStreamThreads));
  MGQE_LAUNCH(copy_kernel, grid, kStreamThreads, 0, stream(), out.size(), x.data, out.data);
}

void CudaBackend::fill(View<float> x, float value) {
  if (x.size() == 0) return;
  const unsigned grid = grid_for(x.size() / 4, kStreamThreads, resident_blocks(kStreamThreads));
  MGQE_LAUNCH(fill_kernel, grid, kStreamThreads, 0, stream(), x.size(), value, x.data);
}

}  // namespace mgqe
