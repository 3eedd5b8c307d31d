// How the rows of a table are sharded over ranks, round-robin: row g lives on rank g mod N as its
// local row g div N. Ids are ranks by popularity, so every rank gets its share of the hot rows, and
// the rows of a tier, which are consecutive, stay consecutive on each rank.
#pragma once

#include <cstdint>

#include "host/base/check.hpp"
#include "host/packed/quant_math.hpp"

namespace mgqe {

struct RowSharding {
  int64_t rows = 0;  // n, of the whole table
  int ranks = 1;     // N
  int rank = 0;      // of this process

  /// The table whole, on one rank or on each.
  static RowSharding whole(int64_t rows) { return {rows, 1, 0}; }

  /// Of the rank that has most.
  MGQE_HD int64_t most_rows() const { return (rows + ranks - 1) / ranks; }
  MGQE_HD int64_t local_rows() const { return rows_below(rows); }
  /// This rank's rows among the first `end`.
  MGQE_HD int64_t rows_below(int64_t end) const {
    return end <= rank ? 0 : (end - rank + ranks - 1) / ranks;
  }
  MGQE_HD bool owns(int64_t global) const { return global % ranks == rank; }
  MGQE_HD int64_t global(int64_t local) const { return local * ranks + rank; }

  /// Numbers rows by (owner, local row), each owner's from a multiple of most_rows(): sorted, they
  /// are grouped by owner.
  MGQE_HD int64_t sharded(int64_t global) const {
    return global % ranks * most_rows() + global / ranks;
  }
  MGQE_HD int64_t unsharded(int64_t sharded) const {
    return sharded % most_rows() * ranks + sharded / most_rows();
  }

  /// The tiers of the table as this rank's rows see them.
  Tiers local(Tiers tiers) const {
    for (int i = 0; i < tiers.count; ++i) tiers.end[i] = rows_below(tiers.end[i]);
    return tiers;
  }
};

}  // namespace mgqe
