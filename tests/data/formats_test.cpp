// What the loaders make of good files, small enough to be checked by hand.
#include <algorithm>
#include <utility>
#include <vector>

#include "host/data/locate.hpp"
#include "tests/support/data_testing.hpp"

namespace mgqe {
namespace {

TEST(SasrecText, SplitsEachUserInFileOrder) {
  const TemporaryFolder folder;
  const Dataset data = load(
      folder.write_gzip("log.txt.gz", "7 10\n7 30\n7 20\n7 40\n2 20\n2 40\n2 10\n9 20\n9 30\n"));
  EXPECT_EQ(data.name, folder.path("log.txt.gz"));
  EXPECT_EQ(data.users, 3);
  EXPECT_EQ(data.items, 4);
  EXPECT_EQ(data.actions, 9);
  EXPECT_EQ(data.short_users, 1);
  EXPECT_TRUE(data.has_validation);
  EXPECT_EQ(story(data, "7"), "10 30 | 20 40");
  EXPECT_EQ(story(data, "2"), "20 | 40 10");
  EXPECT_EQ(story(data, "9"), "20 30 | - -");
}

TEST(SasrecText, InterleavedUsersTabsAndWindowsEndings) {
  const TemporaryFolder folder;
  const Dataset data =
      load(folder.write("log", "1\t5\r\n2 6\r\n 1  7\r\n2 5 \r\n1 6\r\n2 7\r\n2 8\r\n\r\n"));
  EXPECT_EQ(story(data, "1"), "5 | 7 6");
  EXPECT_EQ(story(data, "2"), "6 5 | 7 8");
}

TEST(SasrecText, TheLargestId) {
  const TemporaryFolder folder;
  const Dataset data = load(
      folder.write("log", "2147483647 1\n2147483647 2147483647\n2147483647 3\n2147483647 64\n"));
  EXPECT_EQ(story(data, "2147483647"), "1 2147483647 | 3 64");
}

// Five users and items with five actions or more, one user and one item with fewer.
std::string small_ratings() {
  std::string text;
  for (int user = 1; user <= 5; ++user)
    for (int item = 10; item < 16; ++item)
      text += std::to_string(user) + "::" + std::to_string(item) +
              "::3::" + std::to_string(1000 - 10 * item) + "\n";
  return text;
}

TEST(RatingsDat, SortsByTimeAndDropsTheRare) {
  const TemporaryFolder folder;
  // Item 99 has one action, user 6 four; item 10 loses user 6's.
  const std::string text =
      small_ratings() + "1::99::5::1\n6::10::4::2\n6::11::4::3\n" + "6::12::4::1\n6::13::4.5::5\n";
  const Dataset data = load(folder.write("ml/ratings.dat", text));
  EXPECT_EQ(data.users, 5);
  EXPECT_EQ(data.items, 6);
  EXPECT_EQ(data.actions, 30);
  EXPECT_EQ(story(data, "1"), "15 14 13 12 | 11 10");
}

TEST(RatingsDat, CountsOnceOverTheRawFile) {
  const TemporaryFolder folder;
  // User 1 has five actions, one of them on rare item 99: both counts are taken before either
  // is dropped, so the user stays with four.
  std::string text = "1::99::1::1\n1::10::1::9\n1::11::1::8\n1::12::1::7\n1::13::1::6\n";
  for (int user = 2; user <= 6; ++user)
    for (int item = 10; item < 15; ++item)
      text += std::to_string(user) + "::" + std::to_string(item) + "::1::5\n";
  const Dataset data = load(folder.write("ratings.dat", text));
  EXPECT_EQ(data.actions, 29);
  EXPECT_EQ(story(data, "1"), "13 12 | 11 10");
}

TEST(RatingsDat, EqualTimesKeepTheOrderOfTheFile) {
  const TemporaryFolder folder;
  std::string text = "1::15::1::7\n1::11::1::7\n1::14::1::7\n1::10::1::3\n1::13::1::7\n";
  for (int user = 2; user <= 6; ++user)
    for (int item = 10; item < 16; ++item)
      text += std::to_string(user) + "::" + std::to_string(item) + "::1::5\n";
  const Dataset data = load(folder.write("renamed.dat", text));  // recognised by its first line
  EXPECT_EQ(load(folder.write("renamed.csv", text)).fingerprint, data.fingerprint);
  EXPECT_EQ(story(data, "1"), "10 15 11 | 14 13");
  EXPECT_EQ(story(data, "2"), "10 11 12 13 | 14 15");
}

TEST(Delimited, StringsWithoutHeader) {
  const TemporaryFolder folder;
  const Dataset data = load(folder.write(
      "log.tsv", "bo\tred hat\nbo\tcap\nann\tcap\nbo\tscarf\nann\tscarf\nann\t12\nann\tscarf\n"));
  EXPECT_EQ(data.actions, 7);
  EXPECT_EQ(story(data, "bo"), "red hat | cap scarf");
  EXPECT_EQ(story(data, "ann"), "cap scarf | 12 scarf");
  EXPECT_TRUE(data.item_ids.integers.empty());  // "12" is a string beside other strings
}

TEST(Delimited, IntegersWithHeaderRatingAndTime) {
  const TemporaryFolder folder;
  const Dataset data = load(folder.write_gzip(
      "log.csv.gz",
      "userId,movieId,rating,timestamp\r\n-5,9223372036854775807,3.5,30\r\n-5,8,1,10\r\n"
      "-5,7,2,20\r\n4,8,1,-1\r\n4,7,1,-2\r\n4,6,1,-3\r\n"));
  EXPECT_EQ(data.actions, 6);
  EXPECT_TRUE(data.item_ids.strings.empty());
  EXPECT_EQ(story(data, "-5"), "8 | 7 9223372036854775807");
  EXPECT_EQ(story(data, "4"), "6 | 7 8");
}

TEST(Delimited, HeaderIsRecognised) {
  const TemporaryFolder folder;
  const std::string rows = "1,a\n1,b\n1,c\n2,a\n";
  for (const char* header : {"", "user,item\n", "User_ID,Item ID\n", "who,what\n"}) {
    const Dataset data = load(folder.write("log.csv", header + rows));
    EXPECT_EQ(data.actions, 4) << header;
    EXPECT_EQ(data.users, 2) << header;
    EXPECT_FALSE(data.user_ids.integers.empty()) << header;
  }
  // Strings over strings: a line of unknown names is data.
  const Dataset data = load(folder.write("log.csv", "x,a\nx,b\nx,c\ny,a\n"));
  EXPECT_EQ(story(data, "x"), "a | b c");
}

TEST(Delimited, SpellingsOfIntegersAreKept) {
  const TemporaryFolder folder;
  const Dataset data = load(folder.write("log.csv", "1,7\n1,007\n1,-0\n1,7\n"));
  EXPECT_EQ(data.items, 3);
  EXPECT_EQ(story(data, "1"), "7 007 | -0 7");
}

TEST(Delimited, BlanksAroundFieldsAreNoPartOfThem) {
  const TemporaryFolder folder;
  const Dataset data =
      load(folder.write("log.csv", "1, 10\n1, 11\n1,12\n 2 ,10\n2, 11 \n2,\t13\n"));
  EXPECT_EQ(data.items, 4);
  EXPECT_EQ(data.users, 2);
  EXPECT_FALSE(data.item_ids.integers.empty());
  EXPECT_EQ(story(data, "2"), "10 | 11 13");
}

TEST(Delimited, ByteOrderMarksAndHeadersWithinJoinedFiles) {
  const TemporaryFolder folder;
  const std::string part =
      "\xEF\xBB\xBF"
      "user,item\na,x\na,y\na,z\n";
  const Dataset data = load(folder.write("log.csv", part + part + "b,w\n"));
  EXPECT_EQ(data.users, 2);
  EXPECT_EQ(data.items, 4);
  EXPECT_EQ(data.actions, 7);
  EXPECT_EQ(data.reading.repeated_headers, 1);
  const Dataset text = load(folder.write("log",
                                         "1 2\n1 3\n\xEF\xBB\xBF"
                                         "1 4\n1 5\n"));
  EXPECT_EQ(story(text, "1"), "2 3 | 4 5");
}

TEST(Delimited, QuotesAreUndone) {
  const TemporaryFolder folder;
  const Dataset data = load(folder.write(
      "log.csv",
      "\"user id\",\"item\"\n\"1\",\"hat, red\"\n1, \"5\"\" disk\" \n1,5\" disk\n1,\" cap \"\n"));
  EXPECT_FALSE(data.user_ids.integers.empty());
  EXPECT_EQ(story(data, "1"), "hat, red 5\" disk | 5\" disk  cap ");
}

TEST(Delimited, BlankLinesArePassedOver) {
  const TemporaryFolder folder;
  EXPECT_EQ(story(load(folder.write("a.csv", "1,5\n\n1,6\n \n1,7\n1,8\n")), "1"), "5 6 | 7 8");
  EXPECT_EQ(story(load(folder.write("a.txt", "1 5\n\n1 6\n1 7\n\n1 8\n\n")), "1"), "5 6 | 7 8");
}

TEST(Delimited, OtherSeparatorsAndNames) {
  const TemporaryFolder folder;
  const std::string lines = "1;5\n1;6\n1;7\n1;8\n";
  const auto with = [&](char separator) {
    std::string text = lines;
    std::replace(text.begin(), text.end(), ';', separator);
    return text;
  };
  const uint64_t expected = load(folder.write("a.csv", with(','))).fingerprint;
  // By content where the name says nothing, or says something else.
  for (const auto& [name, separator] : std::vector<std::pair<const char*, char>>{{"a.csv", ';'},
                                                                                 {"a.csv", '\t'},
                                                                                 {"a.tsv", ','},
                                                                                 {"a.dat", ','},
                                                                                 {"a", '|'},
                                                                                 {"a", '\t'},
                                                                                 {"A.CSV", ','},
                                                                                 {"A.CSV", ';'},
                                                                                 {"a.txt", ' '},
                                                                                 {"a.csv", ' '}})
    EXPECT_EQ(load(folder.write(name, with(separator))).fingerprint, expected)
        << name << " by '" << separator << "'";
}

TEST(Delimited, TabsWithoutAName) {
  const TemporaryFolder folder;
  // As MovieLens-100K's u.data has it: user, item, rating, timestamp.
  const Dataset data = load(
      folder.write("u.data", "196\t242\t3\t30\n196\t302\t3\t20\n196\t377\t1\t10\n22\t51\t2\t5\n"));
  EXPECT_EQ(story(data, "196"), "377 | 302 242");
  EXPECT_EQ(data.reading.format, "separated by tabs");
}

TEST(Delimited, StringsAndHeadersBetweenBlanks) {
  const TemporaryFolder folder;
  EXPECT_EQ(story(load(folder.write("a.txt", "ann cap\nann  hat\nann bag\nbo box\n")), "ann"),
            "cap | hat bag");
  const Dataset data = load(
      folder.write("b.txt", "item user rating timestamp\n5 1 2 30\n6 1 2 20\n7 1 2 10\n8 2 1 1\n"));
  EXPECT_EQ(story(data, "1"), "7 | 6 5");
}

TEST(Fingerprint, FollowsContentNotFormat) {
  const TemporaryFolder folder;
  const std::string rows = "1 5\n1 6\n1 7\n1 8\n2 5\n";
  const uint64_t text = load(folder.write("a.txt", rows)).fingerprint;
  EXPECT_EQ(load(folder.write_gzip("b.txt.gz", rows)).fingerprint, text);
  EXPECT_EQ(load(folder.write("c.csv", "1,5\n1,6\n1,7\n1,8\n2,5\n")).fingerprint, text);
  EXPECT_NE(load(folder.write("d.txt", "1 6\n1 5\n1 7\n1 8\n2 5\n")).fingerprint, text);
  EXPECT_NE(load(folder.write("e.txt", "1 5\n1 6\n1 8\n1 7\n2 5\n")).fingerprint, text);
  EXPECT_NE(load(folder.write("f.txt", "1 5\n1 6\n1 7\n1 9\n2 5\n")).fingerprint, text);
}

TEST(Locate, FindsMl1mInThisOrder) {
  const TemporaryFolder folder;
  const ScopedVariable variable("MGQE_DATA_DIR", folder.path("data"));
  DataConfig config;
  config.name = "auto";
  config.synthetic_users = 20;
  config.synthetic_items = 100;
  config.synthetic_actions = 8;
  EXPECT_EQ(load_dataset(config, cpu()).name, "synthetic");

  folder.write("data/ml-1m/ratings.dat", small_ratings());
  EXPECT_EQ(load_dataset(config, cpu()).actions, 30);
  folder.write("data/ml-1m/ml-1m.txt", "1 1\n1 2\n1 3\n1 4\n");
  EXPECT_EQ(load_dataset(config, cpu()).actions, 4);
  folder.write_gzip("data/ml-1m/ml-1m.txt.gz", "1 1\n1 2\n1 3\n");
  const Dataset data = load_dataset(config, cpu());
  EXPECT_EQ(data.actions, 3);
  EXPECT_EQ(data.name, "ml-1m");
  EXPECT_EQ(load("ml-1m").fingerprint, data.fingerprint);
}

TEST(Locate, DefaultFolderLiesBelowTheCurrentOne) {
  const ScopedVariable variable("MGQE_DATA_DIR", "");
  EXPECT_EQ(data_folder(), "data");
}

}  // namespace
}  // namespace mgqe
