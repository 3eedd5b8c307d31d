// Buffers for the distinct ids of a batch.
#pragma once

#include "host/engine/backend.hpp"

namespace mgqe {

/// Room for the distinct ids of up to `capacity` look-ups.
class UniqueBuffer {
 public:
  UniqueBuffer(Backend& backend, int64_t capacity);

  /// Sorts the ids (B <= capacity) of a batch, by ops of `on`; the result stays valid until the
  /// next call.
  UniqueIds deduplicate(Backend& on, View<const int32_t> ids, int64_t id_limit);
  UniqueIds deduplicate(View<const int32_t> ids, int64_t id_limit) {
    return deduplicate(backend_, ids, id_limit);
  }

 private:
  Backend& backend_;
  Tensor<int32_t> ids_, offsets_, order_, inverse_, count_;
};

}  // namespace mgqe
