#include "models/packing/packed_share.hpp"

#include <algorithm>
#include <cstring>

namespace mgqe {
namespace {

/// Bytes of one of its rows.
int64_t row_bytes(const ArraySpec& spec) {
  int64_t bytes = spec.dtype == DType::kU8 ? 1 : static_cast<int64_t>(sizeof(float));
  for (size_t axis = 1; axis < spec.shape.size(); ++axis) bytes *= spec.shape[axis];
  return bytes;
}

HostArray empty_array(const ArraySpec& spec) {
  HostArray array;
  array.dtype = spec.dtype;
  array.shape = spec.shape;
  array.bytes.resize(static_cast<size_t>(spec.shape[0] * row_bytes(spec)));
  return array;
}

/// Bytes [first, first + piece) of a rank's rows, to their places in the whole array.
void place_piece(const ArraySpec& whole, const RowSharding& theirs, int64_t first,
                 std::span<const uint8_t> piece, std::vector<uint8_t>& to) {
  const int64_t width = row_bytes(whole), local = theirs.rows_below(whole.first_row);
  for (int64_t done = 0; done < static_cast<int64_t>(piece.size());) {
    const int64_t row = (first + done) / width, within = (first + done) % width;
    const int64_t here = std::min(width - within, static_cast<int64_t>(piece.size()) - done);
    const int64_t place = (theirs.global(local + row) - whole.first_row) * width + within;
    std::memcpy(to.data() + place, piece.data() + done, static_cast<size_t>(here));
    done += here;
  }
}

/// On rank 0; nothing elsewhere.
HostArray collect_array(Communicator& ranks, const ArraySpec& spec, const RowSharding& sharding,
                        const HostArray& mine) {
  std::vector<int64_t> sizes;
  for (int r = 0; r < sharding.ranks; ++r) {
    const RowSharding theirs{sharding.rows, sharding.ranks, r};
    sizes.push_back(
        (theirs.rows_below(spec.first_row + spec.shape[0]) - theirs.rows_below(spec.first_row)) *
        row_bytes(spec));
  }
  HostArray whole = ranks.leads() ? empty_array(spec) : HostArray();
  ranks.collect(mine.bytes, sizes, [&](int rank, int64_t first, std::span<const uint8_t> piece) {
    place_piece(spec, {sharding.rows, sharding.ranks, rank}, first, piece, whole.bytes);
  });
  return whole;
}

}  // namespace

PackedShare download(const DevicePackedModel& model) {
  PackedShare share{{model.backbone, model.task, {}, model.dense}, {}};
  for (const auto& [name, table] : model.tables) {
    share.model.tables.emplace(name, table.share());
    share.sharding.emplace(name, table.sharding);
  }
  return share;
}

DevicePackedModel upload(Backend& backend, const PackedShare& share) {
  DevicePackedModel model{share.model.backbone, share.model.task, {}, share.model.dense};
  for (const auto& [name, table] : share.model.tables)
    model.tables.emplace(name, upload_table(backend, table, share.sharding.at(name)));
  return model;
}

PackedShare share_of(PackedModel whole, std::map<std::string, RowSharding> sharding) {
  PackedShare share{std::move(whole), std::move(sharding)};
  for (auto& [name, table] : share.model.tables) {
    const RowSharding& rows = share.sharding.at(name);
    if (rows.ranks == 1) continue;
    const std::vector<ArraySpec> specs = local_arrays(table, rows);
    for (const ArraySpec& spec : specs) {
      if (spec.first_row == ArraySpec::kShared) continue;
      const int64_t width = row_bytes(spec), begin = rows.rows_below(spec.first_row);
      HostArray& array = table.arrays.at(spec.name);
      HostArray mine = empty_array(spec);
      for (int64_t r = 0; r < spec.shape[0] && width > 0; ++r)
        std::memcpy(mine.bytes.data() + r * width,
                    array.bytes.data() + (rows.global(begin + r) - spec.first_row) * width,
                    static_cast<size_t>(width));
      array = std::move(mine);
    }
  }
  return share;
}

PackedModel collect(Communicator& ranks, const PackedShare& share) {
  PackedModel whole{share.model.backbone, share.model.task, {}, share.model.dense};
  for (const auto& [name, table] : share.model.tables) {
    const RowSharding& sharding = share.sharding.at(name);
    PackedTable& collected = whole.tables[name] = table;
    if (sharding.ranks == 1) continue;
    for (const ArraySpec& spec : expected_arrays(table))
      if (spec.first_row != ArraySpec::kShared)
        collected.arrays[spec.name] =
            collect_array(ranks, spec, sharding, table.arrays.at(spec.name));
    if (!ranks.leads()) collected.arrays.clear();
  }
  return whole;
}

}  // namespace mgqe
