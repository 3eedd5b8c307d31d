#include "host/data/ctr/column_reader.hpp"

#include "tests/support/data_testing.hpp"

namespace mgqe {
namespace {

using Rows = std::vector<std::vector<std::string>>;

struct Read {
  std::vector<std::string> names;
  Rows rows;
};

Read read(std::string_view text, CtrFormat format, const std::vector<std::string>& names = {}) {
  ColumnReader reader(Bytes::view(text, "file"), format, names);
  Read read;
  for (const NamedColumn& column : reader.columns()) read.names.push_back(column.name);
  for (auto row = reader.next(); !row.empty(); row = reader.next())
    read.rows.emplace_back(row.begin(), row.end());
  return read;
}

constexpr auto kCsv = CtrFormat::kCommaSeparated;
constexpr auto kTsv = CtrFormat::kTabSeparated;
constexpr auto kLibfm = CtrFormat::kLibfm;

TEST(ColumnReader, CsvWithQuotes) {
  const Read got = read(
      "label,\"a, b\",c\r\n"
      "1,x,\r\n"
      "0,\"y, z\",\"say \"\"no\"\" twice\"\"\"\r\n"
      "0,\"\",\"\"\"\"\r\n",
      kCsv);
  EXPECT_EQ(got.names, (std::vector<std::string>{"label", "a, b", "c"}));
  EXPECT_EQ(got.rows, (Rows{{"1", "x", ""}, {"0", "y, z", "say \"no\" twice\""}, {"0", "", "\""}}));
}

TEST(ColumnReader, TabsHaveNoQuotes) {
  const Read got = read("a:token\tb\n\"x\t1\n\t\"\n", kTsv);
  EXPECT_EQ(got.names, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(got.rows, (Rows{{"\"x", "1"}, {"", "\""}}));
}

TEST(ColumnReader, NamesOfTheCallerMakeTheFirstLineARow) {
  const Read got = read("1,2\n3,4\n", kCsv, {"a", "b:float"});
  EXPECT_EQ(got.names, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(got.rows, (Rows{{"1", "2"}, {"3", "4"}}));
}

TEST(ColumnReader, Libfm) {
  const Read got = read("1 17:1 2:1\n-1 3:1 40:1 \n0 3:1 2:1\n", kLibfm);
  EXPECT_EQ(got.names, (std::vector<std::string>{"label", "field1", "field2"}));
  EXPECT_EQ(got.rows, (Rows{{"1", "17", "2"}, {"0", "3", "40"}, {"0", "3", "2"}}));
}

TEST(ColumnReader, Criteo) {
  std::string line = "1";
  for (int i = 1; i <= 39; ++i) line.append("\t").append(i == 3 ? "" : std::to_string(i));
  const Read got = read(line + "\n", CtrFormat::kCriteo);
  ASSERT_EQ(got.names.size(), 40u);
  EXPECT_EQ(got.names[13], "I13");
  EXPECT_EQ(got.names[14], "C1");
  EXPECT_EQ(got.names[39], "C26");
  EXPECT_EQ(got.rows[0][3], "");
  EXPECT_EQ(got.rows[0][39], "39");
}

TEST(ColumnReader, RefusalsNameFileAndLine) {
  const auto refused = [](std::string_view text, CtrFormat format) {
    return refusal([&] { read(text, format); });
  };
  EXPECT_EQ(refused("a,b\n1,2\n1,2,3\n", kCsv),
            "file:3: the line has 3 columns: expected 2, separated by commas");
  EXPECT_EQ(refused("a,b\n1\n", kCsv),
            "file:2: the line has 1 columns: expected 2, separated by commas");
  EXPECT_EQ(refused("a\tb\n1\t2\t3\n", kTsv),
            "file:2: the line has 3 columns: expected 2, separated by tabs");
  EXPECT_EQ(refused("1 1:1 2:1\n1 1:1\n", kLibfm),
            "file:2: the line has 2 columns: expected 3, separated by blanks");
  EXPECT_EQ(refused("1 1:1 2:0.5\n", kLibfm),
            "file:1: \"2:0.5\" is no one-hot feature: expected index:1");
  EXPECT_EQ(
      refused("a,b\n1,\"x\n", kCsv),
      "file:2: the quote before \"x\" is not closed in its line: close it, or put the field on "
      "one line");
  EXPECT_NE(refused("a,b\n1,\"x\"y\n", kCsv)
                .find("file:2: text stands behind the closing quote of \"x\""),
            std::string::npos);
  EXPECT_NE(refused("a,b\n\"1\"\n", kCsv).find("expected 2"), std::string::npos);
  EXPECT_NE(refused("a,b\n1,\"2\",3\n", kCsv).find("3 columns: expected 2"), std::string::npos);
  // The index of a cache, which is JSON, could not name it.
  EXPECT_EQ(
      refused("y,b\xFC\n1,2\n", kCsv),
      "file:1: the name of column 2, \"b\xFC\", is not UTF-8: convert the file (iconv -t UTF-8)");
  EXPECT_EQ(refused("", kCsv), "file: the file is empty: expected a header, then a row a line");
}

TEST(ColumnReader, FormatsByName) {
  EXPECT_EQ(detect_ctr_format("x/train.csv.gz"), kCsv);
  EXPECT_EQ(detect_ctr_format("ml-100k.inter"), kTsv);
  EXPECT_EQ(detect_ctr_format("frappe.train.libfm.gz"), kLibfm);
  EXPECT_EQ(parse_ctr_format("criteo", "train.txt"), CtrFormat::kCriteo);
  EXPECT_EQ(
      refusal([] { detect_ctr_format("train.txt"); }),
      "train.txt: the name does not tell the format: give --format csv, tsv, libfm or criteo");
  EXPECT_EQ(refusal([] { parse_ctr_format("xml", "train.txt"); }),
            "--format xml is none of auto, csv, tsv, libfm and criteo");
}

}  // namespace
}  // namespace mgqe
