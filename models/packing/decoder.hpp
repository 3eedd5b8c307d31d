// TableDecoder: how rows come of one scheme's arrays on a device. A new scheme is a class and an
// entry in decoder.cpp, or a call of add_decoder.
#pragma once

#include <memory>
#include <string>

#include "models/packing/device_table.hpp"

namespace mgqe {

class TableDecoder {
 public:
  virtual ~TableDecoder() = default;

  /// out (|rows|, d): this rank's rows as they are looked up, at most max_rows of them, of a set
  /// whose size the host knows.
  virtual void decode(RowSet rows, View<float> out) = 0;
  /// This rank's rows (n, d), where they are stored as they are looked up; else nothing.
  virtual View<const float> stored() const { return {}; }
};

/// max_rows: bounds the scratch of a call.
using MakeDecoder = std::unique_ptr<TableDecoder> (*)(Backend& backend,
                                                      const DevicePackedTable& table,
                                                      int64_t max_rows);

std::unique_ptr<TableDecoder> make_decoder(Backend& backend, const DevicePackedTable& table,
                                           int64_t max_rows);
void add_decoder(const std::string& scheme, MakeDecoder make);

}  // namespace mgqe
