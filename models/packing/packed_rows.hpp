// PackedRows: rows of a packed table for scorers, decoded as they are needed. The table is never
// whole in floats, nor, sharded over ranks, whole anywhere.
#pragma once

#include <memory>

#include "models/packing/decoder.hpp"

namespace mgqe {

class PackedRows {
 public:
  /// The most rows that range(), decode() and fetch() are asked for at once.
  struct Room {
    int64_t range = 0, decode = 0, ids = 0;
  };
  /// The table must outlive it.
  PackedRows(Backend& backend, const DevicePackedTable& table, Room room);

  int64_t dim() const { return table_.form.dim; }
  int64_t rows() const { return table_.form.rows; }
  const RowSharding& sharding() const { return table_.sharding; }
  bool sharded() const { return table_.sharded(); }

  /// This rank's rows [first, first + count): the table's own where it stores them so, else decoded
  /// and valid until the next call.
  View<const float> range(int64_t first, int64_t count);
  /// The same into out (count, d).
  void decode(int64_t first, View<float> out);
  /// out (m, d): rows by ids (m) of the whole table. Those of a sharded table come from all ranks,
  /// which call with the same ids: each gives its own and zeros, and 0 + x is x to the bit.
  void fetch(View<const int32_t> ids, View<float> out);

 private:
  Backend& backend_;
  const DevicePackedTable& table_;
  std::unique_ptr<TableDecoder> decoder_;
  Tensor<float> range_;        // (room.range, d), where the table does not store its rows so
  Tensor<int32_t> local_ids_;  // (room.ids), of a sharded table
};

}  // namespace mgqe
