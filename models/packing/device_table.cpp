#include "models/packing/device_table.hpp"

#include <cmath>
#include <cstring>

#include "models/packing/packed_rows.hpp"

namespace mgqe {
namespace {

template <class T>
std::vector<T> download(Memory& memory, View<const T> values) {
  std::vector<T> host(static_cast<size_t>(values.size()));
  if (!host.empty()) memory.download(host.data(), values.data, host.size() * sizeof(T));
  return host;
}

template <class T>
DeviceArray upload(Memory& memory, const HostArray& array) {
  if (array.size() == 0) return {};  // rows of codes that need no bits
  const int64_t cols = array.shape.size() == 2 ? array.shape[1] : 1;
  return Tensor<T>(memory, array.as<T>(), cols);
}

DeviceArray upload_floats(Memory& memory, const HostArray& array) {
  return array.dtype == DType::kF16 ? upload<float>(memory, HostArray(widened(array), array.shape))
                                    : upload<float>(memory, array);
}

HostArray to_half_codebook(const std::string& name, const HostArray& floats) {
  for (const float value : floats.as<float>())
    if (std::isinf(value))
      input_error("--codebook-type f16: a centroid of ", name,
                  " has grown beyond 65504, where binary16 ends: choose f32, or lower rates and "
                  "--init-stddev");
  return narrowed_to_half(floats);
}

PackedTable without_arrays(const PackedTable& table) {
  PackedTable form = table;
  form.arrays.clear();
  return form;
}

}  // namespace

HostArray DeviceArray::to_host(Memory& memory, std::vector<int64_t> shape) const {
  if (rows_ == 0) return {std::vector<uint8_t>(), std::move(shape)};
  if (dtype_ == DType::kU8) return {download(memory, as<uint8_t>()), std::move(shape)};
  if (dtype_ == DType::kF32) return {download(memory, as<float>()), std::move(shape)};
  std::vector<float> wide;
  for (const Bfloat16 value : download(memory, as<Bfloat16>())) wide.push_back(to_float(value));
  return {wide, std::move(shape)};
}

const DeviceArray& DevicePackedTable::array(const std::string& name) const {
  const auto found = arrays.find(name);
  MGQE_CHECK(found != arrays.end(), "a table of scheme ", form.scheme, " without ", name);
  return found->second;
}

std::vector<ArraySpec> local_arrays(const PackedTable& form, const RowSharding& sharding) {
  std::vector<ArraySpec> specs = expected_arrays(form);
  for (ArraySpec& spec : specs)
    if (spec.first_row != ArraySpec::kShared)
      spec.shape[0] =
          sharding.rows_below(spec.first_row + spec.shape[0]) - sharding.rows_below(spec.first_row);
  return specs;
}

std::vector<ArraySpec> DevicePackedTable::local_arrays() const {
  return mgqe::local_arrays(form, sharding);
}

PackedTable DevicePackedTable::share() const {
  PackedTable table = form;
  for (const ArraySpec& spec : local_arrays()) {
    HostArray& host = table.arrays[spec.name];
    host = array(spec.name).to_host(*memory, spec.shape);
    if (spec.dtype == DType::kF16 && host.size() > 0) host = to_half_codebook(spec.name, host);
    host.dtype = spec.dtype;  // also of one without values
  }
  return table;
}

DevicePackedTable::operator PackedTable() const {
  MGQE_CHECK(!sharded(), "a table sharded over ", sharding.ranks, " ranks has no whole here");
  return share();
}

DevicePackedModel::operator PackedModel() const {
  PackedModel model{backbone, task, {}, dense};
  for (const auto& [name, table] : tables) model.tables.emplace(name, table);
  return model;
}

DevicePackedTable upload_table(Memory& memory, const PackedTable& table,
                               const RowSharding& sharding) {
  DevicePackedTable device{without_arrays(table), sharding, &memory, {}};
  for (const ArraySpec& spec : device.local_arrays()) {
    const HostArray& host = table.arrays.at(spec.name);
    MGQE_CHECK(host.shape == spec.shape, spec.name, " of ", host.size(), " values in place of ",
               sharding.local_rows(), " rows");
    if (spec.dtype == DType::kU8)
      device.arrays.emplace(spec.name, upload<uint8_t>(memory, host));
    else
      device.arrays.emplace(spec.name, upload_floats(memory, host));
  }
  return device;
}

Tensor<float> decode_table(Backend& backend, const DevicePackedTable& table) {
  MGQE_CHECK(!table.sharded(), "a share of a table has no whole");
  Tensor<float> rows(backend, table.form.rows, table.form.dim);
  PackedRows(backend, table, {.decode = rows.rows()}).decode(0, rows);
  return rows;
}

Tensor<float> decode_table(Backend& backend, const PackedTable& table) {
  return decode_table(backend, upload_table(backend, table, RowSharding::whole(table.rows)));
}

}  // namespace mgqe
