// From actions to a data set: time order, leave-one-out, popularity ranks, training histories.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/data/dataset.hpp"
#include "host/data/interactions/actions.hpp"
#include "host/engine/backend.hpp"

namespace mgqe {

/// What is held out of every user with enough actions; the rest is training.
enum class HeldOut {
  kTest,               // the last action, of users with 2 or more
  kValidationAndTest,  // the last for test, the one before it for validation, of users with 3 or
                       // more
};

/// Item lists by user, in time order, repeats kept.
struct UserSequences {
  std::vector<int64_t> offsets;  // (users + 1)
  std::vector<int32_t> items;    // (offsets[users])
  int64_t ties = 0;              // actions at the very time of the user's one before
};

/// Groups actions by user; equal times keep the order of the file.
UserSequences group_by_user(const Actions& actions);

/// Splits and ranks. `name` becomes the data set's; `where` begins error messages. Refused as
/// InputError: no actions, a single item, nobody to hold an action out of, a user whose training
/// history holds every item.
Dataset arrange(const std::string& name, const std::string& where, Actions actions,
                HeldOut held_out, Backend& backend);

/// Hash of everything in `dataset` but its name and fingerprint.
uint64_t fingerprint_of(const Dataset& dataset);

}  // namespace mgqe
