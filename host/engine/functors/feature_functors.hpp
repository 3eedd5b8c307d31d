// One functor per formula of rows with many features. Called with (row, column) or with a row, as
// elementwise.hpp says; see functors.hpp.
#pragma once

#include "host/engine/backend.hpp"

namespace mgqe {

struct GatherFeatures {
  Lookup rows;
  View<const int32_t> places;  // (G)
  View<float> out;             // (B, C d)
  MGQE_HD void operator()(int64_t lookup, int64_t c) const {
    const int64_t b = lookup / places.size(), place = places[lookup % places.size()];
    const int64_t row = rows.index.data == nullptr ? lookup : rows.index[lookup];
    out.row(b)[place * rows.rows.cols + c] = rows.rows.row(row)[c];
  }
};

struct PartFeatures {
  View<const float> x;         // (B, C d)
  View<const int32_t> places;  // (G)
  View<float> out;             // (B, G d)
  MGQE_HD void operator()(int64_t lookup, int64_t c) const {
    const int64_t b = lookup / places.size(), g = lookup % places.size();
    const int64_t dim = out.cols / places.size();
    out.row(b)[g * dim + c] = x.row(b)[places[g] * dim + c];
  }
};

MGQE_HD float share_of_bag(int32_t count, bool mean) {
  return mean && count > 0 ? 1.0f / static_cast<float>(count) : 1.0f;
}

struct PoolBags {
  Lookup rows;
  View<const int32_t> ends;  // (B + 1)
  bool mean;
  int64_t first;
  View<float> out;  // (B, N)
  MGQE_HD void operator()(int64_t b, int64_t c) const {
    float sum = 0.0f;
    for (int32_t l = ends[b]; l < ends[b + 1]; ++l)
      sum += rows.rows.row(rows.index.data == nullptr ? l : rows.index[l])[c];
    out.row(b)[first + c] = sum * share_of_bag(ends[b + 1] - ends[b], mean);
  }
};

struct SpreadBags {
  View<const float> gradient;  // (B, N)
  int64_t first;
  View<const int32_t> ends;  // (B + 1)
  bool mean;
  View<float> rows;  // (L, d)
  MGQE_HD void operator()(int64_t b, int64_t c) const {
    const float passed = gradient.row(b)[first + c] * share_of_bag(ends[b + 1] - ends[b], mean);
    for (int32_t l = ends[b]; l < ends[b + 1]; ++l) rows.row(l)[c] = passed;
  }
};

struct TakeColumns {
  View<const float> x;
  int64_t first;
  View<float> out;
  MGQE_HD void operator()(int64_t r, int64_t c) const { out.row(r)[c] = x.row(r)[first + c]; }
};

struct PutColumns {
  View<const float> x;
  int64_t first;
  View<float> out;
  MGQE_HD void operator()(int64_t r, int64_t c) const { out.row(r)[first + c] = x.row(r)[c]; }
};

struct Cross {
  View<const float> x0, y;
  View<const float> bias;  // (n)
  View<const float> x;
  View<float> out;
  MGQE_HD void operator()(int64_t r, int64_t c) const {
    out.row(r)[c] = x0.row(r)[c] * (y.row(r)[c] + bias[c]) + x.row(r)[c];
  }
};

struct CrossBackward {
  View<const float> x0, y;
  View<const float> bias;  // (n)
  View<const float> out_gradient;
  View<float> y_gradient, x0_gradient;
  MGQE_HD void operator()(int64_t r, int64_t c) const {
    const float gradient = out_gradient.row(r)[c];
    y_gradient.row(r)[c] = gradient * x0.row(r)[c];
    x0_gradient.row(r)[c] += gradient * (y.row(r)[c] + bias[c]);
  }
};

}  // namespace mgqe
