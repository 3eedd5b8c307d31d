// Decode: rows of a packed table, by range or by ids. Copies of centroids by their codes, the
// values rounded to binary16 where such rows are asked for.
//
// Each thread writes 16 bytes of up to four rows at a time (d = 64: 16 threads a row in f32, 8 in
// binary16), so a warp's stores are whole lines. The codebooks of all tiers lie in shared memory in
// the type of the rows (K = 256, d = 64: 64 KiB, in binary16 32): rounding happens once a block,
// and because the codebook is code-major, a thread's bank depends on its column alone and 16-byte
// reads never conflict. Codes of eight bits are read as one vector a thread; others, which rows of
// 6 or 24 bytes leave unaligned, byte by byte through L1. Where the codebooks do not fit, or there
// are too few rows to pay for loading them, they are read through L1 and L2.
//
// Bytes a row: packed_row_bytes + d sizeof(T), and 4 for an id. No flops. Goal: 0.90 of the copy
// bandwidth measured in the same run; not yet run on a GPU.
// Any d that fills 16-byte vectors, up to 512 of them, and any w; every other d takes the generic
// kernel. Bits 0 to 8, up to eight tiers, each with its own D and codebook.
//
// Weighed and left: a tile of codes through shared memory (two barriers a tile to spare loads that
// are an eighth of the stores at most, and of no use by id); a kernel for each tier (a batch of ids
// would have to be sorted first); stores that bypass L2 (who decodes a batch reads it next).
#include "cuda/cuda_backend.cuh"
#include "cuda/decode_kernel.cuh"

namespace mgqe {
namespace {

bool is_aligned(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) % 16 == 0; }

template <class T>
DecodeShape shape_of(const DecodeArguments<T>& a) {
  const int64_t dim = a.table.dim;
  bool vectors = dim % kVectorSize<T> == 0 && is_aligned(a.out.data);
  for (int t = 0; t < a.table.ranges.count; ++t)
    vectors = vectors && is_aligned(a.table.tiers[t].codebook);
  return {a.rows.capacity,       vectors ? dim / kVectorSize<T> : 0,
          kVectorSize<T>,        piece_size<T>(a.table),
          a.staging.total / dim, a.staging.total * static_cast<int64_t>(sizeof(T))};
}

template <class T, int kPiece, bool kStaged>
void launch_vectors(const DecodeArguments<T>& a, const DecodeConfig& config, cudaStream_t stream) {
  const auto kernel = decode_vectors_kernel<T, kPiece, kStaged>;
  if (kStaged)
    MGQE_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                   static_cast<int>(config.shared_bytes)),
              config.shared_bytes, " bytes");
  MGQE_LAUNCH(kernel, static_cast<unsigned>(config.blocks), kDecodeThreads,
              static_cast<size_t>(config.shared_bytes), stream, a);
}

template <class T, int kPiece>
void launch_piece(const DecodeArguments<T>& a, const DecodeConfig& config, cudaStream_t stream) {
  if constexpr (kPiece <= kVectorSize<T>) {
    if (config.staged)
      launch_vectors<T, kPiece, true>(a, config, stream);
    else
      launch_vectors<T, kPiece, false>(a, config, stream);
  }
}

template <class T>
void launch_decode(const PackedTiers& table, RowSet rows, View<T> out, const DecodeDevice& device,
                   cudaStream_t stream) {
  check_packed_tiers(table, out.cols);
  MGQE_CHECK(out.rows >= rows.capacity, out.rows, " rows of output for ", rows.capacity);
  if (rows.capacity == 0) return;
  const DecodeArguments<T> a{table, rows, out, plan_staging(table)};
  const DecodeConfig config = choose_decode(shape_of(a), device);
  switch (config.piece) {
    case 1:
      return launch_piece<T, 1>(a, config, stream);
    case 2:
      return launch_piece<T, 2>(a, config, stream);
    case 4:
      return launch_piece<T, 4>(a, config, stream);
    case 8:
      return launch_piece<T, 8>(a, config, stream);
    default:
      MGQE_LAUNCH(decode_any_kernel<T>, static_cast<unsigned>(config.blocks), kDecodeThreads, 0,
                  stream, a);
  }
}

DecodeDevice decode_device(int device, int64_t multiprocessors) {
  int shared_bytes = 0;
  MGQE_CUDA(cudaDeviceGetAttribute(&shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device),
            "device ", device);
  return {multiprocessors, shared_bytes};
}

}  // namespace

void CudaBackend::decode_rows(const PackedTiers& table, RowSet rows, View<float> out) {
  launch_decode(table, rows, out, decode_device(device_, multiprocessors_), stream());
}

void CudaBackend::decode_rows(const PackedTiers& table, RowSet rows, View<Half> out) {
  launch_decode(table, rows, out, decode_device(device_, multiprocessors_), stream());
}

}  // namespace mgqe
