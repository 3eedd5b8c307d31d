// What rows need on their way between ranks: who owns them, and how they travel. A table is sharded
// over ranks as row_sharding.hpp says.
#pragma once

#include "host/base/bfloat16.hpp"
#include "host/engine/ops/types.hpp"
#include "host/engine/row_sharding.hpp"

namespace mgqe {

class ExchangeOps {
 public:
  virtual ~ExchangeOps() = default;

  /// x (rows, d) = stddev * normal(key, number of the element in the whole table (n, d)).
  virtual void fill_normal_rows(View<float> x, const RowSharding& sharding, uint64_t key,
                                float stddev) = 0;
  /// The same, rounded to nearest.
  virtual void fill_normal_rows(View<Bfloat16> x, const RowSharding& sharding, uint64_t key,
                                float stddev) = 0;
  /// out = x, rounded to nearest: gradients on their way.
  virtual void narrow(View<const float> x, View<Bfloat16> out) = 0;
  /// out (B) = sharding.sharded(ids (B)).
  virtual void shard_ids(View<const int32_t> ids, const RowSharding& sharding,
                         View<int32_t> out) = 0;
  /// out (B): this rank's row of ids (B) of the whole table; 0 where another rank has it.
  virtual void local_rows(View<const int32_t> ids, const RowSharding& sharding,
                          View<int32_t> out) = 0;
  /// rows (B, d): those of ids (B) that another rank has become 0, so that the ranks' sum has every
  /// row as its owner gave it.
  virtual void keep_owned(View<const int32_t> ids, const RowSharding& sharding,
                          View<float> rows) = 0;
  /// Of the distinct sharded ids of a batch, which are grouped by owner: ends (N) = where each
  /// owner's end; by distinct id u: local (B) = its row at its owner, global (B) = its id, lookups
  /// (B) = how many look-ups have it.
  virtual void route(const UniqueIds& sharded, const RowSharding& sharding, View<int32_t> ends,
                     View<int32_t> local, View<int32_t> global, View<int32_t> lookups) = 0;
  /// weights (B) = unique.repeats summed by distinct id.
  virtual void sum_repeats(const UniqueIds& unique, View<int32_t> weights) = 0;

  /// Rows as codes on the wire: wire (B, W) row b = codes (R, D <= W) row index[b], where tiers has
  /// centroids for row ids[b]; other rows are left alone.
  virtual void codes_to_wire(View<const uint8_t> codes, View<const int32_t> index,
                             View<const int32_t> ids, const Tiers& tiers, View<uint8_t> wire) = 0;
  /// The inverse, decoded: rows (B, d) from wire (B, W) and codebook (K, d), where tiers has
  /// centroids for row ids[b].
  virtual void wire_to_rows(View<const uint8_t> wire, View<const int32_t> ids, const Tiers& tiers,
                            int subspaces, View<const float> codebook, View<float> rows) = 0;
};

}  // namespace mgqe
