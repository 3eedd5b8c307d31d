// Row optimizers and sums of look-up gradients: a balanced segmented reduction over the sorted
// look-ups, with the optimizer fused into it.
//
// The sorted look-ups are cut into equal chunks, one a team of 16 lanes (d <= 64), a warp, or a
// block where rows are wide; rows that lie in one chunk are summed and updated in place, the parts
// of the others go through a carry buffer and a second launch adds them in chunk order. The hottest
// id of a skewed batch (7% of Zipf(1) draws) is thus spread over as many teams as it has chunks.
// The chunk length depends on B alone: the same bits on every GPU. Up to 512 look-ups a team takes
// whole rows and the second launch is saved.
//
// Bytes: 4d + 4 a look-up (its gradient and place) + a distinct row's parameter and state, read and
// written: 24d SparseAdam, 8d + 8 row-wise Adagrad (its row read twice, the second time from
// cache), 8d SGD, 4d for the sum alone; + at most 16d a chunk of carry (64 look-ups at B = 1M: 3%).
// 1 flop a look-up element, about 15 an element of a row. Goal: these bytes at >= 0.7 of copy
// bandwidth, the sort apart (not yet run on a GPU, nor are the constants below tuned on one).
// d up to 1024 by 16-byte vectors where d is a multiple of 4 and every array is aligned, else by
// single floats; any B.
//
// Weighed and left: atomics on the table gradient (order changes from run to run); a warp or a CTA
// a row (the hottest row keeps one busy for all its look-ups, the many rows of one look-up leave a
// CTA idle); a last-block-done counter instead of the second launch (an atomic and a fence a block,
// to save a launch that captured steps hardly pay); cub::DeviceReduce::ReduceByKey (its carry order
// depends on timing, and the optimizer would take a second pass over the sums).
#include <cstdint>

#include "cuda/cuda_backend.cuh"
#include "cuda/optimizer_kernel.cuh"

namespace mgqe {
namespace {

bool aligned(const float* data) { return reinterpret_cast<uintptr_t>(data) % 16 == 0; }

template <class Rule>
bool takes_vectors(const Rule& rule, View<const float> gradient) {
  bool all = gradient.cols % 4 == 0 && aligned(gradient.data);
  for (const View<float>& array : rule.arrays) all = all && aligned(array.data);
  return all;
}

}  // namespace

template <class Shape, class Rule>
void CudaBackend::reduce_rows_as(const Rule& rule, const UniqueIds& unique,
                                 View<const float> gradient) {
  const int64_t d = gradient.cols;
  MGQE_CHECK(d <= Shape::kColumns, "dimension ", d, " is over ", Shape::kColumns);
  const RowChunks chunks = row_chunks(unique.ids.rows);
  const int64_t count = (unique.ids.rows + chunks.length - 1) / chunks.length;
  const int64_t carried = chunks.whole_rows ? 0 : count * d;
  const auto [heads, tails] = workspace().take<float, float>(stream(), carried, carried);
  const RowCarry carry{heads, tails};
  const unsigned grid = grid_for(count, Shape::kTeams, resident_blocks(kRowThreads));
  const auto update = update_rows_kernel<Shape, Rule>;
  MGQE_LAUNCH(update, grid, kRowThreads, 0, stream(), rule, unique, gradient, chunks, carry);
  if (chunks.whole_rows) return;
  const auto update_carried = update_carried_kernel<Shape, Rule>;
  MGQE_LAUNCH(update_carried, grid, kRowThreads, carried_shared_bytes<Shape>(d), stream(), rule,
              unique, static_cast<int>(d), chunks, carry);
}

template <class Rule>
void CudaBackend::reduce_rows(const Rule& rule, const UniqueIds& unique,
                              View<const float> gradient) {
  if (unique.ids.rows == 0) return;
  with_row_shape(gradient.cols, takes_vectors(rule, gradient),
                 [&](auto shape) { reduce_rows_as<decltype(shape)>(rule, unique, gradient); });
}

void CudaBackend::update_rows(View<float> table, const UniqueIds& unique,
                              View<const float> gradient, const RowUpdate& update,
                              View<const StepState> state) {
  with_row_rule(table, unique.gathered, update, state,
                [&](const auto& rule) { reduce_rows(rule, unique, gradient); });
}

void CudaBackend::sum_gradients(const UniqueIds& unique, View<const float> gradient,
                                View<float> table_gradient) {
  reduce_rows(StoreSumRule{{table_gradient}}, unique, gradient);
}

}  // namespace mgqe
