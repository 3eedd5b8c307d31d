// WireCodec: how the rows of a table that is sharded over ranks travel from their owner to who
// looks them up. Floats by default; a scheme whose rows are made of codes sends codes, D bytes
// instead of 4 d, because the codebooks are everywhere.
#pragma once

#include "host/engine/backend.hpp"

namespace mgqe {

class WireCodec {
 public:
  virtual ~WireCodec() = default;

  /// Bytes of a row on the wire.
  virtual int64_t row_bytes() const = 0;
  /// wire (B, row_bytes): the look-ups of the embedding's last forward, which gave `rows`.
  virtual void encode(const Lookup& rows, View<uint8_t> wire) = 0;
  /// Rows (B, d) from the wire, on any rank; ids (B) are those of the whole table, rows (B, d) is
  /// room for them.
  virtual View<const float> decode(View<uint8_t> wire, View<const int32_t> ids,
                                   View<float> rows) = 0;
};

class FloatCodec final : public WireCodec {
 public:
  FloatCodec(Backend& backend, int64_t dim) : backend_(backend), dim_(dim) {}

  int64_t row_bytes() const override { return dim_ * static_cast<int64_t>(sizeof(float)); }
  void encode(const Lookup& rows, View<uint8_t> wire) override {
    const View<float> floats(reinterpret_cast<float*>(wire.data), wire.rows, dim_);
    backend_.gather(rows.rows, rows.index, floats);
  }
  /// Where they came: nothing is copied.
  View<const float> decode(View<uint8_t> wire, View<const int32_t>, View<float> rows) override {
    return {reinterpret_cast<const float*>(wire.data), rows.rows, rows.cols};
  }

 private:
  Backend& backend_;
  int64_t dim_;
};

}  // namespace mgqe
