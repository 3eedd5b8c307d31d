// Assign on the CPU: rows in lanes. A block of rows is transposed once; per subspace its components
// stay in registers while the tier's centroids stream by as broadcasts, one fma chain per row and
// centroid (the canonical score of quant_math.hpp, so codes have the same bits at every instruction
// level and on a GPU). The codebook is first repacked as (D, K, 1 + w) with the half norm in front,
// so that each subspace's centroids are one contiguous stream.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "host/cpu/assign.cpp"
// clang-format off
#include "hwy/foreach_target.h"  // first: it includes this file once per target
#include "hwy/highway.h"
// clang-format on

#include <cmath>
#include <vector>

#include "host/cpu/assign_task.hpp"
#include "host/cpu/cpu_backend.hpp"
#include "host/cpu/fused_multiply-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace mgqe {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using IndexTag = hn::ScalableTag<int32_t>;
constexpr int kVectors = 2;  // vectors of rows in flight, to hide the latency of the fma chain
constexpr int kMaxBlock = kVectors * hn::MaxLanes(Tag());

/// Nearest of `limit` centroids for a block of rows. e: (w, block) transposed components;
/// centroids: (K, 1 + w), the half norm first; index: (block). kWidth 0 takes any width.
template <int kWidth>
void nearest(const float* HWY_RESTRICT e, const float* HWY_RESTRICT centroids, int limit, int width,
             int32_t* HWY_RESTRICT index) {
  const Tag tag;
  const IndexTag index_tag;
  const int lanes = static_cast<int>(hn::Lanes(tag));
  const int block = kVectors * lanes;
  const int w = kWidth > 0 ? kWidth : width;
  auto best0 = hn::Set(tag, INFINITY), best1 = best0;
  auto best_k0 = hn::Zero(index_tag), best_k1 = best_k0;
  auto k_lanes = hn::Zero(index_tag);  // counted up in lanes: a broadcast of k costs more
  for (int k = 0; k < limit; ++k) {
    const float* HWY_RESTRICT c = centroids + static_cast<int64_t>(k) * (1 + w);
    auto score0 = hn::Set(tag, c[0]), score1 = score0;
    for (int q = 0; q < w; ++q) {
      const auto component = hn::Set(tag, c[1 + q]);
      const float* HWY_RESTRICT e_q = e + q * block;
      score0 = fused_negative_multiply_add(tag, hn::Load(tag, e_q), component, score0);
      score1 = fused_negative_multiply_add(tag, hn::Load(tag, e_q + lanes), component, score1);
    }
    const auto closer0 = hn::Lt(score0, best0), closer1 = hn::Lt(score1, best1);
    best0 = hn::IfThenElse(closer0, score0, best0);
    best1 = hn::IfThenElse(closer1, score1, best1);
    best_k0 = hn::IfThenElse(hn::RebindMask(index_tag, closer0), k_lanes, best_k0);
    best_k1 = hn::IfThenElse(hn::RebindMask(index_tag, closer1), k_lanes, best_k1);
    k_lanes = hn::Add(k_lanes, hn::Set(index_tag, 1));
  }
  hn::Store(best_k0, index_tag, index);
  hn::Store(best_k1, index_tag, index + lanes);
}

int block_rows() { return kVectors * static_cast<int>(hn::Lanes(Tag())); }

/// Codes and decoded rows of one block. kWidth 0 takes any width.
template <int kWidth>
void assign_block(const AssignTask& task, AssignBlock rows, float* HWY_RESTRICT transposed,
                  int32_t* HWY_RESTRICT index) {
  const int64_t d = task.queries.cols;
  const int subspaces = static_cast<int>(task.codes.cols);
  const int width = kWidth > 0 ? kWidth : static_cast<int>(d / subspaces);
  const int block = block_rows();
  for (int r = 0; r < block; ++r) {  // a short block repeats its last row
    const float* HWY_RESTRICT row =
        task.queries.row(task.rows[rows.first + std::min(r, rows.count - 1)]);
    for (int64_t c = 0; c < d; ++c) transposed[c * block + r] = row[c];
  }
  const int64_t stride = task.codebook.rows * (1 + width);
  for (int j = 0; j < subspaces; ++j)
    nearest<kWidth>(transposed + static_cast<int64_t>(j) * width * block,
                    task.packed_codebook + j * stride, rows.limit, width, index + j * block);
  for (int r = 0; r < rows.count; ++r) {
    uint8_t* HWY_RESTRICT codes = task.codes.row(rows.first + r);
    float* HWY_RESTRICT decoded = task.decoded.row(rows.first + r);
    for (int j = 0; j < subspaces; ++j) {
      const int32_t k = index[j * block + r];
      codes[j] = static_cast<uint8_t>(k);
      const float* HWY_RESTRICT centroid = task.codebook.row(k) + j * width;
      for (int q = 0; q < width; ++q) decoded[j * width + q] = centroid[q];
    }
  }
}

/// The rows of a small table's batch lie scattered over the outer caches: fetch them a block ahead.
void prefetch_rows(const AssignTask& task, AssignBlock rows) {
  for (int r = 0; r < rows.count; ++r) {
    const float* row = task.queries.row(task.rows[rows.first + r]);
    for (int64_t c = 0; c < task.queries.cols; c += 16) __builtin_prefetch(row + c);
  }
}

template <int kWidth>
void assign_blocks_of(const AssignTask& task, const AssignBlock* blocks, int64_t count) {
  HWY_ALIGN float transposed[kMaxDim * kMaxBlock];
  HWY_ALIGN int32_t index[kMaxDim * kMaxBlock];
  for (int64_t i = 0; i < count; ++i) {
    if (i + 1 < count) prefetch_rows(task, blocks[i + 1]);
    assign_block<kWidth>(task, blocks[i], transposed, index);
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
HWY_EXPORT(assign_blocks);

namespace {

/// Cuts the rows into blocks that do not straddle tiers; rows of a tier without centroids are in
/// none.
void cut_blocks(RowSet rows, const Tiers& tiers, int block, std::vector<AssignBlock>& blocks) {
  blocks.clear();
  const int64_t count = rows.size();
  for (int64_t first = 0; first < count;) {
    const int tier = tiers.tier_of(rows[first]);
    int length = 1;
    while (length < block && first + length < count && rows[first + length] < tiers.end[tier] &&
           rows[first + length] >= tiers.begin(tier))
      ++length;
    if (tiers.centroids[tier] > 0) blocks.push_back({first, length, tiers.centroids[tier]});
    first += length;
  }
}

void add_squared_errors(const AssignTask& task, const Tiers& tiers) {
  parallel_ranges(task.rows.size(), 256, [=](int64_t begin, int64_t end) {
    const int64_t d = task.queries.cols;
    for (int64_t i = begin; i < end; ++i) {
      if (tiers.limit(task.rows[i]) == 0) continue;
      const float* e = task.queries.row(task.rows[i]);
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
      for (int64_t q = 0; q < width; ++q) out[1 + q] = c[j * width + q];
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
  cut_blocks(rows, tiers, HWY_DYNAMIC_DISPATCH(block_rows)(), blocks);
  const auto run = HWY_DYNAMIC_DISPATCH(assign_blocks);
  parallel_pieces(static_cast<int64_t>(blocks.size()), 1, [&](int64_t begin, int64_t end) {
    run(task, blocks.data() + begin, end - begin);
  });
  if (squared_error.data != nullptr) add_squared_errors(task, tiers);
}

}  // namespace mgqe
#endif
