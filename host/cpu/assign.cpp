// Assign on the CPU: rows in lanes. A block of rows is transposed once; per subspace its components
// stay in registers while the tier's centroids stream by as broadcasts, one fma chain per row and
// centroid (the canonical score of quant_math.hpp, so codes have the same bits at every instruction
// level and on a GPU). The codebook is first repacked as (D, K, 1 + w) with the half norm in front,
// so that each subspace's centroids are one contiguous stream.
//
// Fetching the lines of the decoded rows ahead of their stores was tried: it wins up to 6% at D =
// 32 and loses 5 to 10% at D = 8.
#undef HWY_TARGET_INCLUDE
// Blocks keep vectors in arrays, which those of unknown size cannot be.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#define HWY_TARGET_INCLUDE "host/cpu/assign.cpp"
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

/// The rows of a small table's batch lie scattered over the outer caches: while one block is
/// searched, subspace j of D, its share of the next block's rows is fetched.
HWY_INLINE void prefetch_share(const AssignTask& task, AssignBlock next, int j, int subspaces) {
  for (int r = next.count * j / subspaces; r < next.count * (j + 1) / subspaces; ++r) {
    const float* row = task.queries.row(task.rows.place(next.first + r));
    for (int64_t c = 0; c < task.queries.cols; c += 16) __builtin_prefetch(row + c);
  }
}

/// Codes and decoded rows of a block of up to kVectors vectors of rows; `next` is fetched
/// meanwhile.
template <int kWidth, int kVectors>
void assign_block(const AssignTask& task, AssignBlock rows, AssignBlock next,
                  float* HWY_RESTRICT transposed, int32_t* HWY_RESTRICT index) {
  const int subspaces = static_cast<int>(task.codes.cols);
  const int width = kWidth > 0 ? kWidth : static_cast<int>(task.queries.cols / subspaces);
  const int block = kVectors * vector_rows();
  const float* row[kMaxBlock];
  find_rows(task.queries, task.rows, rows, block, row);
  transpose_rows(row, 0, task.queries.cols, block, transposed);
  const int64_t stride = task.codebook.rows * (1 + width);
  for (int j = 0; j < subspaces; ++j) {
    prefetch_share(task, next, j, subspaces);
    nearest<kWidth, kVectors>(transposed + static_cast<int64_t>(j) * width * block,
                              task.packed_codebook + j * stride, rows.limit, width,
                              index + j * block);
  }
  for (int r = 0; r < rows.count; ++r) {
    uint8_t* HWY_RESTRICT codes = task.codes.row(rows.first + r);
    float* HWY_RESTRICT decoded = task.decoded.row(rows.first + r);
    for (int j = 0; j < subspaces; ++j) {
      const int32_t k = index[j * block + r];
      codes[j] = static_cast<uint8_t>(k);
      std::memcpy(decoded + j * width, task.codebook.row(k) + j * width, sizeof(float) * width);
    }
  }
}

template <int kWidth>
void assign_blocks_of(const AssignTask& task, const AssignBlock* blocks, int64_t count) {
  HWY_ALIGN float transposed[kMaxDim * kMaxBlock];
  HWY_ALIGN int32_t index[kMaxDim * kMaxBlock];
  for (int64_t i = 0; i < count; ++i) {
    const AssignBlock next = i + 1 < count ? blocks[i + 1] : AssignBlock{0, 0, 0};
    switch ((blocks[i].count + vector_rows() - 1) / vector_rows()) {
      case 1:
        assign_block<kWidth, 1>(task, blocks[i], next, transposed, index);
        break;
      case 2:
        assign_block<kWidth, 2>(task, blocks[i], next, transposed, index);
        break;
      case 3:
        assign_block<kWidth, 3>(task, blocks[i], next, transposed, index);
        break;
      default:
        assign_block<kWidth, 4>(task, blocks[i], next, transposed, index);
    }
  }
}

void assign_blocks(const AssignTask& task, const AssignBlock* blocks, int64_t count) {
  switch (task.queries.cols / task.codes.cols) {
    case 1:
      return assign_blocks_of<1>(task, blocks, count);
    case 2:
      return assign_blocks_of<2>(task, blocks, count);
    case 4:
      return assign_blocks_of<4>(task, blocks, count);
    case 8:
      return assign_blocks_of<8>(task, blocks, count);
    case 16:
      return assign_blocks_of<16>(task, blocks, count);
    default:
      return assign_blocks_of<0>(task, blocks, count);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace mgqe
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mgqe {

HWY_EXPORT(block_rows);
HWY_EXPORT(vector_rows);
HWY_EXPORT(assign_blocks);

namespace {

void add_squared_errors(const AssignTask& task, const Tiers& tiers) {
  parallel_ranges(task.rows.size(), 256, [=](int64_t begin, int64_t end) {
    const int64_t d = task.queries.cols;
    for (int64_t i = begin; i < end; ++i) {
      if (tiers.limit(task.rows[i]) == 0) continue;
      const float* e = task.queries.row(task.rows.place(i));
      const float* c = task.decoded.row(i);
      float sum = 0.0f;
      for (int64_t q = 0; q < d; ++q) sum = fmaf(e[q] - c[q], e[q] - c[q], sum);
      task.squared_error[i] = sum;
    }
  });
}

/// Rows [begin, end) of the codebook into the streams that `nearest` reads: (D, K, 1 + w), the half
/// norm first. kWidth 0 takes any width.
template <int kWidth>
inline void pack_codebook(View<const float> codebook, View<const float> half_norms, float* packed,
                          int64_t begin, int64_t end) {
  const int64_t subspaces = half_norms.cols;
  const int64_t width = kWidth > 0 ? kWidth : codebook.cols / subspaces;
  for (int64_t k = begin; k < end; ++k) {
    const float* __restrict c = codebook.row(k);
    const float* __restrict half_norm = half_norms.row(k);
    for (int64_t j = 0; j < subspaces; ++j) {
      float* __restrict out = packed + (j * codebook.rows + k) * (1 + width);
      out[0] = half_norm[j];
      std::memcpy(out + 1, c + j * width, sizeof(float) * static_cast<size_t>(width));
    }
  }
}

template <int kWidth>
inline void fill_half_norms(View<const float> codebook, View<float> half_norms, int64_t begin,
                            int64_t end) {
  const int64_t subspaces = half_norms.cols;
  const int width = kWidth > 0 ? kWidth : static_cast<int>(codebook.cols / subspaces);
  for (int64_t k = begin; k < end; ++k) {
    const float* __restrict c = codebook.row(k);
    float* __restrict out = half_norms.row(k);
    for (int64_t j = 0; j < subspaces; ++j) out[j] = half_squared_norm(c + j * width, width);
  }
}

constexpr int64_t kCodebookGrain = 64;  // rows of the codebook

}  // namespace

void CpuBackend::half_norms(View<const float> codebook, int subspaces, View<float> half_norms) {
  const int64_t width = codebook.cols / subspaces;
  parallel_ranges(codebook.rows, kCodebookGrain, [=](int64_t begin, int64_t end) {
    switch (width) {
      case 2:
        return fill_half_norms<2>(codebook, half_norms, begin, end);
      case 4:
        return fill_half_norms<4>(codebook, half_norms, begin, end);
      case 8:
        return fill_half_norms<8>(codebook, half_norms, begin, end);
      default:
        return fill_half_norms<0>(codebook, half_norms, begin, end);
    }
  });
}

void CpuBackend::assign(View<const float> queries, RowSet rows, View<const float> codebook,
                        View<const float> half_norms, const Tiers& tiers, View<uint8_t> codes,
                        View<float> decoded, View<float> squared_error) {
  const int64_t d = queries.cols, subspaces = codes.cols, width = d / subspaces;
  MGQE_CHECK(d <= kMaxDim, "dimension ", d);
  MGQE_CHECK(width * subspaces == d, d, " dimensions in ", subspaces, " subspaces");
  packed_codebook_.resize(static_cast<size_t>(codebook.rows * (d + subspaces)));
  float* const packed = packed_codebook_.data();
  parallel_ranges(codebook.rows, kCodebookGrain, [=](int64_t begin, int64_t end) {
    switch (width) {
      case 2:
        return pack_codebook<2>(codebook, half_norms, packed, begin, end);
      case 4:
        return pack_codebook<4>(codebook, half_norms, packed, begin, end);
      case 8:
        return pack_codebook<8>(codebook, half_norms, packed, begin, end);
      default:
        return pack_codebook<0>(codebook, half_norms, packed, begin, end);
    }
  });

  const AssignTask task{queries, rows, codebook, packed, codes, decoded, squared_error};
  std::vector<AssignBlock>& blocks = assign_blocks_;
  cut_blocks(rows, tiers, HWY_DYNAMIC_DISPATCH(block_rows)(), HWY_DYNAMIC_DISPATCH(vector_rows)(),
             blocks);
  const auto run = HWY_DYNAMIC_DISPATCH(assign_blocks);
  parallel_pieces(static_cast<int64_t>(blocks.size()), 1, [&](int64_t begin, int64_t end) {
    run(task, blocks.data() + begin, end - begin);
  });
  if (squared_error.data != nullptr) add_squared_errors(task, tiers);
}

}  // namespace mgqe
#endif
