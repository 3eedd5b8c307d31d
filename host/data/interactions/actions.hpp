// What every loader makes of its file: the actions in file order, under dense ids.
#pragma once

#include <cstdint>
#include <vector>

#include "host/config/config.hpp"
#include "host/data/dataset.hpp"
#include "host/data/interactions/reading.hpp"
#include "host/io/bytes.hpp"

namespace mgqe {

/// Dense ids here are ranks by original id, so that a tie broken by dense id is one broken by
/// original id.
struct Actions {
  std::vector<int32_t> users;  // (A) dense
  std::vector<int32_t> items;  // (A) dense
  std::vector<int64_t> times;  // (A), or empty: file order is time order
  DataIds user_ids;            // (distinct users) ascending
  DataIds item_ids;            // (distinct items) ascending
  DataReading reading;
};

/// The SASRec authors' text, plain or gzip: "user item" a line, integers 1 to 2^31 - 1, each
/// user's lines in time order. Blank lines are passed over, here and by read_delimited.
Actions read_sasrec_text(const Bytes& file);

/// GroupLens's "user::item::rating::timestamp" lines, users and items integers 1 to 2^31 - 1.
/// Items and users with under 5 actions are dropped (see ratings_dat.cpp for how they count).
Actions read_ratings_dat(const Bytes& file);

/// Lines of fields, separated as FieldSplitter does. Columns are told by the names of a header, in
/// any order, or are "user item [rating] [timestamp]" (columns.hpp); those without a role are not
/// read, and a header that comes again is passed over. Users and items are opaque: 64-bit integers
/// where a whole column holds only those, else strings. With a timestamp column (times.hpp) actions
/// are ordered by it, else by file order.
Actions read_delimited(const Bytes& file, char separator);

/// Generated data; synthetic.cpp explains the model.
Actions generate_synthetic(const DataConfig& config);

}  // namespace mgqe
