#undef HWY_TARGET_INCLUDE
// Vectors are kept in arrays, which those of unknown size cannot be.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#define HWY_TARGET_INCLUDE "experiments/bench/search_mix.cpp"
// clang-format off
#include "hwy/foreach_target.h"  // first: it includes this file once per target
#include "hwy/highway.h"
// clang-format on

#include "experiments/bench/search_mix.hpp"

#include <algorithm>
#include <cmath>

#include "host/base/check.hpp"
#include "host/base/parallel.hpp"

HWY_BEFORE_NAMESPACE();
namespace mgqe::bench {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using IndexTag = hn::ScalableTag<int32_t>;
constexpr int kCentroids = 64, kWidest = 64, kMostVectors = 4;

/// Of so many vectors of rows with a score, the best one and its index each. Their components are
/// one register each for all widths, or read from memory, where registers are too few for them.
template <int kWidth, int kVectors, bool kRowsInRegisters>
HWY_NOINLINE float mix_of(int width, int64_t steps) {
  const Tag tag;
  const IndexTag index_tag;
  const int lanes = static_cast<int>(hn::Lanes(tag));
  const int w = kWidth > 0 ? kWidth : width;
  HWY_ALIGN float centroids[kCentroids * (1 + kWidest)];
  HWY_ALIGN float rows[kWidest * kMostVectors * hn::MaxLanes(Tag())];
  for (int i = 0; i < kCentroids * (1 + w); ++i)
    centroids[i] = 1.0f / static_cast<float>(2 + i * 37 % 101);
  for (int i = 0; i < w * kVectors * lanes; ++i) rows[i] = static_cast<float>(i % 17) / 16.0f;
  hn::Vec<Tag> row[kVectors], best[kVectors], score[kVectors];
  hn::Vec<IndexTag> best_k[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    row[v] = hn::Set(tag, 0.25f * static_cast<float>(1 + v));
    best[v] = hn::Set(tag, INFINITY);
    best_k[v] = hn::Zero(index_tag);
  }
  auto k_lanes = hn::Zero(index_tag);
  for (int64_t step = 0; step < steps; step += kCentroids)
    for (int k = 0; k < kCentroids; ++k) {
      const float* HWY_RESTRICT c = centroids + k * (1 + w);
      for (int v = 0; v < kVectors; ++v) score[v] = hn::Set(tag, c[0]);
      for (int q = 0; q < w; ++q) {
        const auto component = hn::Set(tag, c[1 + q]);
        for (int v = 0; v < kVectors; ++v) {
          const auto x =
              kRowsInRegisters ? row[v] : hn::Load(tag, rows + (q * kVectors + v) * lanes);
          score[v] = hn::NegMulAdd(x, component, score[v]);
        }
      }
      for (int v = 0; v < kVectors; ++v) {
        const auto closer = hn::RebindMask(index_tag, hn::Lt(score[v], best[v]));
        best_k[v] = hn::IfThenElse(closer, k_lanes, best_k[v]);
        best[v] = hn::Min(score[v], best[v]);
      }
      k_lanes = hn::Add(k_lanes, hn::Set(index_tag, 1));
    }
  float sum = 0.0f;
  for (int v = 0; v < kVectors; ++v)
    sum += hn::GetLane(best[v]) + static_cast<float>(hn::GetLane(best_k[v]));
  return sum;
}

template <int kVectors, bool kRowsInRegisters>
float mix_of_width(int width, int64_t steps) {
  switch (width) {
    case 2:
      return mix_of<2, kVectors, kRowsInRegisters>(width, steps);
    case 4:
      return mix_of<4, kVectors, kRowsInRegisters>(width, steps);
    case 8:
      return mix_of<8, kVectors, kRowsInRegisters>(width, steps);
    default:
      return mix_of<0, kVectors, kRowsInRegisters>(width, steps);
  }
}

/// The vectors of a variant: 16 registers hold three with their rows, or four without.
int mix_vectors(SearchRows rows) { return rows == SearchRows::kInRegisters ? 3 : kMostVectors; }
int64_t mix_rows(SearchRows rows) {
  return mix_vectors(rows) * static_cast<int64_t>(hn::Lanes(Tag()));
}

float search_mix(SearchRows rows, int width, int64_t steps) {
  return rows == SearchRows::kInRegisters ? mix_of_width<3, true>(width, steps)
                                          : mix_of_width<kMostVectors, false>(width, steps);
}

int widest_mix() { return kWidest; }

}  // namespace HWY_NAMESPACE
}  // namespace mgqe::bench
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace mgqe::bench {

HWY_EXPORT(mix_rows);
HWY_EXPORT(search_mix);
HWY_EXPORT(widest_mix);

double run_search_mix(SearchRows rows, int width, int64_t steps, View<float> sums) {
  MGQE_CHECK(width >= 1 && width <= HWY_DYNAMIC_DISPATCH(widest_mix)(), "width ", width);
  constexpr int64_t kTogether = 64;  // centroids
  const int64_t whole = (steps + kTogether - 1) / kTogether * kTogether;
  const auto run = HWY_DYNAMIC_DISPATCH(search_mix);
  parallel_pieces(sums.size(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t worker = begin; worker < end; ++worker) sums[worker] = run(rows, width, whole);
  });
  return 2.0 * width *
         static_cast<double>(whole * sums.size() * HWY_DYNAMIC_DISPATCH(mix_rows)(rows));
}

}  // namespace mgqe::bench
#endif
