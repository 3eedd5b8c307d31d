// Scored item pairs from files: formats, refusals, the fixed split, and baselines to beat.
#include "host/data/relevance/relevance.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <tuple>

#include "host/data/relevance/relevance_source.hpp"
#include "tests/support/data_testing.hpp"

namespace mgqe {
namespace {

RelevanceDataset load_scored(const std::string& name) {
  DataConfig config;
  config.name = name;
  return load_relevance(config, cpu());
}

using Triple = std::tuple<std::string, std::string, float>;

std::vector<Triple> triples(const RelevanceDataset& data, const ScoredPairs& pairs) {
  std::vector<Triple> rows;
  for (int64_t p = 0; p < pairs.size(); ++p)
    rows.emplace_back(data.item_ids.name(pairs.left[p]), data.item_ids.name(pairs.right[p]),
                      pairs.score[p]);
  return rows;
}

std::vector<Triple> all_triples(const RelevanceDataset& data) {
  std::vector<Triple> all;
  for (const ScoredPairs* part : {&data.train, &data.valid, &data.test}) {
    const std::vector<Triple> rows = triples(data, *part);
    all.insert(all.end(), rows.begin(), rows.end());
  }
  std::sort(all.begin(), all.end());
  return all;
}

/// All 105 pairs of 15 items `prefix`1 ..., scores from -52 on in steps of 1.
std::string rows(const std::string& separator, const std::string& prefix = "",
                 const std::string& ending = "\n") {
  std::string text;
  int score = -52;
  for (int a = 1; a <= 15; ++a)
    for (int b = a + 1; b <= 15; ++b)
      text.append(prefix + std::to_string(b) + separator)
          .append(prefix + std::to_string(a) + separator + std::to_string(score++) + ending);
  return text;
}

TEST(RelevanceFile, EverySeparatorGivesTheSame) {
  const TemporaryFolder folder;
  const RelevanceDataset data = load_scored(folder.write("a.tsv", rows("\t")));
  EXPECT_EQ(data.name, folder.path("a.tsv"));
  EXPECT_EQ(data.items, 15);
  EXPECT_EQ(data.test.size(), 10);
  EXPECT_EQ(data.valid.size(), 9);
  EXPECT_EQ(data.train.size(), 86);
  EXPECT_FALSE(data.noise_floor.has_value());
  std::vector<Triple> expected;
  float score = -52;
  for (int a = 1; a <= 15; ++a)
    for (int b = a + 1; b <= 15; ++b)
      expected.emplace_back(std::to_string(b), std::to_string(a), score++);
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(all_triples(data), expected);

  for (const std::string& path :
       {folder.write("b.csv", rows(",")), folder.write("c", rows(" ")),
        folder.write("d", rows("   ", "", " \r\n")), folder.write("e.txt", rows(", ")),
        folder.write_gzip("f.gz", rows("\t")),
        folder.write("g", "# item item score\n#\n" + rows(" ")),
        folder.write("h", "left,right,relevance\n" + rows(",")),
        folder.write("i", "# a comment\nleft\tright\trelevance\n" + rows("\t"))})
    EXPECT_EQ(load_scored(path).fingerprint, data.fingerprint) << path;
  EXPECT_NE(load_scored(folder.write("j", rows("\t", "1"))).fingerprint, data.fingerprint);
  std::string other = rows("\t");
  other.replace(other.find("-52"), 3, "-51");
  EXPECT_NE(load_scored(folder.write("k", other)).fingerprint, data.fingerprint);
}

TEST(RelevanceFile, StringIdsAndFractions) {
  const TemporaryFolder folder;
  const RelevanceDataset data =
      load_scored(folder.write("a", rows("\t", "half life ") + "#1\tcaf\xC3\xA9\t-2.5e-1\n"));
  EXPECT_EQ(data.items, 17);
  EXPECT_TRUE(data.item_ids.integers.empty());
  const std::vector<Triple> all = all_triples(data);
  EXPECT_EQ(all.size(), 106u);
  EXPECT_EQ(all.front(), Triple("#1", "caf\xC3\xA9", -0.25f));
  EXPECT_EQ(std::get<1>(all.back()), "half life 8");
}

TEST(RelevanceFile, ItemsAreRankedByTrainingFrequency) {
  const TemporaryFolder folder;
  std::string text;  // a star: item 500 stands in every pair
  for (int item = 1; item <= 200; ++item) text += std::to_string(1000 - item) + " 500 1\n";
  const RelevanceDataset data = load_scored(folder.write("star", text));
  std::vector<int64_t> counts(data.items);
  for (const auto* side : {&data.train.left, &data.train.right})
    for (const int32_t item : *side) ++counts[item];
  EXPECT_EQ(data.item_ids.name(0), "500");
  EXPECT_EQ(counts[0], data.train.size());
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), int64_t{0}), 2 * data.train.size());
  for (int64_t item = 2; item < data.items; ++item) {
    EXPECT_LE(counts[item], counts[item - 1]);
    if (counts[item] == counts[item - 1]) {
      EXPECT_GT(data.item_ids.integers[item], data.item_ids.integers[item - 1]);
    }
  }
  EXPECT_EQ(counts.back(), 0);  // items of held-out pairs alone come last
}

TEST(RelevanceFile, SplitIsFixedDisjointAndSpread) {
  const TemporaryFolder folder;
  std::string text;
  constexpr int kItems = 200, kPairs = kItems * (kItems - 1) / 2;
  for (int a = 0; a < kItems; ++a)
    for (int b = a + 1; b < kItems; ++b)
      text += std::to_string(a) + "\t" + std::to_string(b) + "\t" + std::to_string(a * kItems + b) +
              "\n";
  const std::string path = folder.write("a", text);
  DataConfig config;
  config.name = path;
  const RelevanceDataset data = load_relevance(config, cpu());
  config.synthetic_seed = 99;  // no seed moves the split of a file
  EXPECT_EQ(load_relevance(config, cpu()).fingerprint, data.fingerprint);

  EXPECT_EQ(data.test.size(), kPairs / 10);
  EXPECT_EQ(data.valid.size(), (kPairs - kPairs / 10) / 10);
  std::set<float> scores;  // distinct for every pair
  for (const ScoredPairs* part : {&data.train, &data.valid, &data.test})
    scores.insert(part->score.begin(), part->score.end());
  EXPECT_EQ(scores.size(), static_cast<size_t>(kPairs));
  // Parts keep the order of the file and take from all of it: a mean position half-way, within
  // five standard errors of a uniform draw.
  for (const ScoredPairs* part : {&data.valid, &data.test}) {
    EXPECT_TRUE(std::is_sorted(part->score.begin(), part->score.end()));
    double sum = 0.0;
    for (const float score : part->score)
      sum += static_cast<double>(std::distance(scores.begin(), scores.find(score)));
    const auto count = static_cast<double>(part->size());
    EXPECT_NEAR(sum / count / kPairs, 0.5, 5.0 / std::sqrt(12.0 * count));
  }
  double sum = 0.0;
  for (const float score : data.train.score) sum += score;
  EXPECT_DOUBLE_EQ(data.mean_score, sum / static_cast<double>(data.train.size()));
}

/// The refusal of `rows(" ")` with `line` put before it as line 1, without the folder.
std::string refusal_of(const std::string& line, const std::string& text = rows(" ")) {
  const TemporaryFolder folder;
  const std::string path = folder.write("a", line + "\n" + text);
  const std::string message = refusal([&] { load_scored(path); });
  EXPECT_TRUE(message.starts_with(path)) << message;
  return message.substr(std::min(message.size(), path.size()));
}

TEST(RelevanceRefusals, Lines) {
  const std::string layout = ": expected \"item item score\"";
  EXPECT_EQ(refusal_of("16 1 bad"),
            ":1: score \"bad\" is not a number: expected one such as 5 or -3.5");
  EXPECT_EQ(refusal_of("16 1 nan"),
            ":1: score \"nan\" is not a number: expected one such as 5 or -3.5");
  EXPECT_EQ(refusal_of("16 1 inf"),
            ":1: score \"inf\" is not a number: expected one such as 5 or -3.5");
  EXPECT_EQ(refusal_of("16 1 1e39"), ":1: score \"1e39\" is out of range: expected a 32-bit float");
  EXPECT_EQ(refusal_of("16 16 5"),
            ":1: item \"16\" is paired with itself: expected two different items");
  EXPECT_EQ(refusal_of("16 1"),
            ":1: the line has 2 fields" + layout + " separated by spaces, tabs or commas");
  EXPECT_EQ(refusal_of("16\t1\t5\t978300760"),
            ":1: the line has 4 fields" + layout + " separated by tabs");
  EXPECT_EQ(refusal_of("16,1,5", rows(" ")),
            ":2: the line has 1 fields" + layout + " separated by commas");
  EXPECT_EQ(refusal_of("16,,5"), ":1: a field is empty" + layout);
  EXPECT_EQ(
      refusal_of("\"a,b,5"),
      ":1: the quote before \"a,b,5\" is not closed in its line: close it, or put the field on "
      "one line");
  EXPECT_EQ(refusal_of("16 NaN 5"),
            ":1: item \"NaN\" is how programs write a value that is missing: remove the line, or "
            "rename the item if that is its name");
}

TEST(RelevanceFiles, QuotesAreUndone) {
  std::string text = "\"left\",\"right\",\"score\"\n\"a, b\",\"c\"\"d\",\"5\"\n";
  for (int p = 1; p < kMinScoredPairs; ++p) text += "i,j" + std::to_string(p) + ",1\n";
  const RelevanceSource source = read_relevance_file(Bytes::own(text));
  EXPECT_EQ(source.item_ids.name(source.pairs.left[0]), "a, b");
  EXPECT_EQ(source.item_ids.name(source.pairs.right[0]), "c\"d");
  EXPECT_EQ(source.pairs.score[0], 5.0f);
  EXPECT_EQ(source.reading, "separated by commas, header: item, item, score");
}

TEST(RelevanceRefusals, RepeatedPairsInEitherOrder) {
  const std::string already = " already: give each pair once, in either order";
  // Line 2 of the file is "2 1 -52", line 4 "4 1 -50".
  EXPECT_EQ(refusal_of("1 2 7"), ":2: items \"2\" and \"1\" have a score in line 1" + already);
  EXPECT_EQ(refusal_of("# comment\nleft right score", rows(" ") + "4 1 9\n"),
            ":108: items \"4\" and \"1\" have a score in line 5" + already);
}

TEST(RelevanceRefusals, TooFewPairs) {
  const std::string message =
      ": holds 1 scored pairs: give 100 or more lines of \"item item score\"";
  EXPECT_EQ(refusal_of("1 2 7", ""), message);
  EXPECT_EQ(refusal_of("a b score", "1 2 7"), message);
}

TEST(RelevanceRefusals, Names) {
  const TemporaryFolder folder;
  const ScopedVariable variable("MGQE_DATA_DIR", folder.path("data"));
  EXPECT_EQ(refusal([&] { load_scored("steam"); }),
            folder.path("data") +
                "/relevance/steam.tsv.gz: steam is not there: set MGQE_DATA_DIR to the folder that "
                "holds relevance/steam.tsv.gz, or use relevance-synthetic");
  EXPECT_EQ(refusal([&] { load_scored("none.tsv"); }),
            "none.tsv: no such file: give the path of a file of \"item item score\", or one of the "
            "names steam, relevance-synthetic");
  EXPECT_EQ(refusal([&] { load_scored("ml-1m"); }),
            "--data ml-1m has no scores of item pairs: --task relevance reads steam, "
            "relevance-synthetic, or a file of \"item item score\"");
  EXPECT_EQ(refusal([&] { load("steam"); }),
            "--data steam has scores of item pairs, not interactions: give --task relevance");
}

TEST(RelevanceBaselines, ByHand) {
  // Training: s(0,1) = 5, s(0,2) = 1, mean 3.
  RelevanceDataset data;
  data.items = 3;
  data.train.add(0, 1, 5.0f);
  data.train.add(2, 0, 1.0f);
  data.valid.add(0, 1, 5.0f);
  data.test.add(1, 2, 3.0f);
  data.test.add(0, 1, 7.0f);
  data.mean_score = 3.0;
  const RelevanceBaselines baselines = relevance_baselines(data);
  EXPECT_DOUBLE_EQ(baselines.mean, std::sqrt((0.0 + 16.0) / 2.0));
  // By symmetry b0 = 0 and b1 = -b2 = 2 / (1 + lambda); validation likes the weakest lambda best.
  EXPECT_EQ(baselines.bias_regulariser, 0.1);
  const double error = 4.0 - 2.0 / 1.1;
  // Sweeps stop at changes of a thousandth of the mean's RMSE.
  EXPECT_NEAR(baselines.bias, std::sqrt(error * error / 2.0), 1e-3 * baselines.mean * 5.0);
  EXPECT_FALSE(baselines.noise_floor.has_value());
}

TEST(RelevanceBaselines, FindPlantedBiases) {
  // s = 10 + b_i + b_j exactly, every pair of 60 items: the bias model all but removes the error.
  RelevanceDataset data;
  data.items = 60;
  const auto bias = [](int item) { return static_cast<float>((item * 37) % 60 - 30); };
  double sum = 0.0;
  for (int a = 0; a < 60; ++a)
    for (int b = a + 1; b < 60; ++b) {
      const int part = (a * 7 + b) % 10;
      ScoredPairs& pairs = part == 0 ? data.test : part == 1 ? data.valid : data.train;
      pairs.add(a, b, 10.0f + bias(a) + bias(b));
      if (part > 1) sum += pairs.score.back();
    }
  data.mean_score = sum / static_cast<double>(data.train.size());
  const RelevanceBaselines baselines = relevance_baselines(data);
  EXPECT_GT(baselines.mean, 20.0);
  EXPECT_LT(baselines.bias, 0.01 * baselines.mean);
}

TEST(RelevanceReal, Steam) {
  const auto folder = real_data_folder();
  if (!folder || !std::filesystem::exists(*folder + "/relevance/steam.tsv.gz"))
    GTEST_SKIP() << "no relevance/steam.tsv.gz in $MGQE_DATA_DIR";
  const ScopedVariable variable("MGQE_DATA_DIR", *folder);
  const RelevanceDataset data = load_scored("steam");
  EXPECT_EQ(data.name, "steam");
  EXPECT_EQ(data.items, 5155);
  EXPECT_EQ(data.test.size(), 100'000);
  EXPECT_EQ(data.valid.size(), 90'000);
  EXPECT_EQ(data.train.size(), 810'000);
  for (const ScoredPairs* part : {&data.train, &data.valid, &data.test}) {
    const auto [low, high] = std::minmax_element(part->score.begin(), part->score.end());
    EXPECT_GE(*low, -100.0f);
    EXPECT_LE(*high, 100.0f);
  }
  // Measured elsewhere, on another random tenth: 27.38 and 20.48.
  const RelevanceBaselines baselines = relevance_baselines(data);
  EXPECT_NEAR(baselines.mean, 27.38, 0.1);
  EXPECT_NEAR(baselines.bias, 20.48, 0.25);
}

}  // namespace
}  // namespace mgqe
