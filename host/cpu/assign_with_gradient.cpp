// Search, decode and codebook gradient of a training step in one pass. A thread owns slabs: sixteen
// columns, a cache line of every row, and the subspaces within them. It packs their centroids, goes
// through all rows and adds to their gradient as it decodes, so that codebook, gradient and rows
// are read once, from its own caches; no two threads write to one line, and sums are in the order
// of the rows whatever the number of threads. The arithmetic is that of assign and
// codebook_gradient, and so are the bits.
//
// Tried: adding a row's pieces in a plain loop (the compiler made it scalar, and at D = 8 the pass
// lost to the three ops); fetching the lines of decoded rows before their stores (no difference).
#undef HWY_TARGET_INCLUDE
// Blocks keep vectors in arrays, which those of unknown size cannot be.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#define HWY_TARGET_INCLUDE "host/cpu/assign_with_gradient.cpp"
// clang-format off
#include "hwy/foreach_target.h"  // first: it includes this file once per target
#include "hwy/highway.h"
// clang-format on

#include <cstring>
#include <vector>

#include "host/cpu/assign_task.hpp"
#include "host/cpu/cpu_backend.hpp"
#include "host/cpu/nearest-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace mgqe {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// What a thread keeps of one slab.
template <int kWidth>
struct Slab {
  static constexpr int kSubspaces = kSlabColumns / kWidth;
  static constexpr int kStride = 1 + kWidth;

  const float* centroids(int s) const { return packed + s * kMaxCentroids * kStride; }

  HWY_ALIGN float packed[kSubspaces * kMaxCentroids * kStride];  // half norm, then the centroid
  HWY_ALIGN float gradient[kMaxCentroids * kSlabColumns];
  HWY_ALIGN float transposed[kSlabColumns * kMaxBlock];
  HWY_ALIGN int32_t index[kSlabColumns * kMaxBlock];
};

template <int kWidth>
HWY_INLINE void pack_slab(const GradientTask& task, int64_t first, Slab<kWidth>& slab) {
  for (int64_t k = 0; k < task.codebook.rows; ++k) {
    const float* c = task.codebook.row(k) + first;
    for (int s = 0; s < slab.kSubspaces; ++s) {
      float* HWY_RESTRICT out = slab.packed + (s * kMaxCentroids + k) * slab.kStride;
      out[0] = half_squared_norm(c + s * kWidth, kWidth);
      std::memcpy(out + 1, c + s * kWidth, sizeof(float) * kWidth);
    }
  }
}

/// decoded = c, g += weight (c - e), w elements each.
template <int kWidth>
HWY_INLINE void decode_piece(const float* HWY_RESTRICT c, const float* HWY_RESTRICT e, float weight,
                             float* HWY_RESTRICT decoded, float* HWY_RESTRICT g) {
  const hn::CappedTag<float, kWidth> tag;
  const auto weights = hn::Set(tag, weight);
  for (size_t q = 0; q < kWidth; q += hn::Lanes(tag)) {
    const auto centroid = hn::LoadU(tag, c + q);
    hn::StoreU(centroid, tag, decoded + q);
    const auto difference = hn::Sub(centroid, hn::LoadU(tag, e + q));
    hn::StoreU(fused_multiply_add(tag, weights, difference, hn::LoadU(tag, g + q)), tag, g + q);
  }
}

/// Decoded columns of a block's rows, and what they add to the gradient.
template <int kWidth>
HWY_INLINE void decode_and_add(const GradientTask& task, AssignBlock rows, int block, int64_t first,
                               const float* const* row, Slab<kWidth>& slab) {
  for (int r = 0; r < rows.count; ++r) {
    const int64_t u = rows.first + r;
    const float weight = task.scale * static_cast<float>(task.unique.weight(u));
    for (int s = 0; s < slab.kSubspaces; ++s) {
      const int32_t k = slab.index[s * block + r];
      decode_piece<kWidth>(slab.centroids(s) + k * slab.kStride + 1, row[r] + first + s * kWidth,
                           weight, task.decoded.row(u) + first + s * kWidth,
                           slab.gradient + k * kSlabColumns + s * kWidth);
    }
  }
}

/// Rows lie scattered over the outer caches, or in those of the core that updated them.
HWY_INLINE void prefetch_rows(const GradientTask& task, AssignBlock rows, int64_t first) {
  for (int r = 0; r < rows.count; ++r)
    __builtin_prefetch(task.queries.row(task.unique.place(rows.first + r)) + first);
}

template <int kWidth, int kVectors>
HWY_NOINLINE void add_block(const GradientTask& task, AssignBlock rows, AssignBlock next,
                            int64_t first, Slab<kWidth>& slab) {
  const int block = kVectors * vector_rows();
  const float* row[kMaxBlock];
  find_rows(task.queries, RowSet::of(task.unique), rows, block, row);
  transpose_rows(row, first, kSlabColumns, block, slab.transposed);
  prefetch_rows(task, next, first);
  for (int s = 0; s < slab.kSubspaces; ++s)
    nearest<kWidth, kVectors>(slab.transposed + s * kWidth * block, slab.centroids(s), rows.limit,
                              kWidth, slab.index + s * block);
  decode_and_add(task, rows, block, first, row, slab);
}

template <int kWidth>
void add_slab(const GradientTask& task, const AssignBlock* blocks, int64_t count, int64_t first) {
  Slab<kWidth> slab;
  if (count > 0) prefetch_rows(task, blocks[0], first);
  pack_slab(task, first, slab);
  const int64_t centroids = task.codebook.rows;
  std::memset(slab.gradient, 0, sizeof(float) * static_cast<size_t>(centroids * kSlabColumns));
  for (int64_t i = 0; i < count; ++i) {
    const AssignBlock next = i + 1 < count ? blocks[i + 1] : AssignBlock{0, 0, 0};
    switch ((blocks[i].count + vector_rows() - 1) / vector_rows()) {
      case 1:
        add_block<kWidth, 1>(task, blocks[i], next, first, slab);
        break;
      case 2:
        add_block<kWidth, 2>(task, blocks[i], next, first, slab);
        break;
      case 3:
        add_block<kWidth, 3>(task, blocks[i], next, first, slab);
        break;
      default:
        add_block<kWidth, 4>(task, blocks[i], next, first, slab);
    }
  }
  for (int64_t k = 0; k < centroids; ++k)
    std::memcpy(task.gradient.row(k) + first, slab.gradient + k * kSlabColumns,
                sizeof(float) * kSlabColumns);
}

/// Columns [first, first + kSlabColumns) of all blocks.
void assign_slab(const GradientTask& task, const AssignBlock* blocks, int64_t count,
                 int64_t first) {
  switch (task.width) {
    case 1:
      return add_slab<1>(task, blocks, count, first);
    case 2:
      return add_slab<2>(task, blocks, count, first);
    case 4:
      return add_slab<4>(task, blocks, count, first);
    case 8:
      return add_slab<8>(task, blocks, count, first);
    default:
      return add_slab<16>(task, blocks, count, first);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace mgqe
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mgqe {

HWY_EXPORT(block_rows);
HWY_EXPORT(vector_rows);
HWY_EXPORT(assign_slab);

void CpuBackend::assign_with_gradient(View<const float> queries, const UniqueIds& unique,
                                      View<const float> codebook, const Tiers& tiers, float scale,
                                      const AssignScratch& scratch, View<float> decoded,
                                      View<float> gradient) {
  const int64_t d = queries.cols, width = d / scratch.codes.cols, slabs = d / kSlabColumns;
  // Slabs must hold whole subspaces, and be shared out evenly.
  if (d % kSlabColumns != 0 || kSlabColumns % width != 0 || slabs % thread_count() != 0)
    return QuantizerOps::assign_with_gradient(queries, unique, codebook, tiers, scale, scratch,
                                              decoded, gradient);
  MGQE_CHECK(codebook.rows <= kMaxCentroids, codebook.rows, " centroids");
  cut_blocks(RowSet::of(unique), tiers, HWY_DYNAMIC_DISPATCH(block_rows)(),
             HWY_DYNAMIC_DISPATCH(vector_rows)(), assign_blocks_);
  const GradientTask task{queries, unique,  codebook, static_cast<int>(width),
                          scale,   decoded, gradient};
  const auto run = HWY_DYNAMIC_DISPATCH(assign_slab);
  parallel_pieces(slabs, 1, [&](int64_t begin, int64_t end) {
    for (int64_t slab = begin; slab < end; ++slab)
      run(task, assign_blocks_.data(), static_cast<int64_t>(assign_blocks_.size()),
          slab * kSlabColumns);
  });
}

}  // namespace mgqe
#endif
