// Elementwise ops: a grid-stride loop over each functor of host/engine/functors/functors.hpp.
//
// Bytes and flops are the functor's. Any size: 64-bit indices, and a grid of a few waves, because a
// grid of one element a thread pays the start of blocks it does not need on large arrays. Vectors
// of four elements were weighed and left: the functors index freely, and the ops that matter in
// bytes have kernels of their own.
#include "cuda/cuda_backend.cuh"

namespace mgqe {

template class Elementwise<CudaBackend>;

}  // namespace mgqe
