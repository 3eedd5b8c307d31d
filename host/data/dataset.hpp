// A data set as training and evaluation see it: leave-one-out split, ids ranked by training
// frequency, and the way back to the ids of the file.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "host/data/interactions/reading.hpp"
#include "host/engine/backend.hpp"

namespace mgqe {

struct Actions;  // host/data/interactions/actions.hpp

/// Dense id -> original id: integers or strings; exactly one of the two is filled.
struct DataIds {
  std::vector<int64_t> integers;
  std::vector<std::string> strings;

  int64_t size() const { return static_cast<int64_t>(integers.size() + strings.size()); }
  /// The original id as the file wrote it.
  std::string name(int64_t id) const;
};

/// Ids of users and items are ranks by training frequency, repeats counted: 0 is the most popular;
/// ties by original id, integers numerically and strings byte by byte.
struct Dataset {
  std::string name;         // "ml-1m", "ncf", "synthetic", or the path of the file
  int64_t users = 0;        // distinct
  int64_t items = 0;        // distinct in the whole file; all of them in a synthetic catalogue
  DataIds user_ids;         // (users)
  DataIds item_ids;         // (items)
  int64_t actions = 0;      // kept by the loader: training, validation and test
  int64_t short_users = 0;  // too few actions to hold one out; all of theirs are in training
  DataReading reading;      // how the file was understood; no part of the fingerprint

  // Training actions by user. train_*: ascending and distinct, the layout of Histories
  // (host/base/sampling.hpp); every user leaves at least one item untouched. sequence_*: in time
  // order, repeats kept.
  std::vector<int64_t> train_offsets;     // (users + 1)
  std::vector<int32_t> train_items;       // (train_offsets[users])
  std::vector<int64_t> sequence_offsets;  // (users + 1)
  std::vector<int32_t> sequence_items;    // (sequence_offsets[users])

  // A held-out item may also stand in the training history where the user repeated it.
  std::vector<int32_t> valid_item;  // (users); -1: none
  std::vector<int32_t> test_item;   // (users); -1: none
  bool has_validation = true;       // false: the best epoch is chosen on test, as NCF's authors do

  // Items to rank each test item against where the data brings its own (ncf), else empty.
  std::vector<int32_t> test_negatives;  // (users, negatives_per_user); -1: none
  int64_t negatives_per_user = 0;

  /// Hash of the split and of the original ids: equal for equal data, whatever the file format.
  uint64_t fingerprint = 0;
};

/// Reads, splits and ranks what `config.name` names: "ml-1m", "ncf", "video", "synthetic", "auto"
/// or the path of a file (locate.hpp says where and in which formats). Data that cannot be trained
/// on is an InputError that names the file, the line where there is one, and what would be right.
/// `seen`, if any, is shown what was read (but of ncf) before it is refused or split.
Dataset load_dataset(const DataConfig& config, Backend& backend,
                     const std::function<void(const Actions&)>& seen = nullptr);

}  // namespace mgqe
