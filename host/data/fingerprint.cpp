#include "host/data/hasher.hpp"
#include "host/data/interactions/split.hpp"

namespace mgqe {

uint64_t fingerprint_of(const Dataset& dataset) {
  Hasher hasher;
  hasher.add(dataset.user_ids);
  hasher.add(dataset.item_ids);
  // The sorted histories follow from the sequences.
  hasher.add(dataset.sequence_offsets);
  hasher.add(dataset.sequence_items);
  hasher.add(dataset.valid_item);
  hasher.add(dataset.test_item);
  hasher.add(dataset.test_negatives);
  return hasher.value();
}

}  // namespace mgqe
