// Times of every spelling, in the order that they are meant in.
#include "host/data/text/times.hpp"

#include "tests/support/data_testing.hpp"

namespace mgqe {
namespace {

std::vector<int64_t> times_of(const std::vector<std::string>& fields) {
  TextReader reader(Bytes::own("x\n"));
  std::string_view line;
  reader.next(line);
  TimeColumn column;
  for (const std::string& field : fields) column.add(reader, field);
  return column.finish();
}

using Times = std::vector<int64_t>;

TEST(Times, WholeNumbersStayAsTheyAre) {
  EXPECT_EQ(times_of({"30", "-7", "9223372036854775807"}), (Times{30, -7, 9223372036854775807}));
  EXPECT_EQ(times_of({"5.0", "7.", "1e3"}), (Times{5, 7, 1000}));
}

TEST(Times, FractionsAreOrdered) {
  // Ascending: -1.5, -1, -0.5, 0, 0.25, 1700000000.000000001, 1700000000.000000002.
  EXPECT_EQ(times_of({"0", "0.25", "-0.5", "1700000000.000000002", "-1", "-1.5",
                      "1700000000.000000001", "0.250"}),
            (Times{3, 4, 2, 6, 1, 0, 5, 4}));
}

TEST(Times, DatesAreSecondsInUtc) {
  EXPECT_EQ(times_of({"1970-01-01", "1970-01-02T00:00:01", "1970/01/01 00:01",
                      "1970-01-01T02:00:00+02:00", "1969-12-31 22:00:00-0200",
                      "1970-01-01T00:00:05Z", "2000-03-01T00:00:00 UTC"}),
            (Times{0, 86'401, 60, 0, 0, 5, 951'868'800}));
  // Milliseconds, as in a click log: 10:51:09.277 before 10:51:09.3.
  EXPECT_EQ(
      times_of({"2014-04-07T10:51:09.300Z", "2014-04-07T10:51:09.277Z", "2014-04-07T10:51:09Z"}),
      (Times{2, 1, 0}));
}

TEST(Times, WhatIsNoDate) {
  for (const char* field :
       {"2024-13-01", "2024-02-30", "2024-1-1", "20240101", "01/02/2024", "2024-01-31T25:00",
        "2024-01-31T10", "2024-01-31 10:00 CET", "2024-01/31", ""})
    EXPECT_FALSE(is_date(field)) << field;
  EXPECT_TRUE(is_date("2024-02-29"));
}

}  // namespace
}  // namespace mgqe
