// What a loader understood of its file and what it left out, for people: a file that is understood
// otherwise than it was meant trains all the same.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mgqe {

struct DataReading {
  struct Column {
    int64_t number;    // 1 is the first
    std::string name;  // as the header has it, or empty
    const char* role;  // "user", "item", "rating", "time", or empty: not read
  };

  std::string format;  // "comma-separated"; empty: generated, there was no file
  bool has_header = false;
  std::vector<Column> columns;  // in file order
  bool by_time = false;         // actions are in time order by a column, else by their lines

  int64_t repeated_headers = 0;  // lines that were left out: of files put behind each other
  int64_t repeats = 0;           // actions on an item that their user has acted on before
  int64_t ties = 0;              // actions at the very time of the user's one before
  // Left out for fewer actions than the format's authors ask for.
  int64_t rare_users = 0, rare_items = 0, rare_actions = 0;
};

/// The columns: `user "userId", item "movieId", time "ts" (rating "stars" is not used)`, by number
/// where there is no header.
std::string describe_columns(const DataReading& reading);

/// What the order of a user's actions is by, equal times included.
std::string describe_order(const DataReading& reading);

/// Repeats, and what was left out; never empty.
std::string describe_counts(const DataReading& reading);

/// All of it in one line; empty where there was no file.
std::string describe(const DataReading& reading);

}  // namespace mgqe
