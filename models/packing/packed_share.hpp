// A packed model on its way between devices and files. Among ranks each keeps the rows it has; a
// file has the whole, which rank 0 writes as it collects it.
#pragma once

#include <map>
#include <string>

#include "models/packing/device_table.hpp"

namespace mgqe {

/// In host memory, of every table the rows of this rank.
struct PackedShare {
  PackedModel model;  // tables as expected_arrays describes them, but for the rows of other ranks
  std::map<std::string, RowSharding> sharding;  // by table
};

PackedShare download(const DevicePackedModel& model);
DevicePackedModel upload(Backend& backend, const PackedShare& share);

/// This rank's rows of a whole model.
PackedShare share_of(PackedModel whole, std::map<std::string, RowSharding> sharding);
/// The whole model on rank 0; on others its tables are without arrays. Every rank calls it.
PackedModel collect(Communicator& ranks, const PackedShare& share);

}  // namespace mgqe
