#include "host/data/interactions/reading.hpp"

#include <cstring>

#include <fmt/format.h>

#include "host/data/text/fields.hpp"

namespace mgqe {

namespace {

std::string counted(int64_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string label(const DataReading::Column& column) {
  return column.name.empty() ? fmt::format("column {}", column.number) : mgqe::quoted(column.name);
}

/// Ratings are read, to see that a line is whole, and then make no difference.
bool is_used(const DataReading::Column& column) {
  return *column.role != '\0' && std::strcmp(column.role, "rating") != 0;
}

}  // namespace

std::string describe_columns(const DataReading& reading) {
  std::string used, unused;
  for (const DataReading::Column& column : reading.columns) {
    std::string& list = is_used(column) ? used : unused;
    if (!list.empty()) list += ", ";
    if (*column.role != '\0') list.append(column.role).append(" ");
    list += label(column);
  }
  return unused.empty() ? used : used + " (not used: " + unused + ")";
}

std::string describe_order(const DataReading& reading) {
  if (!reading.by_time) return "in the order of the file";
  if (reading.ties == 0) return "in time order";
  return fmt::format("in time order ({} at the time of the one before: in the order of the file)",
                     counted(reading.ties, "action"));
}

std::string describe_counts(const DataReading& reading) {
  std::string text =
      fmt::format("{} of an item the user had before", counted(reading.repeats, "repeat"));
  if (reading.rare_actions > 0)
    text += fmt::format("; left out: {} and {} under 5 actions, with {} of theirs",
                        counted(reading.rare_users, "user"), counted(reading.rare_items, "item"),
                        counted(reading.rare_actions, "action"));
  if (reading.repeated_headers > 0)
    text +=
        fmt::format("; left out: {} within the file", counted(reading.repeated_headers, "header"));
  return text;
}

std::string describe(const DataReading& reading) {
  if (reading.format.empty()) return "";
  std::string columns;
  if (!reading.columns.empty())
    columns = (reading.has_header ? ", header: " : ", no header: ") + describe_columns(reading);
  return fmt::format("{}{}; {}; {}", reading.format, columns, describe_order(reading),
                     describe_counts(reading));
}

}  // namespace mgqe
