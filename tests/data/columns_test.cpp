// Which column is which: by the names of a header in any order, else by position; and what is said
// of it.
#include <utility>
#include <vector>

#include "host/data/interactions/actions.hpp"
#include "host/data/interactions/reading.hpp"
#include "tests/support/data_testing.hpp"

namespace mgqe {
namespace {

/// "user item time" as one-based places in the file, 0 where there is none.
std::string places(const Dataset& data) {
  std::string text;
  for (const std::string role : {"user", "item", "time"}) {
    int64_t place = 0;
    for (const DataReading::Column& column : data.reading.columns)
      if (column.role == role) place = column.number;
    if (!text.empty()) text += ' ';
    text += std::to_string(place);
  }
  return text;
}

TEST(Columns, AmazonHasTheProductFirst) {
  const TemporaryFolder folder;
  const Dataset data = load(folder.write(
      "r.csv",
      "product_id,user_id,rating,timestamp\nB1,A1,5,1\nB2,A1,5,2\nB3,A1,5,3\nB1,A2,5,1\n"
      "B2,A2,5,2\nB4,A2,5,3\nB1,A3,5,1\nB3,A3,5,2\nB4,A3,5,3\nB5,A3,5,4\n"));
  EXPECT_EQ(data.users, 3);
  EXPECT_EQ(data.items, 5);
  EXPECT_EQ(data.actions, 10);
  EXPECT_EQ(story(data, "A3"), "B1 B3 | B4 B5");
}

TEST(Columns, TheTimestampMayStandBeforeTheRating) {
  const TemporaryFolder folder;
  const Dataset data = load(folder.write(
      "r.csv",
      "userId,movieId,timestamp,rating\n1,10,400,1\n1,11,300,2\n1,12,200,3\n1,13,100,4\n"
      "2,10,100,4\n2,11,200,3\n2,12,300,2\n2,14,400,1\n"));
  EXPECT_EQ(story(data, "1"), "13 12 | 11 10");
  EXPECT_EQ(story(data, "2"), "10 11 | 12 14");
}

TEST(Columns, RecBoleNamesTypes) {
  const TemporaryFolder folder;
  const Dataset data = load(folder.write("ml.inter",
                                         "user_id:token\titem_id:token\ttimestamp:float\n"
                                         "1\t5\t40\n1\t6\t30\n1\t7\t20\n2\t8\t10\n"));
  EXPECT_EQ(story(data, "1"), "7 | 6 5");
}

TEST(Columns, TheTimestampMayStandBeforeTheItem) {
  const TemporaryFolder folder;
  const Dataset data =
      load(folder.write("r.csv", "user_id,timestamp,item_id\n1,40,5\n1,30,6\n1,20,7\n2,10,8\n"));
  EXPECT_EQ(story(data, "1"), "7 | 6 5");
}

TEST(Columns, HeadersOfStringColumns) {
  const TemporaryFolder folder;
  const Dataset data =
      load(folder.write("s.csv", "session_id,item_id\ns1,a\ns1,b\ns1,c\ns2,a\ns2,b\ns2,d\n"));
  EXPECT_EQ(data.users, 2);
  EXPECT_EQ(data.items, 4);
  EXPECT_EQ(data.actions, 6);
}

TEST(Columns, AreToldByTheNamesOfManyDataSets) {
  const TemporaryFolder folder;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"user,item", "1 2 0"},
      {"User-ID;ISBN;Book-Rating", "1 2 0"},
      {"uid,iid,ts", "1 2 3"},
      {"visitorid,itemid,event_time", "1 2 3"},
      {"timestamp,visitorid,event,itemid,transactionid", "2 4 1"},
      {"rating,user_id,parent_asin,timestamp,title", "2 3 4"},
      {"reviewerID,asin,overall,unixReviewTime", "1 2 4"},
      {"reviewTime,unixReviewTime,asin,reviewerID", "4 3 2"},
      {"business_id,date,stars,user_id", "4 1 2"},
      {"username,user_id,movie_title,movie_id", "2 4 0"},
      {"Customer ID,Product ID", "1 2 0"},
      {"artist_id,who", "2 1 0"},
      {"when?,user,what?,timestamp", "refused"},
  };
  for (const auto& [header, expected] : cases) {
    const char separator = header.find(';') != std::string::npos ? ';' : ',';
    const auto width = static_cast<size_t>(std::count(header.begin(), header.end(), separator)) + 1;
    std::string text = header + "\n";
    for (int line = 1; line <= 4; ++line) {
      for (size_t c = 0; c < width; ++c) {
        if (c > 0) text += separator;
        text += std::to_string(c + 10);
      }
      text += '\n';
    }
    // Four lines of the same action: one user, one item, and refused as such once it is understood.
    DataConfig config;
    config.name = folder.write("r.csv", text);
    std::string found = "refused";
    try {
      load_dataset(config, cpu(), [&](const Actions& actions) {
        Dataset data;
        data.reading = actions.reading;
        found = places(data);
      });
    } catch (const InputError&) {
    }
    EXPECT_EQ(found, expected) << header;
  }
}

TEST(Columns, DataAreNoHeader) {
  const TemporaryFolder folder;
  const Dataset data = load(folder.write("a.csv", "ann,book\nann,game\nann,app\nbo,song\n"));
  EXPECT_EQ(data.actions, 4);
  EXPECT_EQ(story(data, "ann"), "book | game app");
}

TEST(Columns, AThirdColumnOfTimesIsTheTimestamp) {
  const TemporaryFolder folder;
  const std::string seconds = "1,5,1112486040\n1,6,1112486030\n1,7,1112486020\n2,8,1112486010\n";
  EXPECT_EQ(story(load(folder.write("a.csv", seconds)), "1"), "7 | 6 5");
  const std::string dates =
      "1,5,2024-01-04,3\n1,6,2024-01-03,4\n1,7,2024-01-02,5\n2,8,2024-01-01,1\n";
  EXPECT_EQ(story(load(folder.write("a.csv", dates)), "1"), "7 | 6 5");
  const std::string ratings = "1,5,4\n1,6,3\n1,7,2\n2,8,1\n";
  EXPECT_EQ(story(load(folder.write("a.csv", ratings)), "1"), "5 | 6 7");
}

TEST(Reading, SaysWhatWasUnderstood) {
  const TemporaryFolder folder;
  const auto reading = [&](const std::string& name, const std::string& text) {
    return describe(load(folder.write(name, text)).reading);
  };
  EXPECT_EQ(
      reading("a.csv",
              "product_id,user_id,stars,time,shop\n5,1,3,40,x\n6,1,4,30,x\n7,1,5,30,y\n"
              "6,1,5,20,y\n8,2,5,30,y\n"),
      "separated by commas, header: item \"product_id\", user \"user_id\", time \"time\" (not "
      "used: rating \"stars\", \"shop\"); in time order (1 action at the time of the one before: "
      "in the order of the file); 1 repeat of an item the user had before");
  EXPECT_EQ(
      reading("a.tsv", "1\t5\t1\n1\t6\t1\n1\t7\t1\n2\t8\t1\n"),
      "separated by tabs, no header: user column 1, item column 2 (not used: rating column 3); "
      "in the order of the file; 0 repeats of an item the user had before");
  EXPECT_EQ(
      reading("a", "1 5\n1 6\n1 5\n1 6\n2 7\n"),
      "\"user item\" lines; in the order of the file; 2 repeats of an item the user had before");
}

TEST(Reading, CountsRepeatsInEverySplit) {
  const TemporaryFolder folder;
  const auto repeats = [&](const std::string& text) {
    return load(folder.write("a", text + "2 90\n")).reading.repeats;
  };
  EXPECT_EQ(repeats("1 5\n1 6\n1 7\n1 8\n"), 0);
  EXPECT_EQ(repeats("1 5\n1 5\n1 7\n1 8\n"), 1);  // within training
  EXPECT_EQ(repeats("1 5\n1 6\n1 5\n1 8\n"), 1);  // the validation item
  EXPECT_EQ(repeats("1 5\n1 6\n1 7\n1 6\n"), 1);  // the test item
  EXPECT_EQ(repeats("1 5\n1 6\n1 7\n1 7\n"), 1);  // the two are the same
  EXPECT_EQ(repeats("1 5\n1 6\n1 5\n1 5\n"), 2);
}

TEST(Reading, CountsWhatRatingsDatLeavesOut) {
  const TemporaryFolder folder;
  std::string text = "7::10::3::5\n1::99::3::5\n";
  for (int user = 1; user <= 5; ++user)
    for (int item = 10; item < 16; ++item)
      text += std::to_string(user) + "::" + std::to_string(item) +
              "::3::" + std::to_string(item / 2) + "\n";
  const DataReading reading = load(folder.write("ratings.dat", text)).reading;
  EXPECT_EQ(reading.rare_users, 1);
  EXPECT_EQ(reading.rare_items, 1);
  EXPECT_EQ(reading.rare_actions, 2);
  EXPECT_EQ(reading.ties, 15);  // each of five users at each of three times once more
  EXPECT_EQ(
      describe_counts(reading),
      "0 repeats of an item the user had before; left out: 1 user and 1 item under 5 actions, "
      "with 2 actions of theirs");
}

}  // namespace
}  // namespace mgqe
