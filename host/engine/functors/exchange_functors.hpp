// Functors of ops/exchange_ops.hpp.
#pragma once

#include "host/engine/backend.hpp"

namespace mgqe {

MGQE_HD void store_rounded(float& x, float value) { x = value; }
MGQE_HD void store_rounded(Bfloat16& x, float value) { x = to_bfloat16(value); }

template <class T>
struct FillNormalRows {
  View<T> x;  // (rows, d)
  RowSharding sharding;
  uint64_t key;
  float stddev;
  MGQE_HD void operator()(int64_t row, int64_t column) const {
    const int64_t element = sharding.global(row) * x.cols + column;
    store_rounded(x.row(row)[column], stddev * random_normal(key, static_cast<uint64_t>(element)));
  }
};

struct Narrow {
  View<const float> x;
  View<Bfloat16> out;
  MGQE_HD void operator()(int64_t i) const { out[i] = to_bfloat16(x[i]); }
};

struct ShardIds {
  View<const int32_t> ids;  // (B)
  RowSharding sharding;
  View<int32_t> out;  // (B)
  MGQE_HD void operator()(int64_t b) const {
    out[b] = static_cast<int32_t>(sharding.sharded(ids[b]));
  }
};

struct LocalRows {
  View<const int32_t> ids;  // (B)
  RowSharding sharding;
  View<int32_t> out;  // (B)
  MGQE_HD void operator()(int64_t b) const {
    out[b] = sharding.owns(ids[b]) ? static_cast<int32_t>(ids[b] / sharding.ranks) : 0;
  }
};

struct KeepOwned {
  View<const int32_t> ids;  // (B)
  RowSharding sharding;
  View<float> rows;  // (B, d)
  MGQE_HD void operator()(int64_t b, int64_t column) const {
    if (!sharding.owns(ids[b])) rows.row(b)[column] = 0.0f;
  }
};

/// ends[r] = distinct ids below the first that rank r + 1 owns.
struct FindOwners {
  UniqueIds sharded;
  RowSharding sharding;
  View<int32_t> ends;  // (N)
  MGQE_HD void operator()(int64_t r) const {
    const int64_t limit = (r + 1) * sharding.most_rows();
    int32_t low = 0, high = sharded.count[0];
    while (low < high) {
      const int32_t middle = low + (high - low) / 2;
      if (sharded.ids[middle] < limit)
        low = middle + 1;
      else
        high = middle;
    }
    ends[r] = low;
  }
};

struct Route {
  UniqueIds sharded;
  RowSharding sharding;
  View<int32_t> local, global, lookups;  // (B)
  MGQE_HD void operator()(int64_t u) const {
    if (u >= sharded.count[0]) return;
    const int64_t id = sharded.ids[u];
    local[u] = static_cast<int32_t>(id % sharding.most_rows());
    global[u] = static_cast<int32_t>(sharding.unsharded(id));
    lookups[u] = sharded.weight(u);
  }
};

struct SumRepeats {
  UniqueIds unique;
  View<int32_t> weights;  // (B)
  MGQE_HD void operator()(int64_t u) const {
    if (u >= unique.count[0]) return;
    int32_t sum = 0;
    for (int32_t p = unique.offsets[u]; p < unique.offsets[u + 1]; ++p)
      sum += unique.repeats_of(unique.order[p]);
    weights[u] = sum;
  }
};

struct CodesToWire {
  View<const uint8_t> codes;       // (R, D)
  View<const int32_t> index, ids;  // (B)
  Tiers tiers;
  View<uint8_t> wire;  // (B, W)
  MGQE_HD void operator()(int64_t b, int64_t j) const {
    if (tiers.limit(ids[b]) > 0) wire.row(b)[j] = codes.row(index[b])[j];
  }
};

struct WireToRows {
  View<const uint8_t> wire;  // (B, W)
  View<const int32_t> ids;   // (B)
  Tiers tiers;
  int subspaces;
  View<const float> codebook;  // (K, d)
  View<float> rows;            // (B, d)
  MGQE_HD void operator()(int64_t b, int64_t column) const {
    if (tiers.limit(ids[b]) == 0) return;
    const int64_t width = rows.cols / subspaces;
    rows.row(b)[column] = codebook.row(wire.row(b)[column / width])[column];
  }
};

}  // namespace mgqe
