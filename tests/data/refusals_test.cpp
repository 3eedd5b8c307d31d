// Bad input: one line that says what, where, and what would be right.
#include "host/data/interactions/id_table.hpp"
#include "tests/support/data_testing.hpp"

namespace mgqe {
namespace {

/// Loads `text` under `name` and returns the refusal without the folder.
std::string refusal_of(const std::string& name, std::string_view text) {
  const TemporaryFolder folder;
  const std::string path = folder.write(name, text);
  const std::string message = refusal([&] { load(path); });
  EXPECT_TRUE(message.starts_with(path)) << message;
  return message.substr(std::min(message.size(), path.size() - name.size()));
}

TEST(RefusalsSasrecText, Lines) {
  const std::string range = ": expected an integer 1 to 2147483647";
  EXPECT_EQ(refusal_of("a", "1 2\n1 3\n1 x4\n"), "a:3: item \"x4\" is not a number" + range);
  EXPECT_EQ(refusal_of("a", "1 2\nfoo 3\n"), "a:2: user \"foo\" is not a number" + range);
  EXPECT_EQ(refusal_of("a", "1 2\n1 3.5\n"), "a:2: item \"3.5\" is not a number" + range);
  EXPECT_EQ(refusal_of("a", "1 2\n-1 3\n"), "a:2: user \"-1\" is out of range" + range);
  EXPECT_EQ(refusal_of("a", "1 2\n0 3\n"), "a:2: user \"0\" is out of range" + range);
  EXPECT_EQ(refusal_of("a", "1 2147483648\n"), "a:1: item \"2147483648\" is out of range" + range);
  EXPECT_EQ(refusal_of("a", "1 99999999999999999999\n"),
            "a:1: item \"99999999999999999999\" is out of range" + range);
  EXPECT_EQ(refusal_of("a", "1 2\n3\n"), "a:2: the item is missing" + range);
  EXPECT_EQ(refusal_of("a", "1 2 5\n"),
            "a:1: unexpected \"5\" behind the item: expected \"user item\" alone. Of \"user item "
            "item ...\" make a line for each item; \"user item rating timestamp\" is read with "
            "commas or tabs between, or a header; \"item item score\" is for --task relevance");
  EXPECT_EQ(refusal_of("a", "1 2\x01\x02\n"), "a:1: item \"2??\" is not a number" + range);
}

TEST(RefusalsRatingsDat, Lines) {
  const std::string good = "1::2::5::100\n";
  const std::string range = ": expected an integer 1 to 2147483647";
  const std::string fields = ": expected four fields, \"user::item::rating::timestamp\"";
  const auto refused = [&](const std::string& line) {
    return refusal_of("ratings.dat", good + line + "\n").substr(sizeof("ratings.dat:2:") - 1);
  };
  EXPECT_EQ(refused("1::x::5::100"), " item \"x\" is not a number" + range);
  EXPECT_EQ(refused("::2::5::100"), " the user is missing" + range);
  EXPECT_EQ(refused("1::::5::100"), " the item is missing" + range);
  EXPECT_EQ(refused("1::-2::5::100"), " item \"-2\" is out of range" + range);
  EXPECT_EQ(refused("2147483648::2::5::1"), " user \"2147483648\" is out of range" + range);
  EXPECT_EQ(refused("1::2::good::100"),
            " rating \"good\" is not a number: expected one such as 5 or 3.5");
  EXPECT_EQ(refused("1::2::5::noon"),
            " timestamp \"noon\" is not a whole number: expected an integer");
  EXPECT_EQ(refused("1::2::5::"), " the timestamp is missing: expected an integer");
  EXPECT_EQ(" x" + refused("1::2::5"), " x" + fields.substr(1));
  EXPECT_EQ(" x" + refused("1::2::5::6::7"), " x" + fields.substr(1));
  EXPECT_EQ(refusal_of("ratings.dat", good),
            "ratings.dat: nothing is left without users and items under 5 actions: give a larger "
            "file");
}

TEST(RefusalsDelimited, Lines) {
  const std::string layout = ": expected user item [rating] [timestamp]";
  EXPECT_EQ(refusal_of("a.csv", "1,2\n,3\n"),
            "a.csv:2: the user is empty: expected an integer or a string in every line");
  EXPECT_EQ(refusal_of("a.tsv", "ann\tcap\nann\t\n"),
            "a.tsv:2: the item is empty: expected an integer or a string in every line");
  EXPECT_EQ(refusal_of("a.csv", "1,2,4,10\n1,3,good,11\n"),
            "a.csv:2: rating \"good\" is not a number: expected one such as 5 or 3.5");
  EXPECT_EQ(refusal_of("a.csv", "1,2,good\n"),
            "a.csv:1: rating \"good\" is not a number: expected one such as 5 or 3.5");
  const std::string times =
      " is neither a number nor a date: expected one such as 1700000000, "
      "2024-01-31 or 2024-01-31T23:59:59";
  EXPECT_EQ(refusal_of("a.csv", "user,item,rating,time\n1,2,4,31.1.2024\n"),
            "a.csv:2: timestamp \"31.1.2024\"" + times);
  EXPECT_EQ(refusal_of("a.csv", "1,2,4,99999999999999999999\n"),
            "a.csv:1: timestamp \"99999999999999999999\"" + times);
  EXPECT_EQ(
      refusal_of("a.csv", "1,2,4,17\n1,3,4,2024-01-31\n"),
      "a.csv:2: timestamp \"2024-01-31\" is a date and those before are not: expected numbers "
      "alone, or dates alone");
  EXPECT_EQ(refusal_of("a.csv", "1,2,4,17\n1,3,4,\n"),
            "a.csv:2: the timestamp is missing: expected a number or a date");
  EXPECT_EQ(refusal_of("a.csv", "1,2\n1,2,3\n"),
            "a.csv:2: the line has 3 fields, the first line 2" + layout + " separated by commas");
  EXPECT_EQ(refusal_of("a.tsv", "1.2\n"),
            "a.tsv:1: the line has 1 fields" + layout + " separated by tabs");
  EXPECT_EQ(refusal_of("a.csv", "1,2,3,4,5\n"),
            "a.csv:1: the line has 5 fields" + layout + " separated by commas");
  EXPECT_EQ(refusal_of("a.csv", "user,item,a,b,c\n1,2,3,4\n"),
            "a.csv:2: the line has 4 fields, the first line 5: expected as many as the header "
            "separated by commas");
}

TEST(RefusalsDelimited, Quotes) {
  EXPECT_EQ(
      refusal_of("a.csv", "1,\"red\n"),
      "a.csv:1: the quote before \"red\" is not closed in its line: close it, or put the field "
      "on one line");
  EXPECT_EQ(refusal_of("a.csv", "1,2\n1,\"red\" hat\n"),
            "a.csv:2: text stands behind the closing quote of \"red\": expected commas between "
            "fields, and \"\" for a quote in one");
}

TEST(RefusalsDelimited, HeadersThatDoNotSayEnough) {
  EXPECT_EQ(
      refusal_of("a.csv", "user_id,colour,size\n1,2,3\n"),
      "a.csv:1: the header does not say which column holds the items: name one \"item\" in the "
      "first line");
  EXPECT_EQ(
      refusal_of("a.csv", "user_id,timestamp\n1,2\n"),
      "a.csv:1: the header does not say which column holds the items: name one \"item\" in the "
      "first line");
  EXPECT_EQ(
      refusal_of("a.csv", "movieId,colour,size\n1,2,3\n"),
      "a.csv:1: the header does not say which column holds the users: name one \"user\" in the "
      "first line");
  EXPECT_EQ(refusal_of("a.csv", "a,b,c,d,e\n1,2,3,4,5\n"),
            "a.csv:1: the header names neither a user nor an item column, and there are 5 columns: "
            "name them \"user\" and \"item\" in the first line");
}

TEST(RefusalsDelimited, MissingValues) {
  const std::string what =
      " is how programs write a value that is missing: remove the line, or "
      "rename the ";
  EXPECT_EQ(refusal_of("a.csv", "user,item\n1,2\nnan,3\n"),
            "a.csv:3: user \"nan\"" + what + "user if that is its name");
  EXPECT_EQ(refusal_of("a.csv", "ann,2\nann,NULL\n"),
            "a.csv:2: item \"NULL\"" + what + "item if that is its name");
  EXPECT_EQ(refusal_of("a.csv", "None,a\nann,b\n"),
            "a.csv:1: user \"None\"" + what + "user if that is its name");
}

TEST(RefusalsFormats, FilesThatAreNoText) {
  const auto is = [](const std::string& what) {
    return ": is " + what + ", not lines of interactions: ";
  };
  EXPECT_EQ(refusal_of("a.csv", "PK\x03\x04...."),
            "a.csv" + is("a zip archive (or a spreadsheet)") + "unpack it, or save it as CSV");
  EXPECT_EQ(
      refusal_of("a.json", "[\n {\"user\": 1}]\n"),
      "a.json" + is("JSON") + "write a line \"user,item,rating,timestamp\" for each interaction");
  EXPECT_EQ(refusal_of("a", "{\"user\": 1}\n"),
            "a" + is("JSON") + "write a line \"user,item,rating,timestamp\" for each interaction");
  EXPECT_EQ(refusal_of("a", "PAR1\x15\x04"),
            "a" + is("a Parquet file") + "save it as CSV and name that");
  EXPECT_EQ(refusal_of("a.csv", std::string_view("\xFF\xFE"
                                                 "1\0,\0",
                                                 6)),
            "a.csv" + is("UTF-16 text") + "convert it to UTF-8 (iconv -t UTF-8)");
  EXPECT_EQ(refusal_of("a", std::string_view("1 2\0 3\n", 7)),
            "a" + is("a binary file") + "save it as CSV and name that");
  EXPECT_EQ(
      refusal_of("a", "1 2\r1 3\r1 4\r"),
      "a" + is("text whose lines end in carriage returns alone") + "convert it (tr '\\r' '\\n')");
  EXPECT_EQ(refusal_of("a", "<!DOCTYPE html>\n"),
            "a" + is("a web page or XML") + "fetch the file itself, or save it as CSV");
  const TemporaryFolder folder;
  const std::string packed = folder.write_gzip("a.json.gz", "{\"user\": 1}\n");
  EXPECT_EQ(refusal([&] { load(packed); }),
            packed +
                ": holds JSON, not lines of interactions: write a line "
                "\"user,item,rating,timestamp\" for each interaction");
}

TEST(RefusalsDelimited, TooManyDistinctIds) {
  TextReader reader(Bytes::own("1\n2\n1\nx\n"));
  KeyTable table("user", 2);
  std::string_view line;
  for (int i = 0; i < 3; ++i) {
    reader.next(line);
    table.number(reader, line);
  }
  reader.next(line);
  EXPECT_EQ(refusal([&] { table.number(reader, line); }),
            "<memory>:4: user \"x\" is one more than the 2 distinct ids that are supported");
}

TEST(RefusalsData, NothingToTrainOrTest) {
  const std::string none = ": holds no interactions: expected lines of a user and an item";
  EXPECT_EQ(refusal_of("a", ""), "a" + none);
  EXPECT_EQ(refusal_of("a", "\n\n"), "a" + none);
  EXPECT_EQ(refusal_of("a.csv", "user,item\n"), "a.csv" + none);
  EXPECT_EQ(refusal_of("ratings.dat", ""), "ratings.dat" + none);
  EXPECT_EQ(refusal_of("a", "1 5\n1 5\n1 5\n2 5\n"),
            "a: holds one item only: ranking needs a catalogue of 2 or more");
  EXPECT_EQ(refusal_of("a", "1 5\n1 6\n2 5\n2 7\n"),
            "a: no user has 3 or more actions, so none can be held out for test: give longer "
            "histories");
  EXPECT_EQ(refusal_of("a", "1 5\n2 6\n3 5\n3 6\n3 5\n3 5\n"),
            "a: user 3 has all 2 items in training, so no negative can be drawn: leave each user "
            "at least one item untouched");
}

TEST(RefusalsData, MissingFiles) {
  const TemporaryFolder folder;
  const ScopedVariable variable("MGQE_DATA_DIR", folder.path("data"));
  EXPECT_EQ(refusal([] { load("ml-1m"); }),
            folder.path("data") +
                ": ml-1m is not there: expected ml-1m/ml-1m.txt.gz, ml-1m/ml-1m.txt or "
                "ml-1m/ratings.dat below it; run experiments/scripts/fetch_data.sh, or set "
                "MGQE_DATA_DIR");
  EXPECT_EQ(refusal([] { load("ncf"); }),
            folder.path("data/ncf/ncf_ml-1m_seq.txt.gz") +
                ": no such file: --data ncf needs ncf_ml-1m_seq.txt.gz, ncf.ml-1m.test.rating.gz "
                "and ncf.ml-1m.test.negative.gz in ncf/ below $MGQE_DATA_DIR or data/");
  EXPECT_EQ(refusal([] { load("video"); }),
            folder.path("data") +
                ": video is not there: expected video/video.txt.gz or video/video.txt below it "
                "(`user item` lines in time order); set MGQE_DATA_DIR");
  EXPECT_EQ(refusal([&] { load(folder.path("none.csv")); }),
            folder.path("none.csv") +
                ": no such file: give the path of a data file, or one of the names auto, ml-1m, "
                "ncf, video and synthetic");
}

}  // namespace
}  // namespace mgqe
