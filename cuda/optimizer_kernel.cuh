// Sums of look-up gradients by row, and the optimizer on each sum, without atomics.
//
// A team of lanes takes a chunk of consecutive sorted look-ups and walks it once. A row whose
// look-ups all lie in the chunk is summed in look-up order and updated in place; the part of a row
// that crosses the chunk's edge goes to the carry, whose parts update_carried_kernel adds in chunk
// order. Chunks depend on B alone, so the bits do too.
#pragma once

#include "cuda/primitives.cuh"
#include "host/engine/functors/row_rules.hpp"

namespace mgqe {

inline constexpr int kRowThreads = 128;
/// Blocks a multiprocessor must hold: leaves 80 registers a thread, so that nothing spills.
inline constexpr int kRowBlocks = 6;

/// How a team holds a row: each lane kSlabs vectors of kWidth columns, kLanes vectors apart. A team
/// is a power-of-two share of a warp, or, for wide rows, the whole block.
template <int kWidth_, int kLanes_, int kSlabs_>
struct RowShape {
  static constexpr int kWidth = kWidth_, kLanes = kLanes_, kSlabs = kSlabs_;
  static constexpr int kTeams = kRowThreads / kLanes;        // of a block
  static constexpr int kColumns = kWidth * kLanes * kSlabs;  // widest row
  static constexpr int kAhead = kSlabs == 1 ? 4 : 2;         // rows in flight before they are added
  static constexpr bool kBlockTeam = kLanes == kRowThreads;
  static_assert(kLanes <= kWarpSize || kBlockTeam);
};

/// Calls f with the shape for rows of d columns; `vectors`: every row begins at a multiple of 16
/// bytes.
template <class Function>
void with_row_shape(int64_t d, bool vectors, const Function& f) {
  if (!vectors) return d <= 32 ? f(RowShape<1, 32, 1>()) : f(RowShape<1, kRowThreads, 8>());
  if (d <= 64) return f(RowShape<4, 16, 1>());
  if (d <= 128) return f(RowShape<4, 32, 1>());
  f(RowShape<4, kRowThreads, 2>());
}

/// Equal chunks of sorted look-ups.
struct RowChunks {
  int64_t length = 1;
  /// A team takes the rows that begin in its chunk, to their ends: nothing is carried.
  bool whole_rows = false;
};

/// Below this many look-ups a second launch costs more than the hottest row of one team.
inline constexpr int64_t kWholeRowsUpTo = 512;
inline constexpr int64_t kMinRowChunk = 8;
inline constexpr int64_t kMaxRowChunks = 1 << 14;

inline RowChunks row_chunks(int64_t lookups) {
  if (lookups <= kWholeRowsUpTo) return {1, true};
  const int64_t length = (lookups + kMaxRowChunks - 1) / kMaxRowChunks;
  return {length < kMinRowChunk ? kMinRowChunk : length, false};
}

/// Sums of the parts of rows that cross a chunk's edge.
struct RowCarry {
  float* heads = nullptr;  // (chunks, d) of the row that began in an earlier chunk
  float* tails = nullptr;  // (chunks, d) of the row that begins here and goes on in the next chunk
};

template <class Shape>
__device__ inline int team_lane() {
  return static_cast<int>(threadIdx.x) % Shape::kLanes;
}
/// This team's number in its block.
template <class Shape>
__device__ inline int block_team() {
  return static_cast<int>(threadIdx.x) / Shape::kLanes;
}

/// A lane's columns of one row; what lies past the row is 0.
template <class Shape>
struct RowPart {
  using Vector = FloatVector<Shape::kWidth>;
  Vector slabs[Shape::kSlabs] = {};

  __device__ static int column(int slab) {
    return (slab * Shape::kLanes + team_lane<Shape>()) * Shape::kWidth;
  }
  __device__ void load(const float* row, int d) {
    MGQE_UNROLL
    for (int j = 0; j < Shape::kSlabs; ++j)
      if (column(j) < d) slabs[j] = *reinterpret_cast<const Vector*>(row + column(j));
  }
  __device__ void store(float* row, int d) const {
    MGQE_UNROLL
    for (int j = 0; j < Shape::kSlabs; ++j)
      if (column(j) < d) *reinterpret_cast<Vector*>(row + column(j)) = slabs[j];
  }
  __device__ void add(const RowPart& other) {
    MGQE_UNROLL
    for (int j = 0; j < Shape::kSlabs; ++j) {
      MGQE_UNROLL
      for (int q = 0; q < Shape::kWidth; ++q) slabs[j].x[q] += other.slabs[j].x[q];
    }
  }
};

/// rule.row_rate of row `id` in every lane of the team, `sum` being this lane's share of the sum of
/// squares. One lane alone touches the row's state.
template <class Shape, class Rule>
__device__ inline float team_rate(const Rule& rule, int64_t id, float sum, int d) {
  if constexpr (Shape::kBlockTeam) {
    MGQE_SHARED_ARRAY(float, shared_rate, 1);
    sum = block_sum<kRowThreads>(sum);
    if (threadIdx.x == 0) shared_rate[0] = rule.row_rate(id, sum / static_cast<float>(d));
    __syncthreads();
    return shared_rate[0];
  } else {
    // The team's lanes alone: the teams of a warp part ways where their rows end.
    const int first = lane_index() / Shape::kLanes * Shape::kLanes;
    const uint32_t mask = (kAllLanes >> (kWarpSize - Shape::kLanes)) << first;
    MGQE_UNROLL
    for (int distance = Shape::kLanes / 2; distance > 0; distance /= 2)
      sum += __shfl_xor_sync(mask, sum, distance);
    float rate = 0.0f;
    if (lane_index() == first) rate = rule.row_rate(id, sum / static_cast<float>(d));
    return __shfl_sync(mask, rate, first);
  }
}

/// The team's rate for row `id` under a rule with a row norm.
template <class Shape, class Rule>
__device__ inline float row_norm_rate(const Rule& rule, int64_t id, int64_t place,
                                      const RowPart<Shape>& g, int d) {
  using Part = RowPart<Shape>;
  float sum = 0.0f;
  MGQE_UNROLL
  for (int j = 0; j < Shape::kSlabs; ++j) {
    if (Part::column(j) >= d) continue;
    const auto parameter = *reinterpret_cast<const typename Part::Vector*>(
        rule.arrays[0].row(place) + Part::column(j));
    MGQE_UNROLL
    for (int q = 0; q < Shape::kWidth; ++q) sum += rule.square(parameter.x[q], g.slabs[j].x[q]);
  }
  return team_rate<Shape>(rule, id, sum, d);
}

/// The row of distinct id u by the rule, from its summed gradient.
template <class Shape, class Rule>
__device__ inline void update_row(const Rule& rule, const UniqueIds& unique, int64_t u,
                                  const RowPart<Shape>& g, int d) {
  using Part = RowPart<Shape>;
  using Vector = typename Part::Vector;
  const int64_t place = unique.place(u);
  float rate;
  if constexpr (Rule::kRowNorm)
    rate = row_norm_rate<Shape>(rule, unique.ids[u], place, g, d);
  else
    rate = rule.rate();
  MGQE_UNROLL
  for (int j = 0; j < Shape::kSlabs; ++j) {
    const int c = Part::column(j);
    if (c >= d) continue;
    Vector x[Rule::kArrays] = {};
    MGQE_UNROLL
    for (int a = 0; a < Rule::kArrays; ++a)
      if constexpr (Rule::kReads)
        x[a] = *reinterpret_cast<const Vector*>(rule.arrays[a].row(place) + c);
    MGQE_UNROLL
    for (int q = 0; q < Shape::kWidth; ++q) {
      float element[Rule::kArrays];
      MGQE_UNROLL
      for (int a = 0; a < Rule::kArrays; ++a) element[a] = x[a].x[q];
      rule.element(element, g.slabs[j].x[q], rate);
      MGQE_UNROLL
      for (int a = 0; a < Rule::kArrays; ++a) x[a].x[q] = element[a];
    }
    MGQE_UNROLL
    for (int a = 0; a < Rule::kArrays; ++a)
      *reinterpret_cast<Vector*>(rule.arrays[a].row(place) + c) = x[a];
  }
}

/// Which distinct row the sorted look-up p belongs to.
__device__ inline int row_of(const UniqueIds& unique, int p) {
  return unique.inverse[unique.order[p]];
}

/// The first look-up at or after p that begins a row, or `lookups`.
__device__ inline int next_row_begin(const UniqueIds& unique, int p, int lookups) {
  if (p >= lookups) return lookups;
  const int u = row_of(unique, p);
  return unique.offsets[u] == p ? p : unique.offsets[u + 1];
}

/// The sorted look-ups [begin, end) of a chunk, begin < end: whole rows are updated, parts go to
/// the chunk's place in the carry. Loads run kAhead look-ups ahead of the additions, across rows.
template <class Shape, class Rule>
__device__ inline void update_span(const Rule& rule, const UniqueIds& unique,
                                   View<const float> gradient, int begin, int end, int64_t chunk,
                                   const RowCarry& carry) {
  constexpr int kAhead = Shape::kAhead;
  const int d = static_cast<int>(gradient.cols);
  int u = row_of(unique, begin);
  int row_begin = unique.offsets[u], row_end = unique.offsets[u + 1];
  RowPart<Shape> sum, next[kAhead];
  MGQE_UNROLL
  for (int s = 0; s < kAhead; ++s)
    if (end - begin > s) next[s].load(gradient.row(unique.order[begin + s]), d);
  bool first_of_row = true;
  for (int p = begin; p < end; ++p) {
    if (first_of_row)
      sum = next[0];
    else
      sum.add(next[0]);
    MGQE_UNROLL
    for (int s = 1; s < kAhead; ++s) next[s - 1] = next[s];
    if (end - p > kAhead) next[kAhead - 1].load(gradient.row(unique.order[p + kAhead]), d);

    first_of_row = p + 1 == row_end;
    if (!first_of_row && p + 1 < end) continue;
    if (row_begin >= begin && row_end <= end)
      update_row<Shape>(rule, unique, u, sum, d);
    else
      sum.store((row_begin < begin ? carry.heads : carry.tails) + chunk * d, d);
    if (p + 1 == end) return;
    row_begin = row_end;
    row_end = unique.offsets[++u + 1];
  }
}

/// A team per chunk of the sorted look-ups; gradient (B, d).
template <class Shape, class Rule>
__global__ void __launch_bounds__(kRowThreads, kRowBlocks)
    update_rows_kernel(Rule rule, UniqueIds unique, View<const float> gradient, RowChunks chunks,
                       RowCarry carry) {
  const int lookups = unique.offsets[*unique.count.data];
  const int64_t teams = static_cast<int64_t>(gridDim.x) * Shape::kTeams;
  int64_t chunk = static_cast<int64_t>(blockIdx.x) * Shape::kTeams + block_team<Shape>();
  for (; chunk * chunks.length < lookups; chunk += teams) {
    int begin = static_cast<int>(chunk * chunks.length);
    int end = lookups - begin > chunks.length ? begin + static_cast<int>(chunks.length) : lookups;
    if (chunks.whole_rows) {
      begin = next_row_begin(unique, begin, lookups);
      end = next_row_begin(unique, end, lookups);
    }
    if (begin < end) update_span<Shape>(rule, unique, gradient, begin, end, chunk, carry);
  }
}

/// The row that begins in a chunk and crosses its end.
struct CarriedRow {
  int32_t u;
  int32_t parts;  // chunks it lies in; 0: no row crosses
};

__device__ inline CarriedRow carried_row(const UniqueIds& unique, int64_t length, int64_t chunk,
                                         int lookups) {
  const int64_t begin = chunk * length, end = begin + length;
  if (end >= lookups) return {0, 0};
  const int u = row_of(unique, static_cast<int>(end - 1));
  const int row_end = unique.offsets[u + 1];
  if (unique.offsets[u] < begin || row_end == end) return {0, 0};
  return {u, static_cast<int32_t>((row_end - 1) / length - chunk + 1)};
}

/// Parts [first, last) of the row that begins in `chunk`, first < last, added in order.
template <class Shape>
__device__ inline RowPart<Shape> sum_parts(const RowCarry& carry, int64_t chunk, int first,
                                           int last, int d) {
  constexpr int kAhead = Shape::kAhead;
  RowPart<Shape> sum;
  sum.load((first == 0 ? carry.tails : carry.heads) + (chunk + first) * d, d);
  for (int i = first + 1; i < last; i += kAhead) {
    RowPart<Shape> next[kAhead];
    MGQE_UNROLL
    for (int s = 0; s < kAhead; ++s)
      if (i + s < last) next[s].load(carry.heads + (chunk + i + s) * d, d);
    MGQE_UNROLL
    for (int s = 0; s < kAhead; ++s)
      if (i + s < last) sum.add(next[s]);
  }
  return sum;
}

/// Parts of one row that a team adds alone; more are cut into a slice for each team of the block.
inline constexpr int kFewParts = 16;

template <class Shape>
size_t carried_shared_bytes(int64_t d) {
  return sizeof(float) * static_cast<size_t>(Shape::kTeams * d);
}

/// The block's teams sum a slice each of a row's parts, the slices (kTeams, d) are added in order.
/// Of kTeams chunks in a row, such a row begins in one at most: it goes on for kFewParts.
template <class Shape, class Rule>
__device__ inline void update_long_row(const Rule& rule, const UniqueIds& unique, CarriedRow row,
                                       int64_t chunk, const RowCarry& carry, float* slices, int d) {
  constexpr int kTeams = Shape::kTeams;
  static_assert(kTeams <= kFewParts, "no slice may be empty, nor two rows of the block long");
  const auto slice_begin = [&](int team) {
    return static_cast<int>(static_cast<int64_t>(row.parts) * team / kTeams);
  };
  const int team = block_team<Shape>();
  sum_parts<Shape>(carry, chunk, slice_begin(team), slice_begin(team + 1), d)
      .store(slices + team * d, d);
  __syncthreads();
  if (team == 0) {
    RowPart<Shape> sum, next;
    sum.load(slices, d);
    for (int s = 1; s < kTeams; ++s) {
      next.load(slices + s * d, d);
      sum.add(next);
    }
    update_row<Shape>(rule, unique, row.u, sum, d);
  }
}

/// The rows of the carry: a team per chunk that such a row begins in, the block for long ones.
template <class Shape, class Rule>
__global__ void __launch_bounds__(kRowThreads, kRowBlocks)
    update_carried_kernel(Rule rule, UniqueIds unique, int d, RowChunks chunks, RowCarry carry) {
  constexpr int kTeams = Shape::kTeams;
  MGQE_DYNAMIC_SHARED(float, slices);
  MGQE_SHARED_ARRAY(CarriedRow, rows, kTeams);
  const int lookups = unique.offsets[*unique.count.data];
  const int team = block_team<Shape>();
  for (int64_t base = static_cast<int64_t>(blockIdx.x) * kTeams; base * chunks.length < lookups;
       base += static_cast<int64_t>(gridDim.x) * kTeams) {
    const CarriedRow mine = carried_row(unique, chunks.length, base + team, lookups);
    if (mine.parts > 0 && mine.parts <= kFewParts)
      update_row<Shape>(rule, unique, mine.u,
                        sum_parts<Shape>(carry, base + team, 0, mine.parts, d), d);
    if (team_lane<Shape>() == 0) rows[team] = mine;
    __syncthreads();
    for (int t = 0; t < kTeams; ++t)
      if (rows[t].parts > kFewParts)
        update_long_row<Shape>(rule, unique, rows[t], base + t, carry, slices, d);
    __syncthreads();  // the next chunks take the same places and slices
  }
}

}  // namespace mgqe
