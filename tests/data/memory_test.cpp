// The parsers over memory: what they give of a file, plain or gzip, they give of its bytes; cut
// anywhere, a text is read or refused in one line.
#include <functional>

#include <fmt/format.h>

#include "host/data/interactions/actions.hpp"
#include "host/data/interactions/ncf.hpp"
#include "host/data/interactions/split.hpp"
#include "host/data/locate.hpp"
#include "host/data/relevance/relevance_source.hpp"
#include "host/data/text/text_reader.hpp"
#include "tests/support/data_testing.hpp"

namespace mgqe {
namespace {

std::string content(const std::string& path) { return std::string(Bytes::read(path).text()); }

/// The bytes of gzip data of `text`.
std::string gzipped(std::string_view text) {
  const TemporaryFolder folder;
  return content(folder.write_gzip("x.gz", text));
}

std::string ratings() {
  std::string text;
  for (int user = 1; user <= 5; ++user)
    for (int item = 10; item < 16; ++item)
      text += std::to_string(user) + "::" + std::to_string(item) +
              "::3::" + std::to_string(1000 - 10 * item) + "\n";
  return text;
}

std::string scores() {
  std::string text = "# item item score\n";
  for (int64_t p = 0; p < kMinScoredPairs; ++p) text += fmt::format("i{}\tj{}\t0.5\n", p, p);
  return text;
}

using Parser = std::function<Actions(const Bytes&)>;
struct Case {
  const char* file;
  std::string text;
  Parser parse;
};

std::vector<Case> cases() {
  const auto tabs = [](const Bytes& file) { return read_delimited(file, '\t'); };
  const auto commas = [](const Bytes& file) { return read_delimited(file, ','); };
  return {{"log", "7 10\n7 30\n7 20\n2 20\r\n2 40\n9 214748\n", read_sasrec_text},
          {"ratings.dat", ratings(), read_ratings_dat},
          {"log.tsv", "u\ti\n1\t5\n1\t6\n2\tx\n", tabs},
          {"log.csv", "user,item,rating,time\na,5,1,9\na,6,2.5,-8\nb,5,3,7\n", commas}};
}

void expect_equal(const Actions& a, const Actions& b) {
  EXPECT_EQ(a.users, b.users);
  EXPECT_EQ(a.items, b.items);
  EXPECT_EQ(a.times, b.times);
  EXPECT_EQ(a.user_ids.integers, b.user_ids.integers);
  EXPECT_EQ(a.user_ids.strings, b.user_ids.strings);
  EXPECT_EQ(a.item_ids.integers, b.item_ids.integers);
  EXPECT_EQ(a.item_ids.strings, b.item_ids.strings);
}

TEST(TextsInMemory, GiveWhatTheirFilesGive) {
  for (const Case& given : cases()) {
    SCOPED_TRACE(given.file);
    const TemporaryFolder folder;
    const Actions expected = given.parse(open_data_file(folder.write(given.file, given.text)));
    EXPECT_FALSE(expected.users.empty());
    expect_equal(expected, given.parse(Bytes::view(given.text)));
    expect_equal(expected, given.parse(Bytes::own(gzipped(given.text))));
    expect_equal(expected, given.parse(open_data_file(folder.write_gzip("x.gz", given.text))));
    EXPECT_EQ(detect_format(Bytes::view(given.text, given.file)),
              detect_format(open_data_file(folder.path(given.file))));
  }
}

TEST(TextsInMemory, RelevanceGivesWhatItsFileGives) {
  const TemporaryFolder folder;
  const std::string text = scores();
  const RelevanceSource file = read_relevance_file(open_data_file(folder.write("a.tsv", text)));
  const RelevanceSource memory = read_relevance_file(Bytes::own(gzipped(text)));
  EXPECT_EQ(file.pairs.left, memory.pairs.left);
  EXPECT_EQ(file.pairs.right, memory.pairs.right);
  EXPECT_EQ(file.pairs.score, memory.pairs.score);
  EXPECT_EQ(file.item_ids.strings, memory.item_ids.strings);
}

NcfFiles ncf_files() {
  return {Bytes::own("1 1\n1 2\n1 3\n2 3\n2 4\n2 1\n3 1\n3 5\n"),
          Bytes::own("0\t2\t5\t100\n1\t0\t4\t200\n2\t4\t4\t300\n"),
          Bytes::own("(0,2)\t3\t4\n(1,0)\t1\t4\n(2,4)\t2\t3\n")};
}

TEST(TextsInMemory, NcfGivesWhatItsFilesGive) {
  const TemporaryFolder folder;
  const NcfFiles files = ncf_files();
  folder.write_gzip("ncf_ml-1m_seq.txt.gz", files.sequences.text());
  folder.write_gzip("ncf.ml-1m.test.rating.gz", files.ratings.text());
  folder.write_gzip("ncf.ml-1m.test.negative.gz", files.negatives.text());
  const Dataset memory = read_ncf(files, cpu());
  EXPECT_EQ(load_ncf(folder.path(""), cpu()).fingerprint, memory.fingerprint);
  EXPECT_EQ(memory.negatives_per_user, 2);
}

/// `read` of every beginning of `whole` ends well or in one line that begins with "<memory>". Each
/// lies in a block of its own size, so that a sanitizer sees a read behind it. How many ended well.
int64_t read_every_beginning(std::string_view whole,
                             const std::function<void(const Bytes&)>& read) {
  int64_t accepted = 0;
  for (size_t length = 0; length <= whole.size(); ++length) {
    const std::vector<uint8_t> cut(whole.begin(), whole.begin() + static_cast<int64_t>(length));
    try {
      read(Bytes::view(cut));
      ++accepted;
    } catch (const InputError& error) {
      const std::string message = error.what();
      EXPECT_TRUE(message.starts_with("<memory>:")) << length << " bytes: " << message;
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    }
  }
  return accepted;
}

TEST(TextsInMemory, EveryBeginningIsReadOrRefused) {
  for (const Case& given : cases()) {
    SCOPED_TRACE(given.file);
    const auto parse = [&](const Bytes& bytes) { given.parse(bytes); };
    EXPECT_GT(read_every_beginning(given.text, parse), 0);
    // Of gzip data a beginning of none or one byte is plain text, refused or empty; of the others
    // only the whole is whole.
    const std::string packed = gzipped(given.text);
    EXPECT_LE(read_every_beginning(packed, parse), 2);
    given.parse(Bytes::own(packed));
  }
  EXPECT_EQ(read_every_beginning(scores(), [](const Bytes& bytes) { read_relevance_file(bytes); }),
            4);  // without its line end, and with the last score shortened to "0." and "0"
  const NcfFiles files = ncf_files();
  read_every_beginning(files.sequences.text(), [&](const Bytes& bytes) {
    read_ncf({bytes, files.ratings, files.negatives}, cpu());
  });
  EXPECT_GT(read_every_beginning(files.ratings.text(),
                                 [&](const Bytes& bytes) {
                                   read_ncf({files.sequences, bytes, files.negatives}, cpu());
                                 }),
            0);
  EXPECT_GT(read_every_beginning(files.negatives.text(),
                                 [&](const Bytes& bytes) {
                                   read_ncf({files.sequences, files.ratings, bytes}, cpu());
                                 }),
            0);
}

TEST(TextsInMemory, GzipMembersFollowEachOther) {
  const std::string packed = gzipped("1 2\n1 3\n") + gzipped("") + gzipped("4 5\n");
  EXPECT_EQ(read_sasrec_text(Bytes::own(packed)).users.size(), 3u);
  EXPECT_EQ(read_sasrec_text(Bytes::own(packed + std::string(9, '\0'))).users.size(), 3u);
}

}  // namespace
}  // namespace mgqe
