// Assign: nearest centroid of every row in every subspace, and the decoded row.
//
// Block = a tile of rows x one subspace: the subspace's centroids and half norms sit in shared
// memory and are read as broadcasts; each thread keeps the components of up to four rows in
// registers and runs their canonical fma chains side by side, over the first K_i centroids of each
// row's tier alone. Per row: 8d + 5D bytes, 2 K_i d flops. Widths 1, 2, 4, 8, 16 have a kernel of
// their own; any other width takes the generic one, which reads centroids from global memory. Any
// number of rows; K up to 256.
//
// Weighed and left: K distances stored as a [B, D, K] tensor (K times the bytes); the matrix form
// ||e||^2 - 2 e.c + ||c||^2 by library products (rounds, so codes differ between devices, and
// wastes most of each tensor-core tile at w <= 8); one block for all subspaces (64 KB of codebook a
// block, too few blocks for the paper's batch of 256). Rows are read w floats a thread, so at small
// w a sector serves several subspaces only through L2: the tensor-core version is to load whole
// rows.
#include "cuda/cuda_backend.cuh"
#include "cuda/quantize_kernel.cuh"

namespace mgqe {
namespace {

/// Tiles a block walks down the rows at most, so that loading the codebook pays for itself.
constexpr int64_t kMaxTiles = 1024;
/// Below this many rows, one row a thread: more blocks matter more than reuse of centroids.
constexpr int64_t kManyRows = 8192;

template <int kWidth, int kRows>
void launch_assign(const AssignArguments& a, cudaStream_t stream) {
  const int64_t subspaces = a.codes.cols;
  const dim3 grid(grid_for(a.rows.capacity, kAssignThreads * kRows, kMaxTiles),
                  static_cast<unsigned>(subspaces));
  const auto kernel = assign_kernel<kWidth, kRows>;
  MGQE_LAUNCH(kernel, grid, kAssignThreads, assign_shared_bytes(a.codebook.rows, kWidth), stream,
              a);
}

template <int kWidth>
void launch_assign(const AssignArguments& a, cudaStream_t stream) {
  constexpr int kRows = kWidth >= 16 ? 2 : 4;
  if (a.rows.capacity < kManyRows)
    launch_assign<kWidth, 1>(a, stream);
  else
    launch_assign<kWidth, kRows>(a, stream);
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
  switch (d / subspaces) {
    case 1:
      launch_assign<1>(arguments, stream());
      break;
    case 2:
      launch_assign<2>(arguments, stream());
      break;
    case 4:
      launch_assign<4>(arguments, stream());
      break;
    case 8:
      launch_assign<8>(arguments, stream());
      break;
    case 16:
      launch_assign<16>(arguments, stream());
      break;
    default:
      MGQE_LAUNCH(
          assign_any_width_kernel,
          grid_for(rows.capacity * subspaces, kAssignThreads, resident_blocks(kAssignThreads)),
          kAssignThreads, 0, stream(), arguments);
  }
  if (squared_error.data == nullptr) return;
  const unsigned grid =
      grid_for(rows.capacity, kAssignThreads / kWarpSize, resident_blocks(kAssignThreads));
  MGQE_LAUNCH(squared_error_kernel, grid, kAssignThreads, 0, stream(), queries, rows, tiers,
              decoded, squared_error);
}

}  // namespace mgqe
