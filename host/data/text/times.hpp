// Timestamps as files have them: whole numbers, numbers with a fraction, dates.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "host/data/text/text_reader.hpp"

namespace mgqe {

/// True for "2024-01-31", "2024/01/31", either with a time of day behind a "T" or a space:
/// "2024-01-31T23:59", "2024-01-31 23:59:59.123Z", "2024-01-31T23:59:59+02:00".
bool is_date(std::string_view field);

/// A column of times, read line by line, as integers in the same order. All are numbers, in
/// whatever unit, or all are dates, in UTC where they name no other zone.
class TimeColumn {
 public:
  /// InputError at the reader's line where it is neither, or not of the kind of the others.
  void add(const TextReader& reader, std::string_view field);

  /// Moves the times out: as they were where all are whole numbers, else ranks of time.
  std::vector<int64_t> finish();

 private:
  enum class Kind { kUnknown, kNumbers, kDates };

  void add_other(const TextReader& reader, std::string_view field);
  void add_parts(int64_t whole, int32_t billionths);

  Kind kind_ = Kind::kUnknown;
  std::vector<int64_t> whole_;
  std::vector<int32_t> billionths_;  // empty: none so far
};

}  // namespace mgqe
