// Assign: nearest centroid of every row in every subspace, and the decoded row.
//
// A warp searches one subspace for 32 x R rows: each thread keeps w components of R rows in
// registers and runs their canonical fma chains side by side, while the centroids and half norms
// come as 16-byte broadcasts from shared memory, four centroids at a time. Only the minimum of each
// chunk of 16 centroids (8 from w = 8 on) is kept; the row remembers the first chunk that has its
// lowest score, and that chunk is scored once more for the lowest index that has it. So a pair of
// row and centroid costs w fma and one min, where a comparison with its index would cost three.
// Issue slots a pair in the loop over whole chunks, counted in sm_90 code: 2.3, 3.3, 5.4, 9.7 and
// 18.6 at w = 1, 2, 4, 8, 16; the rescan adds 0.2 to 1 at K = 256. Both passes compute the same
// chain, so codes have the bits of a plain loop, ties going to the lowest index. A score that does
// not compare (NaN) is passed over; where none does, the code is 0.
//
// Rows are read and written once. At w < 8 a thread's w floats are less than a 32-byte sector, so
// a block serves as many subspaces as make one or two sectors (8, 8, 4 at w = 1, 2, 4): their slab
// of columns of the tile is loaded side by side into shared memory, replaced there by the decoded
// values, and stored side by side. From w = 8 on a thread's share is whole sectors already. The
// limit K_i is each row's own: threads whose rows straddle two tiers, and limits inside a chunk,
// take chunks with one comparison more a pair; rows of limit 0 are left alone.
//
// Bytes a row: 8 d + D. Flops: 2 K_i d. Goal: 0.70 of the measured fma peak at D = 8, 0.62 at
// D = 16, 0.45 at D = 32; not yet run on a GPU. Widths 1, 2, 4, 8, 16 have kernels of their own;
// any other width takes the generic one, a thread a (row, subspace), all from global memory. K up
// to 256. choose_assign picks tiles: the paper's batch of 256 rows gets 128 blocks of one subspace.
//
// Weighed and left: K distances stored as a [B, D, K] tensor (K times the bytes); the matrix form
// ||e||^2 - 2 e.c + ||c||^2 by library products (rounds, so codes differ between devices, and
// wastes most of each tensor-core tile at w <= 8); one block for all subspaces (64 KB of codebook a
// block, too few blocks for a small batch); the index packed into the score's low bits (no longer
// the canonical score). Tensor cores with exact rescoring wait until this is measured on a GPU.
#include "cuda/config/assign_config.hpp"
#include "cuda/cuda_backend.cuh"
#include "cuda/quantize_kernel.cuh"

namespace mgqe {
namespace {

template <int kWidth, int kRows, int kSubspaces, int kThreads>
void launch(const AssignArguments& a, const AssignConfig& config, cudaStream_t stream) {
  const dim3 grid(static_cast<unsigned>(config.tiles), static_cast<unsigned>(config.slabs));
  const size_t bytes = assign_shared_bytes<kWidth, kSubspaces>(a.codebook.rows, config.tile_rows());
  if constexpr (kSubspaces == 1) {
    const auto kernel = assign_kernel<kWidth, kRows, kThreads>;
    MGQE_LAUNCH(kernel, grid, kThreads, bytes, stream, a);
  } else {
    const auto kernel = assign_slab_kernel<kWidth, kRows, kSubspaces>;
    MGQE_LAUNCH(kernel, grid, kThreads, bytes, stream, a);
  }
}

template <int kWidth>
void launch_width(const AssignArguments& a, int64_t multiprocessors, cudaStream_t stream) {
  constexpr int kSlab = slab_subspaces(kWidth), kThreads = assign_threads(kSlab);
  const AssignConfig config = choose_assign(a.rows.capacity, a.codes.cols, kWidth, multiprocessors);
  switch (config.rows) {
    case 1:
      return launch<kWidth, 1, 1, kFewThreads>(a, config, stream);
    case 2:
      return launch<kWidth, 2, kSlab, kThreads>(a, config, stream);
    default:
      return launch<kWidth, most_rows(kWidth), kSlab, kThreads>(a, config, stream);
  }
}

}  // namespace

void CudaBackend::assign(View<const float> queries, RowSet rows, View<const float> codebook,
                         View<const float> half_norms, const Tiers& tiers, View<uint8_t> codes,
                         View<float> decoded, View<float> squared_error) {
  if (rows.capacity == 0) return;
  const int64_t d = queries.cols, subspaces = codes.cols;
  MGQE_CHECK(d % subspaces == 0 && codebook.rows <= kMaxCentroids, d, " dimensions, ", subspaces,
             " subspaces, ", codebook.rows, " centroids");
  const AssignArguments arguments{queries, rows, codebook, half_norms, tiers, codes, decoded};
  const unsigned grid =
      grid_for(rows.capacity * subspaces, kAssignThreads, resident_blocks(kAssignThreads));
  switch (d / subspaces) {
    case 1:
      launch_width<1>(arguments, multiprocessors_, stream());
      break;
    case 2:
      launch_width<2>(arguments, multiprocessors_, stream());
      break;
    case 4:
      launch_width<4>(arguments, multiprocessors_, stream());
      break;
    case 8:
      launch_width<8>(arguments, multiprocessors_, stream());
      break;
    case 16:
      launch_width<16>(arguments, multiprocessors_, stream());
      break;
    default:
      MGQE_LAUNCH(assign_any_width_kernel, grid, kAssignThreads, 0, stream(), arguments);
  }
  if (squared_error.data == nullptr) return;
  const unsigned error_grid =
      grid_for(rows.capacity, kAssignThreads / kWarpSize, resident_blocks(kAssignThreads));
  MGQE_LAUNCH(squared_error_kernel, error_grid, kAssignThreads, 0, stream(), queries, rows, tiers,
              decoded, squared_error);
}

}  // namespace mgqe
