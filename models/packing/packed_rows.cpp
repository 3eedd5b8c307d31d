#include "models/packing/packed_rows.hpp"

#include <algorithm>

namespace mgqe {

PackedRows::PackedRows(Backend& backend, const DevicePackedTable& table, Room room)
    : backend_(backend),
      table_(table),
      decoder_(make_decoder(backend, table, std::max({room.range, room.decode, room.ids}))),
      local_ids_(backend, table.sharded() ? room.ids : 0) {
  if (decoder_->stored().data == nullptr) range_ = Tensor<float>(backend, room.range, dim());
}

View<const float> PackedRows::range(int64_t first, int64_t count) {
  if (const View<const float> stored = decoder_->stored(); stored.data != nullptr)
    return stored.slice(first, count);
  decode(first, range_.view().slice(0, count));
  return range_.view().slice(0, count);
}

void PackedRows::decode(int64_t first, View<float> out) {
  if (out.rows > 0) decoder_->decode(RowSet::range(first, out.rows), out);
}

void PackedRows::fetch(View<const int32_t> ids, View<float> out) {
  if (!sharded()) return decoder_->decode(RowSet::of(ids), out);
  const View<int32_t> local = local_ids_.view().slice(0, ids.size());
  backend_.local_rows(ids, sharding(), local);
  decoder_->decode(RowSet::of(View<const int32_t>(local)), out);
  backend_.keep_owned(ids, sharding(), out);
  backend_.communicator().all_reduce(Traffic::kForward, out);
}

}  // namespace mgqe
