#include "host/data/text/text_reader.hpp"

#include <random>

#include "tests/support/data_testing.hpp"

namespace mgqe {
namespace {

std::vector<std::string> read_lines(const std::string& path) {
  TextReader reader(open_data_file(path));
  std::vector<std::string> lines;
  for (std::string_view line; reader.next(line);) lines.emplace_back(line);
  return lines;
}

using Lines = std::vector<std::string>;

TEST(TextReader, PlainAndGzipGiveTheSameLines) {
  const TemporaryFolder folder;
  const std::string text = "1 2\n3 4\n5 6";  // no newline at the end
  const Lines expected = {"1 2", "3 4", "5 6"};
  EXPECT_EQ(read_lines(folder.write("plain", text)), expected);
  EXPECT_EQ(read_lines(folder.write_gzip("packed.gz", text)), expected);
}

TEST(TextReader, WindowsEndingsByteOrderMarkAndTrailingBlankLines) {
  const TemporaryFolder folder;
  const std::string text =
      "\xEF\xBB\xBF"
      "1 2\r\n3 4\r\n\r\n \t\r\n";
  EXPECT_EQ(read_lines(folder.write("windows", text)), (Lines{"1 2", "3 4"}));
}

TEST(TextReader, EmptyFileHasNoLines) {
  const TemporaryFolder folder;
  EXPECT_TRUE(read_lines(folder.write("empty", "")).empty());
  EXPECT_TRUE(read_lines(folder.write("blank", "\n\n")).empty());
}

TEST(TextReader, BlankLineBetweenOthersIsRefused) {
  const TemporaryFolder folder;
  const std::string path = folder.write("holes", "1 2\n\n\n3 4\n");
  EXPECT_EQ(refusal([&] { read_lines(path); }),
            path + ":2: the line is empty but more follow: remove it");
}

TEST(TextReader, BlankLinesMayBeSkipped) {
  TextReader reader(Bytes::own("\n1 2\n\n \t\n3 4\n\n"), BlankLines::kSkipped);
  std::string_view line;
  ASSERT_TRUE(reader.next(line));
  EXPECT_EQ(line, "1 2");
  ASSERT_TRUE(reader.next(line));
  EXPECT_EQ(line, "3 4");
  EXPECT_EQ(reader.where(), "<memory>:5");
  EXPECT_FALSE(reader.next(line));
}

TEST(TextReader, ByteOrderMarksOfJoinedFilesAreLeftOut) {
  TextReader reader(
      Bytes::own("\xEF\xBB\xBF"
                 "1 2\n\xEF\xBB\xBF"
                 "3 4\n"));
  std::string_view line;
  ASSERT_TRUE(reader.next(line));
  EXPECT_EQ(line, "1 2");
  ASSERT_TRUE(reader.next(line));
  EXPECT_EQ(line, "3 4");
}

TEST(TextReader, LinesAcrossBuffersStayWhole) {
  const TemporaryFolder folder;
  std::mt19937 random(7);
  std::string text;
  Lines expected;
  for (int i = 0; i < 3000; ++i) {
    expected.push_back(std::string(1 + random() % 1000, static_cast<char>('a' + i % 26)));
    text += expected.back() + "\n";
  }
  expected.emplace_back(900'000, 'z');
  text += expected.back();
  EXPECT_EQ(read_lines(folder.write("long", text)), expected);
}

TEST(TextReader, OverlongLineIsRefused) {
  const TemporaryFolder folder;
  const std::string path = folder.write("binary", "1 2\n" + std::string(3 << 20, 'x'));
  EXPECT_EQ(
      refusal([&] { read_lines(path); }),
      path + ":2: the line is over 1048576 bytes long: expected text, one interaction a line");
}

TEST(TextReader, MissingFileAndFolder) {
  const TemporaryFolder folder;
  EXPECT_EQ(refusal([&] { open_data_file(folder.path("none.txt")); }),
            folder.path("none.txt") +
                ": no such file: give the path of a data file, or one of the names auto, ml-1m, "
                "ncf, video and synthetic");
  EXPECT_EQ(refusal([&] { open_data_file(folder.path("")); }),
            folder.path("") + ": is a folder: give the path of a data file in it");
}

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Lines that do not compress away, so that a cut falls within them.
std::string many_lines() {
  std::mt19937 random(11);
  std::string text;
  for (int i = 0; i < 20'000; ++i)
    text += std::to_string(1 + random() % 999) + " " + std::to_string(1 + random() % 99999) + "\n";
  return text;
}

TEST(TextReader, TruncatedGzipIsRefusedWhereverItIsCut) {
  const TemporaryFolder folder;
  const std::string whole = bytes_of(folder.write_gzip("whole.gz", many_lines()));
  for (const size_t keep :
       {size_t{5}, size_t{30}, whole.size() / 2, whole.size() - 9, whole.size() - 1}) {
    const std::string path = folder.write("cut.gz", std::string_view(whole).substr(0, keep));
    const std::string message = refusal([&] { read_lines(path); });
    EXPECT_TRUE(message.starts_with(path + ":")) << message;
    EXPECT_NE(message.find("the file is truncated; fetch it again"), std::string::npos)
        << keep << " of " << whole.size() << ": " << message;
  }
}

TEST(TextReader, DamagedGzipIsRefused) {
  const TemporaryFolder folder;
  std::string bytes = bytes_of(folder.write_gzip("whole.gz", many_lines()));
  bytes[bytes.size() - 6] ^= 1;  // the checksum in the trailer
  const std::string path = folder.write("damaged.gz", bytes);
  const std::string message = refusal([&] { read_lines(path); });
  EXPECT_TRUE(message.starts_with(path + ":")) << message;
  EXPECT_NE(message.find("damaged gzip data"), std::string::npos) << message;
}

TEST(TextReader, WhatFollowsGzipDataIsReadOrRefused) {
  const TemporaryFolder folder;
  const std::string whole = bytes_of(folder.write_gzip("whole.gz", many_lines()));
  const size_t lines = read_lines(folder.path("whole.gz")).size();
  const auto count = [&](const std::string& behind) {
    return read_lines(folder.write("more.gz", whole + behind)).size();
  };
  EXPECT_EQ(count(std::string(512, '\0')), lines) << "padded to a block, as tapes and tar do";
  EXPECT_EQ(count(whole), 2 * lines) << "two files joined";
  for (const std::string& behind :
       {std::string("1 10\n"), std::string("\x1f"), std::string("\0\x1f\x8b", 3)}) {
    const std::string message = refusal([&] { count(behind); });
    EXPECT_NE(message.find("damaged gzip data (what follows its end is no gzip data)"),
              std::string::npos)
        << message;
  }
}

}  // namespace
}  // namespace mgqe
