// CodeSpace: what the codes of a table stand for, and how that and rows come of each other.
//
// In most schemes the codes of a row stand for its columns. In `prq` they stand for S stages of d
// columns, y_1 .. y_S, each of which codes what the stages before it have left; R is a rotation, or
// there is none:
//   row    x = R^T (y_1 + .. + y_S)
//   query  q becomes (R q, .., R q), once a stage
// so that q . x = (R q) . y_1 + .. + (R q) . y_S: to a scan, it is a table of S D subspaces of
// dimension S d, and scores are defined there.
//
// All results have the same bits everywhere. Stages are added in floats, in their order. Products
// with R are sums in doubles, in the order of columns, rounded to a float once; as a product of two
// floats is exact in double, it does not matter whether a processor fuses it with the addition.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "host/packed/packed_model.hpp"

namespace mgqe {

class CodeSpace {
 public:
  /// rotation (d, d), row-major, where the table is rotated: not copied.
  CodeSpace(const PackedTable& form, std::span<const float> rotation);
  /// Of a coded table that holds its arrays, and outlives this.
  explicit CodeSpace(const PackedTable& table);

  int64_t dim() const { return dim_; }            // d, of rows
  int64_t code_dim() const { return code_dim_; }  // S d
  /// Rows are what codes stand for.
  bool plain() const { return code_dim_ == dim_ && rotation_.empty(); }
  bool rotated() const { return !rotation_.empty(); }

  /// row (d) of stages (S d), which it overwrites; out may not overlap them.
  void row_of(float* stages, float* out) const;
  /// out (d) = R x, of x (d): what stages code.
  void rotate(const float* x, float* out) const;
  /// out (S d) of query (d).
  void query_of(const float* query, float* out) const;

 private:
  int64_t dim_, code_dim_;
  std::span<const float> rotation_;  // R
  std::vector<float> transpose_;     // R^T
};

}  // namespace mgqe
