// Seeds by range and list, and what is told of the time they need.
#include "host/jobs/seed_runs.hpp"

#include <gtest/gtest.h>

#include "host/base/check.hpp"

namespace mgqe {
namespace {

using Seeds = std::vector<uint64_t>;

TEST(ParseSeeds, RangesAndLists) {
  EXPECT_EQ(parse_seeds("3"), (Seeds{3}));
  EXPECT_EQ(parse_seeds("1..4"), (Seeds{1, 2, 3, 4}));
  EXPECT_EQ(parse_seeds("7..7"), (Seeds{7}));
  EXPECT_EQ(parse_seeds("5,1,2"), (Seeds{5, 1, 2}));
  EXPECT_EQ(parse_seeds("9,1..3"), (Seeds{9, 1, 2, 3}));
  EXPECT_EQ(parse_seeds("18446744073709551614..18446744073709551615"),
            (Seeds{18446744073709551614u, 18446744073709551615u}));
  EXPECT_EQ(parse_seeds("0..999").size(), 1000u);
}

TEST(ParseSeeds, RefusesTheRest) {
  for (const char* text :
       {"", " 1", "1 ", "1-3", "1...3", "..3", "3..", "3..1", "1,", ",1", "1,1", "1..3,2", "+1",
        "1.5", "0..1000", "0..18446744073709551615", "18446744073709551616"})
    EXPECT_THROW(parse_seeds(text), InputError) << text;
}

TEST(SecondsLeft, CountsWhatRunsAndWhatWaits) {
  EXPECT_EQ(seconds_left({10, 20}, 0, 30, 2), 20) << "the longest of those that run";
  EXPECT_EQ(seconds_left({10, 20}, 3, 30, 2), 60) << "(10 + 20 + 3 x 30) / 2";
  EXPECT_EQ(seconds_left({10, -1}, 1, 30, 2), 35) << "one that has only begun takes the mean";
  EXPECT_LT(seconds_left({10, -1}, 0, -1, 2), 0) << "nothing is known of it";
  EXPECT_LT(seconds_left({}, 2, -1, 2), 0);
}

TEST(ProgressRecord, IsReadAsItWasWritten) {
  const ProgressState state{12, 20, 4321, 15000, 8123.4, 75.5, -1};
  const auto read = read_progress_record(progress_record(state));
  ASSERT_TRUE(read);
  EXPECT_EQ(progress_line(*read, 100), progress_line(state, 100));
  EXPECT_EQ(read->step, 4321);
  EXPECT_EQ(read->run_seconds_left, -1);
  EXPECT_FALSE(read_progress_record("12 20 43"));
  EXPECT_FALSE(read_progress_record("training"));
}

}  // namespace
}  // namespace mgqe
