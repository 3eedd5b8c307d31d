// Matrix products and column sums on the CPU. Products are cut over threads by rows or columns of
// the output, which changes no bit (matrix_product-inl.hpp); where the output is small and k long,
// as in a weight gradient, k is cut in fixed chunks whose products are added in order.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "host/cpu/linalg.cpp"
// clang-format off
#include "hwy/foreach_target.h"  // first: it includes this file once per target
#include "hwy/highway.h"
// clang-format on

#include "host/cpu/cpu_backend.hpp"
#include "host/cpu/matrix_product-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace mgqe {
namespace HWY_NAMESPACE {

/// multiply with its own scratch; k in blocks, so that a panel of b stays in the first-level cache,
/// beside the lines of a where those of its rows are far apart. Blocks continue the fma chains:
/// they change no bit.
void multiply_blocked(int64_t m, int64_t n, int64_t k, Strided a, Strided b, float* c,
                      int64_t c_row, bool accumulate) {
  constexpr int64_t kDepth = 512, kTransposedDepth = 256;
  alignas(64) static thread_local float panel[kDepth * kPanelCols];
  const int64_t depth = a.col == 1 ? kDepth : kTransposedDepth;
  for (int64_t first = 0; first < k; first += depth)
    multiply(m, n, std::min(depth, k - first), Strided{a.at(0, first), a.row, a.col},
             Strided{b.at(first, 0), b.row, b.col}, c, c_row, accumulate || first > 0, panel);
}

}  // namespace HWY_NAMESPACE
}  // namespace mgqe
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mgqe {

HWY_EXPORT(multiply_blocked);

namespace {

constexpr int64_t kGrainFlops = 1 << 20;   // of a piece: some 10 us
constexpr int64_t kRowUnit = 24;           // rows and columns are cut in multiples of a few tiles
constexpr int64_t kSplitDepth = 512;       // k of a chunk
constexpr int64_t kSplitOutput = 1 << 15;  // elements of out above which its rows are cut instead

constexpr int64_t kSumChunk = 256;  // rows of sum_rows that are summed before chunks are

Strided strided(const Operand& operand) {
  const int64_t cols = operand.matrix.cols;
  return operand.transposed ? Strided{operand.matrix.data, 1, cols}
                            : Strided{operand.matrix.data, cols, 1};
}

int64_t divide_up(int64_t n, int64_t by) { return (n + by - 1) / by; }

/// out = or += the sum over chunks of partials (chunks, |out|), in their order.
void add_chunks(const std::vector<float>& partials, int64_t chunks, View<float> out,
                bool accumulate) {
  constexpr int64_t kGrain = 1024;
  const float* from = partials.data();
  const int64_t size = out.size();
  parallel_ranges(size, kGrain, [=](int64_t begin, int64_t end) {
    float* __restrict to = out.data;
    if (!accumulate) std::fill(to + begin, to + end, 0.0f);
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      const float* __restrict partial = from + chunk * size;
      for (int64_t i = begin; i < end; ++i) to[i] += partial[i];
    }
  });
}

}  // namespace

void CpuBackend::matmul(Operand a, Operand b, View<float> out, bool accumulate) {
  const int64_t m = out.rows, n = out.cols, k = a.cols();
  MGQE_CHECK(a.rows() == m && b.rows() == k && b.cols() == n, "(", a.rows(), ", ", a.cols(),
             ") times (", b.rows(), ", ", b.cols(), ") into (", m, ", ", n, ")");
  if (out.size() == 0) return;
  if (k == 0) {
    if (!accumulate) std::fill_n(out.data, out.size(), 0.0f);
    return;
  }
  const auto multiply = HWY_DYNAMIC_DISPATCH(multiply_blocked);
  const Strided x = strided(a), y = strided(b);

  if (k >= 2 * kSplitDepth && out.size() <= kSplitOutput) {
    const int64_t chunks = divide_up(k, kSplitDepth);
    partials_.resize(static_cast<size_t>(chunks * out.size()));
    parallel_pieces(chunks, divide_up(kGrainFlops, 2 * out.size() * kSplitDepth),
                    [&](int64_t begin, int64_t end) {
                      for (int64_t chunk = begin; chunk < end; ++chunk) {
                        const int64_t first = chunk * kSplitDepth;
                        multiply(m, n, std::min(kSplitDepth, k - first),
                                 Strided{x.at(0, first), x.row, x.col},
                                 Strided{y.at(first, 0), y.row, y.col},
                                 partials_.data() + chunk * out.size(), n, false);
                      }
                    });
    return add_chunks(partials_, chunks, out, accumulate);
  }
  const bool by_rows = m >= n;
  const int64_t cut = by_rows ? m : n, unit = by_rows ? kRowUnit : kPanelCols;
  const int64_t unit_flops = 2 * unit * k * (by_rows ? n : m);
  parallel_pieces(divide_up(cut, unit), divide_up(kGrainFlops, unit_flops),
                  [&](int64_t begin, int64_t end) {
                    const int64_t first = begin * unit, count = std::min(cut, end * unit) - first;
                    if (by_rows)
                      multiply(count, n, k, Strided{x.at(first, 0), x.row, x.col}, y,
                               out.row(first), n, accumulate);
                    else
                      multiply(m, count, k, x, Strided{y.at(0, first), y.row, y.col},
                               out.data + first, n, accumulate);
                  });
}

void CpuBackend::sum_rows(View<const float> x, View<float> sums) {
  const int64_t cols = x.cols, chunks = divide_up(x.rows, kSumChunk);
  MGQE_CHECK(sums.size() == cols, "sums of ", cols, " columns into ", sums.size());
  partials_.assign(static_cast<size_t>(chunks * cols), 0.0f);
  float* partials = partials_.data();
  const int64_t grain = divide_up(kElementGrain, kSumChunk * std::max<int64_t>(cols, 1));
  parallel_ranges(chunks, grain, [=](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      float* __restrict sum = partials + chunk * cols;
      const int64_t last = std::min(x.rows, (chunk + 1) * kSumChunk);
      for (int64_t r = chunk * kSumChunk; r < last; ++r) {
        const float* __restrict row = x.row(r);
        for (int64_t c = 0; c < cols; ++c) sum[c] += row[c];
      }
    }
  });
  add_chunks(partials_, chunks, sums, false);
}

}  // namespace mgqe
#endif
