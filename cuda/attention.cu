// Causal attention within ragged sequences, forward and backward, in f32; no score is ever stored.
//
// Forward: a block per (sequence, head, tile of 32 queries) walks tiles of 32 keys with a running
// maximum and sum (Dao et al. 2022, "FlashAttention"). Backward: probabilities again from log_sums;
// one kernel per tile of queries for dq, one per tile of keys for dk and dv, so no atomics and a
// fixed order. Flops a (query, key) pair of a head of width w: 4 w forward, 14 w backward; whole
// tiles on the diagonal, so 16 pairs a query more than the causal half. Bytes: q, out and log_sums
// once, k and v once for every tile of queries (through L2); the same of the gradients. Dropout is
// computed anew from element numbers. The grid is what the batch could need (sequences x tiles of
// the longest x heads): a block past the end of its sequence returns. Widths 16, 32 and 64 keep
// sums in registers; any other takes a warp a token and keeps them in global memory. Any lengths,
// any number of heads. Last tokens alone, which ranking asks for, take a warp each of any width.
//
// Weighed and left: padding to the longest sequence (computes pairs that are not there); tensor
// cores in TF32 (10 bits of mantissa where the CPU has 23); tiles of 64 queries (half the traffic
// of k and v, but twice the waste on the diagonal and half the blocks, and the paper's batch of 128
// sequences has few); cp.async double buffering (a second tile of k and v costs shared memory that
// other blocks, which hide the loads too, would have).
#include <type_traits>

#include "cuda/attention_any_kernel.cuh"
#include "cuda/cuda_backend.cuh"

namespace mgqe {
namespace {

/// Calls launch(std::integral_constant<int, width>) for a width with a kernel of its own, else
/// launch(std::integral_constant<int, 0>).
template <class Launch>
void with_width(int64_t width, const Launch& launch) {
  switch (width) {
    case 16:
      return launch(std::integral_constant<int, 16>());
    case 32:
      return launch(std::integral_constant<int, 32>());
    case 64:
      return launch(std::integral_constant<int, 64>());
    default:
      return launch(std::integral_constant<int, 0>());
  }
}

/// Sequences x groups of `tokens` tokens x heads.
dim3 attention_grid(const AttentionInput& input, const Sequences& sequences, int tokens) {
  return dim3(static_cast<unsigned>(sequences.offsets.rows - 1),
              static_cast<unsigned>((sequences.longest + tokens - 1) / tokens),
              static_cast<unsigned>(input.heads));
}

constexpr int64_t kGridLimit = 65535;  // of the y and z sides

void check_heads(const AttentionInput& input) {
  MGQE_CHECK(input.heads > 0 && input.heads <= kGridLimit && input.q.cols % input.heads == 0,
             input.q.cols, " dimensions, ", input.heads, " heads");
}

void check_shapes(const AttentionInput& input, const Sequences& sequences) {
  check_heads(input);
  MGQE_CHECK(sequences.longest > 0 && sequences.longest <= kGridLimit * kAnyWidthTokens,
             "longest sequence: ", sequences.longest);
}

}  // namespace

void CudaBackend::attention(const AttentionInput& input, Sequences sequences, Dropout dropout,
                            View<const StepState> state, View<float> out, View<float> log_sums) {
  if (out.size() == 0) return;
  check_shapes(input, sequences);
  with_width(input.q.cols / input.heads, [&](auto width) {
    if constexpr (width == 0) {
      MGQE_LAUNCH(attention_any_kernel, attention_grid(input, sequences, kAnyWidthTokens),
                  kAnyWidthThreads, 0, stream(), input, sequences, dropout, state, out, log_sums);
    } else {
      MGQE_LAUNCH(attention_kernel<width>, attention_grid(input, sequences, kAttentionTile),
                  kAttentionThreads, 0, stream(), input, sequences, dropout, state, out, log_sums);
    }
  });
}

void CudaBackend::attention_of_last(const AttentionInput& input, Sequences sequences,
                                    View<float> out) {
  if (out.size() == 0) return;
  check_heads(input);
  MGQE_LAUNCH(attention_of_last_kernel,
              grid_for(out.rows * input.heads, kAnyWidthTokens, resident_blocks(kAnyWidthThreads)),
              kAnyWidthThreads, 0, stream(), input, sequences, out);
}

void CudaBackend::attention_backward(const AttentionInput& input, Sequences sequences,
                                     Dropout dropout, View<const StepState> state,
                                     View<const float> out, View<const float> log_sums,
                                     View<const float> out_gradient,
                                     const AttentionGradients& gradients) {
  if (out.size() == 0) return;
  check_shapes(input, sequences);
  const auto [row_dots] = workspace().take<float>(stream(), log_sums.size());
  const AttentionBackwardArguments arguments{
      input,        sequences, dropout,
      state,        out,       log_sums,
      out_gradient, gradients, View<float>(row_dots, log_sums.rows, log_sums.cols)};
  with_width(input.q.cols / input.heads, [&](auto width) {
    if constexpr (width == 0) {
      const dim3 grid = attention_grid(input, sequences, kAnyWidthTokens);
      MGQE_LAUNCH(attention_any_query_gradient_kernel, grid, kAnyWidthThreads, 0, stream(),
                  arguments);
      MGQE_LAUNCH(attention_any_key_gradient_kernel, grid, kAnyWidthThreads, 0, stream(),
                  arguments);
    } else {
      const dim3 grid = attention_grid(input, sequences, kAttentionTile);
      MGQE_LAUNCH(attention_query_gradient_kernel<width>, grid, kAttentionThreads, 0, stream(),
                  arguments);
      MGQE_LAUNCH(attention_key_gradient_kernel<width>, grid, kAttentionThreads, 0, stream(),
                  arguments);
    }
  });
}

}  // namespace mgqe
