// Refusals: of text that is not as it should be, and of caches that are not whole.
#include <cstring>
#include <fstream>
#include <iterator>

#include "host/data/ctr/ctr_cache.hpp"
#include "tests/support/ctr_testing.hpp"
#include "tests/support/mended_cache.hpp"

namespace mgqe {
namespace {

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A cache of 300 rows in blocks of 100.
class CacheFile : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string text = "y,a,b\n";
    for (int i = 0; i < 300; ++i)
      text +=
          std::to_string(i % 2) + ",v" + std::to_string(i % 7) + ",w" + std::to_string(i) + "\n";
    PrepareOptions options =
        options_for(folder_.write("train.csv", text), folder_.path("rows.ctr"), {label("y")});
    options.block_rows = 100;
    prepare(options, no_progress);
    bytes_ = bytes_of(options.out);
  }

  std::string refusal_of(const std::string& bytes) {
    path_ = folder_.write("other.ctr", bytes);
    const std::string message = refusal([&] {
      const CtrCache cache(path_);
      cache.verify();
    });
    EXPECT_TRUE(message.starts_with(path_ + ": ")) << message;
    return message.substr(std::min(message.size(), path_.size() + 2));
  }

  TemporaryFolder folder_;
  std::string bytes_, path_;
};

constexpr const char* kAnew = ": prepare it anew by `mgqe prepare --overwrite`";

TEST_F(CacheFile, IsWhole) {
  const CtrCache cache(folder_.path("rows.ctr"));
  cache.verify();
  EXPECT_TRUE(is_ctr_cache(folder_.path("rows.ctr")));
  EXPECT_FALSE(is_ctr_cache(folder_.path("train.csv")));
}

TEST_F(CacheFile, CutAnywhereIsRefused) {
  for (const size_t keep : {bytes_.size() - 1, bytes_.size() - 40, bytes_.size() / 2, size_t{64}})
    EXPECT_EQ(refusal_of(bytes_.substr(0, keep)), std::string("the cache is cut off") + kAnew)
        << keep;
  EXPECT_EQ(refusal_of(bytes_.substr(0, 63)), std::string("is no cache of rows") + kAnew);
  EXPECT_EQ(refusal_of(""), std::string("is no cache of rows") + kAnew);
  EXPECT_EQ(refusal_of("y,a\n" + bytes_), std::string("is no cache of rows") + kAnew);
}

TEST_F(CacheFile, OtherVersionsAreRefused) {
  std::string other = bytes_;
  other[8] = 2;
  EXPECT_EQ(refusal_of(other),
            std::string("is a cache of version 2, and this program reads 1") + kAnew);
}

TEST_F(CacheFile, EveryFlippedByteIsFound) {
  // Padding between arrays belongs to no checksum.
  const auto is_padding = [&](size_t at) {
    std::string other = bytes_;
    other[at] ^= 4;
    folder_.write("flipped.ctr", other);
    try {
      const CtrCache cache(folder_.path("flipped.ctr"));
      cache.verify();
    } catch (const InputError&) {
      return false;
    }
    return true;
  };
  int padding = 0;
  for (size_t at = 64; at < bytes_.size(); at += 7)
    if (is_padding(at)) {
      EXPECT_EQ(bytes_[at], '\0') << at << " of " << bytes_.size();
      ++padding;
    }
  EXPECT_LT(padding, 20);
}

TEST_F(CacheFile, DamagedRowsAreFoundWhenTheyAreAskedFor) {
  std::string other = bytes_;
  other[64 + 3] ^= 1;  // a label of the first block
  const std::string path = folder_.write("other.ctr", other);
  const CtrCache cache(path);
  CtrBatch batch;
  cache.range(CtrSplit::kTrain, 100, 200, batch);
  EXPECT_EQ(refusal([&] { cache.range(CtrSplit::kTrain, 99, 2, batch); }),
            path + ": rows of the cache are damaged" + kAnew);
}

/// A cache of two rows, 1 and 2 values in their bags, whose bytes and index may be changed; it is
/// then as whole as one can be made.
class ForgedCache : public ::testing::Test {
 protected:
  void SetUp() override {
    PrepareOptions options = options_for(
        folder_.write("train.csv", "y,a,b,h,q\n1,u,x,s,1\n0,u,x|z,t,2\n"), folder_.path("rows.ctr"),
        {label("y"), bag("b:sep=|"), categorical("h:hash=2"), quantile("q:buckets=2")});
    options.block_rows = 2;  // full, so that it stands in front
    prepare(options, no_progress);
    bytes_ = bytes_of(options.out);
    read();  // as it is, it can be
  }

  void read() {
    std::string file = bytes_;
    testing::mend_cache(file);
    const CtrCache cache(folder_.write("forged.ctr", file));
    all_rows(cache, CtrSplit::kTrain);
    for (const CachedField& field : cache.index().fields)
      if (field.spec.has_ids()) CachedVocabulary(cache, field).vocabulary();
  }
  std::string refused() {
    const std::string message = refusal([&] { read(); });
    return message.substr(std::min(message.size(), folder_.path("forged.ctr").size() + 2));
  }
  void replace(const std::string& text, const std::string& by) {
    const size_t at = bytes_.find(text);
    ASSERT_NE(at, std::string::npos) << text;
    ASSERT_EQ(text.size(), by.size());
    bytes_.replace(at, text.size(), by);
  }
  /// The start of a field's section.
  size_t section_of(const std::string& field, const char* name) {
    const CtrCache cache(folder_.path("rows.ctr"));
    const CachedField& found = *cache.find(field);
    return static_cast<size_t>(name == std::string("ids") ? found.ids.offset : found.bounds.offset);
  }

  static constexpr size_t kBlock = 64;  // labels, ids of a, offsets and ids of b, of h, of q, by 8
  const std::string rows_ = std::string("rows of the cache are damaged") + kAnew,
                    cache_ = std::string("the cache is damaged") + kAnew;
  TemporaryFolder folder_;
  std::string bytes_;
};

TEST_F(ForgedCache, LabelsAndIdsBeyondTheirTablesAreRefused) {
  for (const size_t column : {kBlock, kBlock + 8, kBlock + 32, kBlock + 40, kBlock + 48}) {
    const std::string before = bytes_;
    bytes_[column] = 100;
    EXPECT_EQ(refused(), rows_) << column;
    bytes_ = before;
  }
}

TEST_F(ForgedCache, OffsetsOfBagsMustAscend) {
  ASSERT_EQ(bytes_.substr(kBlock + 16, 12), std::string("\0\0\0\0\1\0\0\0\3\0\0\0", 12));
  bytes_[kBlock + 20] = 4;  // 0 4 3
  EXPECT_EQ(refused(), rows_);
  bytes_[kBlock + 20] = 1, bytes_[kBlock + 16] = 1;  // 1 1 3
  EXPECT_EQ(refused(), rows_);
  bytes_[kBlock + 16] = 0, bytes_[kBlock + 27] = 100;  // more ids than there are bytes
  EXPECT_EQ(refused(), rows_);
}

TEST_F(ForgedCache, BlocksHaveRowsEnoughBytesAndAPlaceOfTheirOwn) {
  const CtrCache whole(folder_.path("rows.ctr"));
  const auto table = static_cast<size_t>(whole.index().blocks.offset);
  const auto with = [&](size_t at, char value) {
    const std::string before = bytes_;
    bytes_[table + at] = value;
    const std::string message = refused();
    bytes_ = before;
    return message;
  };
  EXPECT_EQ(with(0, 65), cache_);  // off the boundary that columns need
  EXPECT_EQ(with(8, 1), cache_);   // a byte for two rows
  EXPECT_EQ(with(16, 0), cache_);  // no rows
}

TEST_F(ForgedCache, VocabulariesFitTheirFields) {
  const std::string whole = bytes_;
  const auto expect = [&](const std::string& field) {
    EXPECT_EQ(refused(), "the vocabulary of field " + field + " is damaged" + kAnew);
    bytes_ = whole;
  };
  for (const char* const field : {"h", "q"}) {
    bytes_[section_of(field, "ids")] = 77;
    expect(field);
  }
  replace("\"hash_rows\":2", "\"hash_rows\":9");
  expect("h");
  replace("\"oov\":-1", "\"oov\":-5");
  EXPECT_EQ(refused(), cache_);
}

TEST_F(ForgedCache, AnIndexThatNestsDeepIsRefused) {
  const size_t at = bytes_.find("\"unlabeled\":0");
  bytes_.replace(at, 13, "\"unlabeled\":" + std::string(200'000, '[') + std::string(200'000, ']'));
  CacheTail tail;
  std::memcpy(&tail, bytes_.data() + bytes_.size() - sizeof tail, sizeof tail);
  const std::string_view index = std::string_view(bytes_).substr(
      static_cast<size_t>(tail.index_offset),
      bytes_.size() - sizeof tail - static_cast<size_t>(tail.index_offset));
  tail.index_bytes = static_cast<int64_t>(index.size());
  tail.index_crc = crc32_of(index);
  std::memcpy(bytes_.data() + bytes_.size() - sizeof tail, &tail, sizeof tail);
  const std::string path = folder_.write("deep.ctr", bytes_);
  EXPECT_EQ(refusal([&] { const CtrCache cache(path); }), path + ": " + cache_);
}

TEST(PrepareRefusals, NameFileAndLine) {
  const TemporaryFolder folder;
  const auto refused = [&](const std::string& text, const std::vector<FieldSpec>& fields) {
    const std::string file = folder.write("train.csv", text);
    const std::string message =
        refusal([&] { prepare(options_for(file, folder.path("out.ctr"), fields), no_progress); });
    EXPECT_FALSE(std::filesystem::exists(folder.path("out.ctr")));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path("")), {}), 1)
        << "nothing else is left";
    const std::string at = folder.path("");
    return message.starts_with(at) ? message.substr(at.size()) : message;
  };
  EXPECT_EQ(refused("y,a\n1,u\n2,u\n", {label("y")}),
            "train.csv:3: label y: \"2\" is neither 0 nor 1: give --label \"y>NUMBER\" to count "
            "what is above a number as 1");
  EXPECT_EQ(refused("y,a\nyes,u\n", {label("y")}),
            "train.csv:2: label y: \"yes\" is not a number: expected 0 or 1, or true or false");
  EXPECT_EQ(refused("y,a\n,u\n", {label("y")}),
            "train.csv:2: the label, y, is missing: expected one in every row; --drop-unlabeled "
            "leaves such rows out");
  EXPECT_EQ(
      refused("y,a,x\n1,u,1\n1,u,z\n", {label("y"), dense("x")}),
      "train.csv:3: field x: \"z\" is not a number: expected one such as 5 or -3.5, or nothing "
      "where it is missing; --missing WORD says how the file writes that");
  EXPECT_EQ(
      refused("y,a,x\n1,u,1e39\n", {label("y"), dense("x")}),
      "train.csv:2: field x: \"1e39\" is out of range: dense values are kept as 32-bit floats");
  EXPECT_EQ(refused("y,a\n1,u,3\n", {label("y")}),
            "train.csv:2: the line has 3 columns: expected 2, separated by commas");
  EXPECT_EQ(refused("y,a\n1,u\n", {label("z")}),
            "train.csv:1: there is no field z: the columns are y, a");
  EXPECT_EQ(refused("y,a\n", {label("y")}),
            "train.csv: has no rows behind its header: the train split would be empty");
}

TEST(PrepareRefusals, EmptySplitsAndFilesThatDiffer) {
  const TemporaryFolder folder;
  PrepareOptions options = options_for(folder.write("train.csv", "y,a\n1,u\n0,v\n"),
                                       folder.path("out.ctr"), {label("y")});
  options.split = parse_split_rule("last:0.1,0.1", 1);
  EXPECT_EQ(
      refusal([&] { prepare(options, no_progress); }),
      folder.path("out.ctr") +
          ": the valid split would be empty: of 2 rows, last:0.1,0.1 leaves it none; give more "
          "rows or another --split, or files by --train, --valid and --test");
  EXPECT_FALSE(std::filesystem::exists(options.out));
  options.split = {.kind = SplitRule::Kind::kFiles};
  options.sources.push_back({folder.write("test.csv", "a,y\nu,1\n"), CtrSplit::kTest});
  EXPECT_EQ(refusal([&] { prepare(options, no_progress); }),
            folder.path("test.csv") + ":1: the columns are not those of " +
                folder.path("train.csv") +
                ": files that are read together have the same, in the same order");
  for (const char* wrong :
       {"0.1,0.1", "random", "random:0.1", "last:0.5,0.5", "last:-1,0", "first:1/9,1/9"})
    EXPECT_NE(refusal([&] { parse_split_rule(wrong, 1); }).find("is no rule: expected random:V,T"),
              std::string::npos);
  EXPECT_EQ(parse_split_rule("last:1/14,1/14", 1).valid, 1.0 / 14);
}

}  // namespace
}  // namespace mgqe
