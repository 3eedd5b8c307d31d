// Ids by descending count: a stable Thrust sort of (count, id), so that ties keep ascending ids.
//
// Set-up work, once a run: 8 radix passes over 24 B an id. Any n up to 2^31 - 1.
#include <thrust/copy.h>
#include <thrust/device_ptr.h>
#include <thrust/functional.h>
#include <thrust/sequence.h>
#include <thrust/sort.h>
#include <thrust/system/cuda/execution_policy.h>

#include "cuda/cuda_backend.cuh"

namespace mgqe {

void CudaBackend::frequency_order(View<const int64_t> counts, View<int32_t> order) {
  const int64_t n = counts.size();
  if (n == 0) return;
  const auto [keys_data] = workspace().take<int64_t>(stream(), n);
  const thrust::device_ptr<int64_t> keys(keys_data);
  const thrust::device_ptr<int32_t> ids(order.data);
  const auto policy = thrust::cuda::par.on(stream());
  thrust::copy_n(policy, thrust::device_ptr<const int64_t>(counts.data), n, keys);
  thrust::sequence(policy, ids, ids + n);
  thrust::stable_sort_by_key(policy, keys, keys + n, ids, thrust::greater<int64_t>());
  MGQE_CUDA(cudaGetLastError(), n, " ids");
}

}  // namespace mgqe
