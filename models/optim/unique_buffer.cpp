#include "models/optim/unique_buffer.hpp"

namespace mgqe {

UniqueBuffer::UniqueBuffer(Backend& backend, int64_t capacity)
    : backend_(backend),
      ids_(backend, capacity),
      offsets_(backend, capacity + 1),
      order_(backend, capacity),
      inverse_(backend, capacity),
      count_(backend, 1) {}

UniqueIds UniqueBuffer::deduplicate(Backend& on, View<const int32_t> ids, int64_t id_limit) {
  const int64_t lookups = ids.size();
  const UniqueIds unique{ids_.view().slice(0, lookups), offsets_.view().slice(0, lookups + 1),
                         order_.view().slice(0, lookups), inverse_.view().slice(0, lookups),
                         count_};
  on.deduplicate(ids, id_limit, unique);
  return unique;
}

}  // namespace mgqe
