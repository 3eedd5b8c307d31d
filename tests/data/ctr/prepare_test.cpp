#include "host/data/ctr/prepare.hpp"

#include <cmath>

#include "tests/support/ctr_testing.hpp"

namespace mgqe {
namespace {

using Ids = std::vector<int32_t>;
using Counts = std::vector<int64_t>;
using Words = std::vector<std::string>;

TEST(Prepare, EveryKindOfField) {
  const TemporaryFolder folder;
  const std::string file = folder.write("train.csv",
                                        "y,user,views,price,genres,note\n"
                                        "1,ann,0,2.5,a|b,x\n"
                                        "0,bob,7,,b,y\n"
                                        "1,ann,2,10,,z\n"
                                        "0,cid,,-1,b|c|b,w\n");
  const CtrCache cache = prepared(options_for(file, folder.path("rows.ctr"),
                                              {label("y"), log_buckets("views"), dense("price:raw"),
                                               bag("genres:sep=|"), ignored("note")}));
  ASSERT_EQ(cache.shape().fields.size(), 2u);
  EXPECT_EQ(cache.shape().fields[0].name, "user");
  EXPECT_EQ(cache.shape().fields[1].name, "views");
  EXPECT_EQ(cache.shape().dense, Words{"price"});
  EXPECT_EQ(cache.rows(CtrSplit::kTrain), 4);
  EXPECT_EQ(cache.rows(CtrSplit::kTest), 0);

  EXPECT_EQ(values_of(cache, "user"), (Words{"ann", "bob", "cid", "<oov>"}));
  EXPECT_EQ(counts_of(cache, "user"), (Counts{2, 1, 1, 0}));
  EXPECT_EQ(values_of(cache, "views"), (Words{"", "0", "1", "4", "<oov>"}));
  EXPECT_EQ(values_of(cache, "genres"), (Words{"b", "a", "c", "<oov>"}));
  EXPECT_EQ(counts_of(cache, "genres"), (Counts{4, 1, 1, 0}));

  const CtrBatch rows = all_rows(cache, CtrSplit::kTrain);
  EXPECT_EQ(rows.labels, (std::vector<float>{1, 0, 1, 0}));
  EXPECT_EQ(ids_of(rows, 0), (Ids{0, 1, 0, 2}));
  EXPECT_EQ(ids_of(rows, 1), (Ids{1, 3, 2, 0}));
  EXPECT_EQ(rows.dense, (std::vector<float>{2.5f, 0, 10, -1}));
  ASSERT_EQ(rows.bags.size(), 1u);
  EXPECT_EQ(rows.bags[0].offsets, (Ids{0, 2, 3, 3, 6}));
  EXPECT_EQ(rows.bags[0].ids, (Ids{1, 0, 0, 0, 2, 0}));
  EXPECT_EQ(cache.index().positives[0], 2);
}

TEST(Prepare, DenseValuesHaveMeanZeroAndVarianceOneOverTrainingRows) {
  const TemporaryFolder folder;
  // Seconds since 1970: floats would keep them to 128.
  PrepareOptions options = options_for(
      folder.write("train.csv", "y,a,t,same,p\n1,u,1600000001,7,+9\n0,u,1600000003,7,\n1,v,,7,0\n"),
      folder.path("rows.ctr"), {label("y"), dense("t"), dense("same"), dense("p:log")});
  options.sources.push_back(
      {folder.write("test.csv", "y,a,t,same,p\n1,u,1600000006,8,99\n"), CtrSplit::kTest});
  const CtrCache cache = prepared(options);
  const double ten = std::log(10.0);  // of p: log 10 and log 1
  EXPECT_EQ(cache.find("t")->center, 1600000002.0);
  EXPECT_EQ(cache.find("t")->scale, 1.0);
  EXPECT_EQ(cache.find("same")->scale, 1.0) << "not divided by 0";
  EXPECT_EQ(all_rows(cache, CtrSplit::kTrain).dense,
            (std::vector<float>{-1, 0, 1, 1, 0, 0, 0, 0, -1}))
      << "what is missing is at the mean";
  EXPECT_EQ(all_rows(cache, CtrSplit::kTest).dense,
            (std::vector<float>{4, 1, static_cast<float>((2 * ten - ten / 2) / (ten / 2))}));

  PrepareOptions later =
      options_for(folder.write("later.csv", "y,a,t,same,p\n0,v,1600000000,7,9\n"),
                  folder.path("later.ctr"), {});
  later.sources[0].split = CtrSplit::kTest;
  later.vocabulary = options.out;
  const CtrCache by_the_same = prepared(later);
  EXPECT_EQ(all_rows(by_the_same, CtrSplit::kTest).dense, (std::vector<float>{-2, 0, 1}));
  EXPECT_EQ(by_the_same.ids_fingerprint(), cache.fingerprint());
  EXPECT_NE(by_the_same.fingerprint(), cache.fingerprint());
  EXPECT_EQ(cache.ids_fingerprint(), cache.fingerprint());
}

TEST(Prepare, SeparatorsThatTheNameDoesNotTellAndBlanks) {
  const TemporaryFolder folder;
  const auto texts = [&](const std::string& name, const std::string& text) {
    const CtrCache cache =
        prepared(options_for(folder.write(name, text), folder.path("rows.ctr"), {label("y")}));
    EXPECT_EQ(all_rows(cache, CtrSplit::kTrain).labels, (std::vector<float>{1, 0}));
    return values_of(cache, "a");
  };
  const Words expected = {"x", "<oov>"};
  EXPECT_EQ(texts("semicolons.csv", "y;a\n1;x\n0;x\n"), expected);
  EXPECT_EQ(texts("bars.csv", "y|a\n1|x\n0|x\n"), expected);
  EXPECT_EQ(texts("tabs.csv", "y\ta\n1\tx\n0\tx\n"), expected);
  EXPECT_EQ(texts("commas.tsv", "y,a\n1,x\n0,x\n"), expected);
  EXPECT_EQ(texts("blanks.csv", "y , a\n 1,x \n0, x\n"), expected);
  EXPECT_EQ(texts("words.csv", "y,a\nTrue,x\nfalse,x\n"), expected);
}

TEST(Prepare, RareValuesAndThoseOfOtherSplitsAreOov) {
  const TemporaryFolder folder;
  PrepareOptions options =
      options_for(folder.write("train.csv", "y,a\n1,u\n0,u\n1,v\n0,v\n1,w\n1,x\n0,z\n"),
                  folder.path("rows.ctr"), {label("y"), categorical("a:min=2")});
  options.sources.push_back({folder.write("valid.csv", "y,a\n1,v\n0,w\n"), CtrSplit::kValid});
  options.sources.push_back({folder.write("test.csv", "y,a\n0,q\n0,q\n1,u\n"), CtrSplit::kTest});
  const CtrCache cache = prepared(options);
  EXPECT_EQ(values_of(cache, "a"), (Words{"<oov>", "u", "v"})) << "w, x and z are 3";
  EXPECT_EQ(counts_of(cache, "a"), (Counts{3, 2, 2}));
  EXPECT_EQ(ids_of(all_rows(cache, CtrSplit::kTrain), 0), (Ids{1, 1, 2, 2, 0, 0, 0}));
  EXPECT_EQ(ids_of(all_rows(cache, CtrSplit::kValid), 0), (Ids{2, 0}));
  EXPECT_EQ(ids_of(all_rows(cache, CtrSplit::kTest), 0), (Ids{0, 0, 1}));
  const CachedField& field = *cache.find("a");
  EXPECT_EQ(field.oov_values[0], 3);
  EXPECT_EQ(field.oov_values[1], 1);
  EXPECT_EQ(field.oov_values[2], 2);
  EXPECT_EQ(field.values[2], 3);
  EXPECT_EQ(field.top_values, 3);
  EXPECT_EQ(field.trained_values, 7);
}

TEST(Prepare, HashedValuesShareCellsOrderedByCount) {
  const TemporaryFolder folder;
  std::string text = "y,a\n";
  for (int i = 0; i < 600; ++i) text += "1,v" + std::to_string(i * i % 97) + "\n";
  const CtrCache cache =
      prepared(options_for(folder.write("train.csv", text), folder.path("rows.ctr"),
                           {label("y"), categorical("a:hash=8")}));
  const Ids ids = ids_of(all_rows(cache, CtrSplit::kTrain), 0);
  Counts counts(8);
  for (const int32_t id : ids) ++counts.at(static_cast<size_t>(id));
  EXPECT_EQ(counts, counts_of(cache, "a"));
  EXPECT_TRUE(std::is_sorted(counts.rbegin(), counts.rend()));
  EXPECT_EQ(cache.shape().fields[0].oov, -1);
  // Equal values, equal ids: rows 0 and 97 are both v0.
  EXPECT_EQ(ids[0], ids[97]);
  EXPECT_EQ(ids[1], ids[96]);
}

TEST(Prepare, QuantileBucketsComeFromTrainingAlone) {
  const TemporaryFolder folder;
  std::string train = "y,c,x\n", test = "y,c,x\n1,k,-50\n0,k,1000\n1,k,\n1,k,30\n";
  for (int i = 0; i < 100; ++i) train += "0,k," + std::to_string((i * 37) % 100) + "\n";
  train += "1,k,0\n1,k,1\n";
  PrepareOptions options = options_for(folder.write("train.csv", train), folder.path("rows.ctr"),
                                       {label("y"), quantile("x:buckets=4")});
  options.sources.push_back({folder.write("test.csv", test), CtrSplit::kTest});
  const CtrCache cache = prepared(options);
  const CachedVocabulary vocabulary(cache, *cache.find("x"));
  EXPECT_EQ(vocabulary.bounds(), (std::vector<double>{23, 49, 74}));
  // 25, 26, 25 and 26 values, then none that is missing.
  EXPECT_EQ(counts_of(cache, "x"), (Counts{26, 26, 25, 25, 0}));
  const Ids ids = ids_of(all_rows(cache, CtrSplit::kTest), 1);
  EXPECT_EQ(ids[0], ids_of(all_rows(cache, CtrSplit::kTrain), 1)[0]) << "-50 beside 0";
  EXPECT_EQ(ids[2], 4) << "missing";
}

TEST(Prepare, MissingWordAndUnlabeledRows) {
  const TemporaryFolder folder;
  PrepareOptions options =
      options_for(folder.write("train.csv", "y,a,x\n20,NA,NA\nNA,u,3\n15,u,4\n"),
                  folder.path("rows.ctr"), {label("y>15"), dense("x:raw")});
  options.missing = "NA";
  EXPECT_NE(
      refusal([&] { prepare(options, no_progress); }).find("train.csv:3: the label, y, is missing"),
      std::string::npos);
  options.drop_unlabeled = true;
  const CtrCache cache = prepared(options);
  EXPECT_EQ(cache.index().unlabeled, 1);
  EXPECT_EQ(values_of(cache, "a"), (Words{"", "u", "<oov>"}));
  EXPECT_EQ(all_rows(cache, CtrSplit::kTrain).labels, (std::vector<float>{1, 0}));
  EXPECT_EQ(all_rows(cache, CtrSplit::kTrain).dense, (std::vector<float>{0, 4}));
}

/// Rows "label,row number", over several chunks and blocks.
std::string many_rows(int rows) {
  std::string text = "y,row\n";
  for (int i = 0; i < rows; ++i)
    text += std::to_string(i % 3 == 0) + "," + std::to_string(i) + "\n";
  return text;
}

TEST(Prepare, LastRowsAreHeldOutInOrder) {
  const TemporaryFolder folder;
  PrepareOptions options = options_for(folder.write("all.csv", many_rows(70'000)),
                                       folder.path("rows.ctr"), {label("y"), log_buckets("row")});
  options.split = parse_split_rule("last:1/7,0.25", 1);
  options.block_rows = 1000;
  const CtrCache cache = prepared(options);
  EXPECT_EQ(cache.rows(CtrSplit::kTest), 17'500);
  EXPECT_EQ(cache.rows(CtrSplit::kValid), 10'000);
  EXPECT_EQ(cache.rows(CtrSplit::kTrain), 42'500);
  EXPECT_EQ(all_rows(cache, CtrSplit::kValid).labels[0], 0.0f) << "row 42500";
  EXPECT_EQ(all_rows(cache, CtrSplit::kValid).labels[1], 1.0f) << "row 42501 = 3 x 14167";
}

TEST(Prepare, RandomSplitIsEachRowsOwn) {
  const TemporaryFolder folder;
  PrepareOptions options = options_for(folder.write("all.tsv", ""), folder.path("rows.ctr"), {});
  std::string text = "y\tone\trow\n";
  constexpr int kRows = 40'000;
  for (int i = 0; i < kRows; ++i) text += "1\tk\t" + std::to_string(i) + "\n";
  folder.write("all.tsv", text);
  options.fields = {label("y"), dense("row:raw")};
  options.split = parse_split_rule("random:0.1,0.2", 5);
  const CtrCache cache = prepared(options);
  std::vector<int> seen(kRows);
  for (const CtrSplit split : {CtrSplit::kTrain, CtrSplit::kValid, CtrSplit::kTest}) {
    const std::vector<float> numbers = all_rows(cache, split).dense;
    EXPECT_TRUE(std::is_sorted(numbers.begin(), numbers.end())) << "rows keep their order";
    for (const float row : numbers) ++seen.at(static_cast<size_t>(row));
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), kRows) << "each in one split";
  // 0.2 of 40,000: 8,000 with a standard deviation of 80.
  EXPECT_NEAR(static_cast<double>(cache.rows(CtrSplit::kTest)), 8000, 6 * 80);
  EXPECT_NEAR(static_cast<double>(cache.rows(CtrSplit::kValid)), 4000, 6 * 60);
  const std::vector<float> before = all_rows(cache, CtrSplit::kTest).dense;
  options.split.seed = 6;
  EXPECT_NE(all_rows(prepared(options), CtrSplit::kTest).dense, before);
}

TEST(Prepare, IdsOfEveryWidthComeBack) {
  const TemporaryFolder folder;
  constexpr int kRows = 70'000;  // more than 2^16 values
  std::string text = "y,few,some,many,x\n";
  for (int i = 0; i < kRows; ++i)
    text += std::to_string(i % 2) + ",f" + std::to_string(i % 200) + ",s" +
            std::to_string(i % 5000) + ",m" + std::to_string(i) + "," + std::to_string(i) + "\n";
  const CtrCache cache = prepared(options_for(
      folder.write("all.csv", text), folder.path("rows.ctr"), {label("y"), dense("x:raw")}));
  EXPECT_EQ(cache.find("few")->width, 1);
  EXPECT_EQ(cache.find("some")->width, 2);
  EXPECT_EQ(cache.find("many")->width, 4);
  const std::vector<int64_t> wanted = {0, 69'999, 16'383, 16'384, 12'345, 5};
  CtrBatch batch;
  cache.gather(CtrSplit::kTrain, wanted, batch);
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ(batch.dense[i], static_cast<float>(wanted[i]));
    int c = 0;
    for (const auto& [name, modulus] : std::vector<std::pair<std::string, int64_t>>{
             {"few", 200}, {"some", 5000}, {"many", kRows}}) {
      const CachedVocabulary vocabulary(cache, *cache.find(name));
      EXPECT_EQ(vocabulary.text(ids_of(batch, c++)[i]),
                name.substr(0, 1) + std::to_string(wanted[i] % modulus));
    }
  }
}

TEST(Prepare, FurtherFilesByAVocabulary) {
  const TemporaryFolder folder;
  const PrepareOptions first = options_for(
      folder.write("train.csv", "y,a,h,x,g\n1,u,p,1,k l\n0,u,q,2,k\n1,v,p,3,\n0,w,p,4,l\n"),
      folder.path("first.ctr"),
      {label("y"), categorical("a"), categorical("h:hash=5"), quantile("x:buckets=2"), bag("g")});
  const CtrCache cache = prepared(first);
  // Columns in another order, one that is new, values that are new.
  PrepareOptions more =
      options_for(folder.write("more.csv", "g,x,h,new,a,y\nl k,3.5,q,?,w,1\nm,-9,p,?,nobody,0\n"),
                  folder.path("more.ctr"), {});
  more.sources[0].split = CtrSplit::kTest;
  more.vocabulary = first.out;
  const CtrCache got = prepared(more);
  const CtrBatch train = all_rows(cache, CtrSplit::kTrain), test = all_rows(got, CtrSplit::kTest);
  // Fields stand in the order of the vocabulary's, by which models know them: a, h, x; g (bag).
  ASSERT_EQ(got.shape().fields.size(), cache.shape().fields.size());
  for (size_t f = 0; f < got.shape().fields.size(); ++f)
    EXPECT_EQ(got.shape().fields[f].name, cache.shape().fields[f].name);
  EXPECT_EQ(values_of(got, "a"), values_of(cache, "a"));
  EXPECT_EQ(ids_of(test, 0), (Ids{2, 3})) << "w, and the OOV row";
  EXPECT_EQ(ids_of(test, 1), (Ids{ids_of(train, 1)[1], ids_of(train, 1)[0]}));
  EXPECT_EQ(ids_of(test, 2)[0], ids_of(train, 2)[3]) << "3.5 beside 4";
  EXPECT_EQ(ids_of(test, 2)[1], ids_of(train, 2)[0]) << "-9 beside 1";
  EXPECT_EQ(test.bags[0].ids, (Ids{1, 0, 2})) << "l, k, and the OOV row";
  EXPECT_EQ(got.find("a")->oov_values[2], 1);

  EXPECT_EQ(prepared_fingerprint(more, no_progress), got.fingerprint());

  more.refuse_unseen = true;
  EXPECT_NE(refusal([&] {
              prepare(more, no_progress);
            }).find("more.csv:3: field a: \"nobody\" is not in the vocabulary"),
            std::string::npos);
}

TEST(Prepare, TheSameSourcesHaveTheSameFingerprint) {
  const TemporaryFolder folder;
  PrepareOptions options = options_for(folder.write("train.csv", many_rows(20'000)),
                                       folder.path("rows.ctr"), {label("y")});
  const uint64_t fingerprint = prepared(options).fingerprint();
  EXPECT_EQ(prepared_fingerprint(options, no_progress), fingerprint);
  options.fields.push_back(categorical("row:min=2"));
  EXPECT_NE(prepared_fingerprint(options, no_progress), fingerprint);
  options.fields.pop_back();
  std::string other = many_rows(20'000);
  other[other.size() / 2] = other[other.size() / 2] == '1' ? '2' : '1';
  folder.write("train.csv", other);
  EXPECT_NE(prepared_fingerprint(options, no_progress), fingerprint);
}

TEST(Prepare, GzipGivesTheSameRows) {
  const TemporaryFolder folder;
  const std::string text = many_rows(30'000);
  const auto fields = {label("y")};
  const CtrCache plain =
      prepared(options_for(folder.write("a.csv", text), folder.path("a.ctr"), fields));
  const CtrCache packed =
      prepared(options_for(folder.write_gzip("b.csv.gz", text), folder.path("b.ctr"), fields));
  EXPECT_EQ(all_rows(plain, CtrSplit::kTrain).ids, all_rows(packed, CtrSplit::kTrain).ids);
  EXPECT_EQ(values_of(plain, "row"), values_of(packed, "row"));
}

}  // namespace
}  // namespace mgqe
