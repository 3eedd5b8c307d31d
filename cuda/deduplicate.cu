// Distinct ids of a batch: one radix sort of (id, position), then heads, ranks, scatter.
//
// Bytes: ceil(bits / 8) sort passes over 16 B a look-up (8 read, 8 written), bits = ceil(log2
// id_limit), then about 40 B a look-up; no flops. B up to 2^31 - 1. The sort is stable, so the
// look-ups of an id stay in order and every sum over them is the same on every run.
//
// Weighed and left: a hash table (no order, so neither tier groups nor fixed sums), packing id and
// position into one 64-bit key (twice the key bytes a pass), DeviceRunLengthEncode and
// DeviceSelect::UniqueByKey (the rank of each look-up is needed too, and gives both).
#include <algorithm>
#include <bit>

#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_scan.cuh>

#include "cuda/cuda_backend.cuh"
#include "cuda/deduplicate_kernel.cuh"

namespace mgqe {

void CudaBackend::deduplicate(View<const int32_t> ids, int64_t id_limit, UniqueIds unique) {
  const int64_t n = ids.size();
  MGQE_CHECK(id_limit > 0 && n <= INT32_MAX, n, " ids below ", id_limit);
  const int bits =
      std::max(1, static_cast<int>(std::bit_width(static_cast<uint64_t>(id_limit - 1))));
  const int count = static_cast<int>(n);
  const auto* keys = reinterpret_cast<const uint32_t*>(ids.data);  // ids are not negative
  const unsigned grid = grid_for(n, kDeduplicateThreads, resident_blocks(kDeduplicateThreads));

  size_t sort_bytes = 0, scan_bytes = 0;
  MGQE_CUDA(cub::DeviceRadixSort::SortPairs(nullptr, sort_bytes, keys,
                                            static_cast<uint32_t*>(nullptr), unique.order.data,
                                            unique.order.data, count, 0, bits, stream()));
  MGQE_CUDA(cub::DeviceScan::InclusiveSum(nullptr, scan_bytes, unique.order.data, unique.order.data,
                                          count, stream()));
  const auto [sorted_ids, positions, first, rank, temporary] =
      workspace().take<uint32_t, int32_t, int32_t, int32_t, unsigned char>(
          stream(), n, n, n, n, static_cast<int64_t>(std::max(sort_bytes, scan_bytes)));

  if (n > 0) {
    MGQE_LAUNCH(number_kernel, grid, kDeduplicateThreads, 0, stream(), n, positions);
    MGQE_CUDA(cub::DeviceRadixSort::SortPairs(temporary, sort_bytes, keys, sorted_ids, positions,
                                              unique.order.data, count, 0, bits, stream()),
              n, " ids of ", bits, " bits");
    detail::count_launch();
    MGQE_LAUNCH(mark_first_kernel, grid, kDeduplicateThreads, 0, stream(), n, sorted_ids, first);
    MGQE_CUDA(cub::DeviceScan::InclusiveSum(temporary, scan_bytes, first, rank, count, stream()), n,
              " ids");
    detail::count_launch();
  }
  MGQE_LAUNCH(scatter_unique_kernel, grid, kDeduplicateThreads, 0, stream(), n, sorted_ids, rank,
              unique);
}

}  // namespace mgqe
