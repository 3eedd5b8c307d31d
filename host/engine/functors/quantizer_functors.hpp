// Functors of the ops of host/engine/ops/quantizer_ops.hpp, as host/engine/functors/functors.hpp
// explains.
#pragma once

#include <cfloat>
#include <cmath>

#include "host/engine/backend.hpp"

namespace mgqe {

// ---- scalar quantization ------------------------------------------------------------------------

/// Element (chunk, column): the range of kRangeChunk rows. Least and greatest are taken of the same
/// values whatever the device, so there is no rounding and no order to agree on.
struct PartialRanges {
  View<const float> table;  // (n, d)
  View<float> partials;  // (2 chunks, d): all lows, then all highs; low > high where none is finite
  MGQE_HD void operator()(int64_t i) const {
    const int64_t chunk = i / table.cols, column = i % table.cols;
    const int64_t first = chunk * kRangeChunk;
    const int64_t last = first + kRangeChunk < table.rows ? first + kRangeChunk : table.rows;
    float low = INFINITY, high = -INFINITY;
    for (int64_t r = first; r < last; ++r) {
      const float x = table.row(r)[column];
      if (!(fabsf(x) <= FLT_MAX)) continue;
      low = x < low ? x : low;
      high = x > high ? x : high;
    }
    partials.row(chunk)[column] = low;
    partials.row(partials.rows / 2 + chunk)[column] = high;
  }
};

struct CombineRanges {
  View<const float> partials;  // as PartialRanges leaves them
  View<float> low, high;       // (d)
  MGQE_HD void operator()(int64_t column) const {
    const int64_t chunks = partials.rows / 2;
    float least = INFINITY, greatest = -INFINITY;
    for (int64_t c = 0; c < chunks; ++c) {
      const float x = partials.row(c)[column], y = partials.row(chunks + c)[column];
      least = x < least ? x : least;
      greatest = y > greatest ? y : greatest;
    }
    const bool any = least <= greatest;
    low[column] = any ? least : 0.0f;
    high[column] = any ? greatest : 0.0f;
  }
};

/// One byte of a packed row, from the cells that reach into it.
struct PackCells {
  View<const float> rows;       // (m, d)
  View<const float> low, high;  // (d)
  int bits;
  View<uint8_t> packed;  // (m, row bytes)
  MGQE_HD void operator()(int64_t i) const {
    const int64_t r = i / packed.cols, first_bit = i % packed.cols * 8;
    int value = 0;
    for (int64_t j = first_bit / bits; j < rows.cols && j * bits < first_bit + 8; ++j) {
      const int cell = scalar_cell(rows.row(r)[j], low[j], high[j], bits);
      const int shift = static_cast<int>(j * bits - first_bit);
      value |= shift >= 0 ? cell << shift : cell >> -shift;
    }
    packed[i] = static_cast<uint8_t>(value & 0xFF);
  }
};

struct DecodeCells {
  View<const uint8_t> packed;  // (n, row bytes)
  RowSet rows;
  int bits;
  View<const float> low, high;  // (d)
  View<float> out;              // (|rows|, d)
  MGQE_HD void operator()(int64_t i) const {
    const int64_t r = rows[i / out.cols], j = i % out.cols;
    out[i] = scalar_value(unpack_cell(packed.row(r), j, bits), low[j], high[j], bits);
  }
};

// ---- hashing ------------------------------------------------------------------------------------

struct HashIds {
  RowSet ids;
  int64_t buckets;
  View<int32_t> rows;  // (m)
  MGQE_HD void operator()(int64_t i) const {
    rows[i] = static_cast<int32_t>(hash_bucket(ids[i], buckets));
  }
};

// ---- rows that are made of others ---------------------------------------------------------------

struct DivideIds {
  RowSet ids;
  int64_t divisor;
  View<int32_t> quotients, remainders;  // (m), or empty
  MGQE_HD void operator()(int64_t i) const {
    const int64_t id = ids[i], quotient = id / divisor;
    if (quotients.data != nullptr) quotients[i] = static_cast<int32_t>(quotient);
    if (remainders.data != nullptr) remainders[i] = static_cast<int32_t>(id - quotient * divisor);
  }
};

struct MultiplyRows {
  Lookup x;
  View<const float> factors;  // (B, d) or (B, 1)
  View<float> out;            // (B, d)
  MGQE_HD void operator()(int64_t b, int64_t c) const {
    out.row(b)[c] = x.rows.row(x.index[b])[c] * factors.row(b)[factors.cols == 1 ? 0 : c];
  }
};

struct BlockRows {
  View<const float> block;  // (n, w)
  RowSet ids;
  int64_t begin;
  View<float> out;  // (|ids|, w)
  MGQE_HD void operator()(int64_t i, int64_t c) const {
    const int64_t row = ids[i] - begin;
    out.row(i)[c] = row >= 0 && row < block.rows ? block.row(row)[c] : 0.0f;
  }
};

struct BlockIds {
  View<const int32_t> ids;
  int64_t begin, rows;
  View<int32_t> out;
  MGQE_HD void operator()(int64_t i) const {
    const int64_t row = ids[i] - begin;
    out[i] = static_cast<int32_t>(row >= 0 && row < rows ? row : rows);
  }
};

struct LeaveOutLast {
  UniqueIds unique;
  int32_t id;
  MGQE_HD void operator()(int64_t) const {
    const int32_t count = unique.count[0];
    if (count > 0 && unique.ids[count - 1] == id) unique.count[0] = count - 1;
  }
};

// ---- learned steps ------------------------------------------------------------------------------

struct StepBounds {
  View<const float> log_steps;  // (d)
  int bits;
  View<float> low, high;  // (d)
  MGQE_HD void operator()(int64_t c) const {
    const float step = expf(log_steps[c]), half = static_cast<float>(1 << (bits - 1));
    low[c] = -(half + 0.5f) * step;
    high[c] = (half - 0.5f) * step;
  }
};

MGQE_HD float nearest_middle(float x, float low, float high, int bits) {
  return scalar_value(scalar_cell(x, low, high, bits), low, high, bits);
}

struct RoundToSteps {
  Lookup x;
  View<const float> low, high;  // (d)
  int bits;
  View<float> out;  // (B, d)
  MGQE_HD void operator()(int64_t b, int64_t c) const {
    out.row(b)[c] = nearest_middle(x.rows.row(x.index[b])[c], low[c], high[c], bits);
  }
};

/// With the step s = e^t and the middle q s of x: d(q s)/dt = s d(q s)/ds, which straight through
/// the rounding is q s - x, and q s where x is clipped.
struct RoundToStepsBackward {
  Lookup x;
  View<const float> low, high;  // (d)
  int bits;
  View<const float> gradient;          // (B, d)
  View<float> x_gradient, step_terms;  // (B, d)
  MGQE_HD void operator()(int64_t b, int64_t c) const {
    const float value = x.rows.row(x.index[b])[c], passed = gradient.row(b)[c];
    const float middle = nearest_middle(value, low[c], high[c], bits);
    const bool clipped = value <= scalar_value(0, low[c], high[c], bits) ||
                         value >= scalar_value((1 << bits) - 1, low[c], high[c], bits);
    x_gradient.row(b)[c] = clipped ? 0.0f : passed;
    step_terms.row(b)[c] = passed * (clipped ? middle : middle - value);
  }
};

// ---- options of DPQ training
// ----------------------------------------------------------------------

struct CommitmentGradient {
  View<const float> queries;  // (n, d)
  UniqueIds unique;
  View<const float> decoded;   // (B, d) by distinct id
  View<const float> gradient;  // (B, d) by look-up
  float scale;
  View<float> out;  // (B, d)
  MGQE_HD void operator()(int64_t i) const {
    const int64_t b = i / out.cols, c = i % out.cols, u = unique.inverse[b];
    const float difference = queries.row(unique.place(u))[c] - decoded.row(u)[c];
    out[i] = fmaf(scale * static_cast<float>(unique.repeats_of(b)), difference, gradient[i]);
  }
};

/// Defaults of tf.layers.batch_normalization, which the DPQ authors' code calls without others.
inline constexpr float kDistanceMomentum = 0.99f;
inline constexpr float kDistanceEpsilon = 1e-3f;

MGQE_HD float squared_distance(const float* e, const float* c, int64_t width) {
  float sum = 0.0f;
  for (int64_t q = 0; q < width; ++q) sum = fmaf(e[q] - c[q], e[q] - c[q], sum);
  return sum;
}

/// In double: the variance is a difference of sums.
struct DistanceMoments {
  double lookups = 0.0, sum = 0.0, squares = 0.0;
};

/// Element (k, j): what subspace j adds to the moments of centroid index k.
struct PartialDistanceMoments {
  View<const float> queries;  // (n, d)
  UniqueIds unique;
  Tiers tiers;
  View<const float> codebook;  // (K, d)
  View<double> partials;       // (K D, 3): look-ups, sum, sum of squares

  /// Of distinct row u.
  MGQE_HD void add(int64_t i, int32_t u, DistanceMoments& moments) const {
    const int64_t subspaces = partials.rows / codebook.rows, width = codebook.cols / subspaces;
    const int64_t k = i / subspaces, j = i % subspaces;
    if (k >= tiers.limit(unique.ids[u])) return;
    const double weight = unique.weight(u);
    const double distance = squared_distance(queries.row(unique.place(u)) + j * width,
                                             codebook.row(k) + j * width, width);
    moments.lookups += weight;
    moments.sum += weight * distance;
    moments.squares += weight * distance * distance;
  }
  MGQE_HD void store(int64_t i, const DistanceMoments& moments) const {
    partials.row(i)[0] = moments.lookups;
    partials.row(i)[1] = moments.sum;
    partials.row(i)[2] = moments.squares;
  }
  MGQE_HD void operator()(int64_t i) const {
    DistanceMoments moments;
    for (int32_t u = 0; u < unique.count[0]; ++u) add(i, u, moments);
    store(i, moments);
  }
};

/// moments (2): mean and variance of `count` values by their sum and that of their squares; running
/// (2) moves towards them. Of none both are running's.
MGQE_HD void set_moments(double count, double sum, double squares, float* moments, float* running) {
  if (count > 0.0) {
    const double mean = sum / count, variance = squares / count - mean * mean;
    moments[0] = static_cast<float>(mean);
    moments[1] = variance > 0.0 ? static_cast<float>(variance) : 0.0f;
    for (int s = 0; s < 2; ++s)
      running[s] = fmaf(1.0f - kDistanceMomentum, moments[s] - running[s], running[s]);
  } else {
    for (int s = 0; s < 2; ++s) moments[s] = running[s];
  }
}

struct CombineDistanceMoments {
  View<const double> partials;  // (K D, 3)
  View<float> moments;          // (K, 2): mean, variance
  View<float> running;          // (K, 2)
  MGQE_HD void operator()(int64_t k) const {
    const int64_t subspaces = partials.rows / moments.rows;
    double count = 0.0, sum = 0.0, squares = 0.0;
    for (int64_t i = k * subspaces; i < (k + 1) * subspaces; ++i) {
      count += partials.row(i)[0];
      sum += partials.row(i)[1];
      squares += partials.row(i)[2];
    }
    set_moments(count, sum, squares, moments.row(k), running.row(k));
  }
};

/// Element (i, j): code and decoded components of row i of the set in subspace j.
struct AssignNormalized {
  View<const float> queries;  // (n, d)
  RowSet rows;
  View<const float> codebook;  // (K, d)
  View<const float> moments;   // (K, 2)
  Tiers tiers;
  View<uint8_t> codes;  // (|rows|, D)
  View<float> decoded;  // (|rows|, d)
  MGQE_HD void operator()(int64_t element) const {
    const int64_t i = element / codes.cols, j = element % codes.cols;
    if (i >= rows.size()) return;
    const int64_t width = codebook.cols / codes.cols;
    const float* const e = queries.row(rows.place(i)) + j * width;
    const int limit = tiers.limit(rows[i]);
    if (limit == 0) return;
    int nearest = 0;
    float least = INFINITY;
    for (int k = 0; k < limit; ++k) {
      const float distance = squared_distance(e, codebook.row(k) + j * width, width);
      const float score =
          (distance - moments.row(k)[0]) / sqrtf(moments.row(k)[1] + kDistanceEpsilon);
      if (score < least) {  // strictly: the lowest index wins a tie
        least = score;
        nearest = k;
      }
    }
    codes[element] = static_cast<uint8_t>(nearest);
    for (int64_t c = j * width; c < (j + 1) * width; ++c)
      decoded.row(i)[c] = codebook.row(nearest)[c];
  }
};

struct SquaredErrors {
  View<const float> queries;  // (n, d)
  RowSet rows;
  Tiers tiers;
  View<const float> decoded;  // (|rows|, d)
  View<float> errors;         // (|rows|)
  MGQE_HD void operator()(int64_t i) const {
    if (i >= rows.size() || tiers.limit(rows[i]) == 0) return;
    errors[i] = squared_distance(queries.row(rows.place(i)), decoded.row(i), decoded.cols);
  }
};

}  // namespace mgqe
