// A packed model in device memory, between training and scoring: of every table the rows that this
// rank has. Its arrays are those of PackedTable (host/packed/packed_model.hpp), which is what files
// hold, but that codebooks of f16 are floats of the same values: they are small, and every op reads
// floats. Nothing of it crosses the bus but on its way to a file (packed_share.hpp).
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "host/engine/backend.hpp"
#include "host/engine/row_sharding.hpp"
#include "host/packed/packed_model.hpp"

namespace mgqe {

/// (rows, cols) on the device: its own, or training's where packing changes nothing, which then has
/// to stay as it is for as long as the packed table is used. Empty where a row has no bytes.
class DeviceArray {
 public:
  DeviceArray() = default;
  template <class T>
  DeviceArray(Tensor<T> own) : DeviceArray(borrow(View<const T>(own.view()))) {
    own_ = std::move(own);
  }
  template <class T>
  static DeviceArray borrow(View<const T> values) {
    DeviceArray array;
    array.dtype_ = dtype_of<T>();
    array.data_ = values.data;
    array.rows_ = values.rows;
    array.cols_ = values.cols;
    return array;
  }

  DType dtype() const { return dtype_; }
  /// The values; throws where they are of another type.
  template <class T>
  View<const T> as() const {
    MGQE_CHECK(rows_ == 0 || dtype_ == dtype_of<T>(), "array holds another type");
    return {static_cast<const T*>(data_), rows_, cols_};
  }
  /// Floats that are stored in bfloat16 come widened. shape: as files have it.
  HostArray to_host(Memory& memory, std::vector<int64_t> shape) const;

 private:
  DType dtype_ = DType::kU8;
  const void* data_ = nullptr;
  int64_t rows_ = 0, cols_ = 1;
  std::variant<std::monostate, Tensor<uint8_t>, Tensor<float>, Tensor<Bfloat16>> own_;
};

struct DevicePackedTable {
  PackedTable form;      // of the whole table, without arrays
  RowSharding sharding;  // of its rows
  Memory* memory = nullptr;
  std::map<std::string, DeviceArray> arrays;

  bool sharded() const { return sharding.ranks > 1; }
  const DeviceArray& array(const std::string& name) const;
  /// Every array of this rank's rows: expected_arrays with fewer rows.
  std::vector<ArraySpec> local_arrays() const;
  /// This rank's rows in host memory.
  PackedTable share() const;
  /// In host memory; a sharded table has no whole here.
  operator PackedTable() const;
};

struct DevicePackedModel {
  std::string backbone, task;                       // as PackedModel has them
  std::map<std::string, DevicePackedTable> tables;  // by name
  ArrayMap dense;                                   // backbone weights, in host memory: small

  /// In host memory; one whose tables are sharded has no whole here.
  operator PackedModel() const;
};

/// The arrays of a table as rank `sharding.rank` has them.
std::vector<ArraySpec> local_arrays(const PackedTable& form, const RowSharding& sharding);

/// table: this rank's rows.
DevicePackedTable upload_table(Memory& memory, const PackedTable& table,
                               const RowSharding& sharding);

/// A whole table as it is looked up: (rows, dim) f32.
Tensor<float> decode_table(Backend& backend, const DevicePackedTable& table);
Tensor<float> decode_table(Backend& backend, const PackedTable& table);

}  // namespace mgqe
