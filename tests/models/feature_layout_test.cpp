// Where the rows of many features lie, against a sort of all ids.
#include "models/features/feature_layout.hpp"

#include <algorithm>
#include <numeric>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "models/embeddings/embedding.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

std::vector<FeatureSpec> random_features(Random& random, const std::vector<int64_t>& sizes,
                                         int32_t most) {
  std::vector<FeatureSpec> specs;
  for (const int64_t rows : sizes) {
    const auto drawn = random.integers<int32_t>(rows, 0, most);
    std::vector<int64_t> counts(drawn.begin(), drawn.end());
    std::sort(counts.rbegin(), counts.rend());
    specs.push_back({fmt::format("f{}", specs.size()), rows, counts});
  }
  return specs;
}

EmbeddingConfig mgqe_config(std::vector<double> tiers, std::vector<int> centroids) {
  EmbeddingConfig config;
  config.full_rows = 0;
  config.tiers = std::move(tiers);
  config.centroids = std::move(centroids);
  return config;
}

TEST(FeatureLayout, EveryIdHasARowOfItsOwnInTheTierThatItsPopularityGives) {
  Random random(1);
  const EmbeddingConfig config = mgqe_config({0.1, 0.4}, {16, 8, 4});
  for (const int32_t most : {0, 1, 5, 1000}) {  // all tie, many do, few do
    const std::vector<FeatureSpec> specs = random_features(random, {1, 7, 120, 33, 2}, most);
    const FeatureGroup group("t", {0, 1, 2, 3, 4}, specs, config);
    ASSERT_EQ(group.rows(), 163);
    // By falling count, ties by feature and id.
    std::vector<std::tuple<int64_t, int, int32_t>> ids;
    for (int f = 0; f < 5; ++f)
      for (int32_t id = 0; id < specs[f].rows; ++id) ids.emplace_back(-specs[f].counts[id], f, id);
    std::sort(ids.begin(), ids.end());
    const Tiers tiers = make_tiers(config, group.rows());
    std::set<int32_t> rows;
    for (size_t place = 0; place < ids.size(); ++place) {
      const auto& [count, feature, id] = ids[place];
      const int32_t row = group.row(feature, id);
      ASSERT_TRUE(row >= 0 && row < group.rows());
      EXPECT_TRUE(rows.insert(row).second) << "row " << row << " of two ids";
      EXPECT_EQ(tiers.tier_of(row), tiers.tier_of(static_cast<int64_t>(place)))
          << "feature " << feature << ", id " << id << ", at most " << most;
    }
  }
}

TEST(FeatureLayout, IdsOfAFeatureLieInOrderWithinATier) {
  Random random(2);
  const EmbeddingConfig config = mgqe_config({0.25}, {16, 4});
  const std::vector<FeatureSpec> specs = random_features(random, {50, 60}, 9);
  const FeatureGroup group("t", {1, 0}, specs, config);
  const Tiers tiers = make_tiers(config, group.rows());
  for (int64_t k = 0; k < 2; ++k)
    for (int32_t id = 1; id < specs[group.features()[k]].rows; ++id) {
      const int32_t row = group.row(k, id), before = group.row(k, id - 1);
      if (tiers.tier_of(row) != tiers.tier_of(before)) continue;
      EXPECT_EQ(row, before + 1);
    }
}

std::vector<std::pair<std::string, std::vector<int>>> groups_of(const FeatureLayout& layout) {
  std::vector<std::pair<std::string, std::vector<int>>> groups;
  for (const FeatureGroup& group : layout.groups)
    groups.emplace_back(group.table(), group.features());
  return groups;
}

TEST(FeatureLayout, GroupsAsAskedFor) {
  std::vector<FeatureSpec> specs;
  for (const auto& [name, rows] : std::vector<std::pair<std::string, int64_t>>{
           {"user.id", 5000}, {"day", 7}, {"user-id", 200}, {"ad", 9999}, {"hour", 100}})
    specs.push_back({name, rows, std::vector<int64_t>(static_cast<size_t>(rows), 1)});
  EmbeddingConfig config = mgqe_config({0.1}, {16, 4});
  config.full_rows = 100;
  using Groups = std::vector<std::pair<std::string, std::vector<int>>>;
  FeatureLayout layout = arrange_features(config, specs, 3);
  EXPECT_EQ(groups_of(layout), (Groups{{"fields", {0, 2, 3}}, {"small_fields", {1, 4}}}));
  EXPECT_EQ(layout.groups[0].embedding().scheme, "mgqe");
  EXPECT_EQ(layout.groups[1].embedding().scheme, "full");
  EXPECT_EQ(layout.features, 5);
  EXPECT_EQ(layout.dense, 3);

  config.codebook_scope = CodebookScope::kField;
  EXPECT_EQ(groups_of(arrange_features(config, specs, 0)), (Groups{{"field_user_id", {0}},
                                                                   {"field_user_id_2", {2}},
                                                                   {"field_ad", {3}},
                                                                   {"small_fields", {1, 4}}}));
  config.codebook_scope = CodebookScope::kGroup;
  EXPECT_EQ(
      groups_of(arrange_features(config, specs, 0)),
      (Groups{{"fields_3_digits", {2}}, {"fields_4_digits", {0, 3}}, {"small_fields", {1, 4}}}));
  config.scheme = "full";  // one table, whatever is said of codebooks
  EXPECT_EQ(groups_of(arrange_features(config, specs, 0)), (Groups{{"fields", {0, 1, 2, 3, 4}}}));
}

std::vector<FeatureSpec> flat_features(const std::vector<std::pair<std::string, int64_t>>& sizes) {
  std::vector<FeatureSpec> specs;
  for (const auto& [name, rows] : sizes)
    specs.push_back({name, rows, std::vector<int64_t>(static_cast<size_t>(rows), 1)});
  return specs;
}

TEST(FeatureLayout, FieldsMayHaveSizesOfTheirOwn) {
  const auto specs = flat_features({{"user", 500}, {"day", 7}, {"item", 900}, {"hour", 24}});
  EmbeddingConfig config = mgqe_config({0.1}, {256, 64});
  config.full_rows = 100;
  config.field_sizes =
      "user:centroids=64/16/4,tiers=0.1/0.5,subspaces=8;hour:scheme=hashed,buckets=5";
  const FeatureLayout layout = arrange_features(config, specs, 0);
  using Groups = std::vector<std::pair<std::string, std::vector<int>>>;
  EXPECT_EQ(
      groups_of(layout),
      (Groups{{"fields", {2}}, {"field_user", {0}}, {"field_hour", {3}}, {"small_fields", {1}}}));
  EXPECT_EQ(layout.groups[0].embedding().centroids, (std::vector{256, 64}));
  const EmbeddingConfig& user = layout.groups[1].embedding();
  EXPECT_EQ(user.scheme, "mgqe");
  EXPECT_EQ(user.centroids, (std::vector{64, 16, 4}));
  EXPECT_EQ(user.tiers, (std::vector{0.1, 0.5}));
  EXPECT_EQ(user.subspaces, std::vector{8});
  EXPECT_EQ(layout.groups[2].embedding().scheme, "hashed");
  EXPECT_EQ(layout.groups[2].embedding().buckets, 5);
}

TEST(FeatureLayout, RefusesSizesOfFieldsThatMakeNoSense) {
  const auto specs = flat_features({{"user", 500}, {"item", 900}});
  const auto refused = [&](const std::string& sizes) -> std::string {
    EmbeddingConfig config = mgqe_config({0.1}, {256, 64});
    config.field_sizes = sizes;
    try {
      arrange_features(config, specs, 0);
    } catch (const InputError& error) {
      return error.what();
    }
    return "accepted";
  };
  const auto expect = [&](const std::string& sizes, const std::string& says) {
    EXPECT_NE(refused(sizes).find(says), std::string::npos) << refused(sizes);
  };
  expect("author:scheme=full", "there is no field author; fields are user, item");
  expect("user", "\"user\" is not NAME:KEY=VALUE");
  expect("user:dim=4", "\"dim=4\" where scheme=, codebook_type= or a size belongs");
  expect("user:centroids", "\"centroids\" where");
  expect("user:centroids=300", "field user: --centroids 300 is out of range");
  expect("user:scheme=lsq,bits=x", "embedding.bits has the wrong type");
  expect("user:scheme=full;user:scheme=full", "field user is named twice");
  expect("user:bits=2", "field user: mgqe has no bits");
  expect("user:centroids=64,centroids=2", "field user has centroids twice");
  expect("user:scheme=multiplexed", "one table of many fields");
  expect("user:scheme=mqge", "field user: scheme mqge is unknown: choose full, ");
  expect("user:scheme=3", "field user: scheme 3 is unknown");
  EXPECT_EQ(refused("user:scheme=low_rank,rank=4"), "accepted");
}

/// What a field's scheme does not read of the others' options is left behind.
TEST(FeatureLayout, FieldsOfOtherSchemesLeaveOptionsOfCodebooks) {
  EmbeddingConfig config = mgqe_config({0.2}, {32, 8});
  config.codebook_type = CodebookType::kF16;
  config.variant = Variant::kPrivateK;
  config.field_sizes = "a:scheme=full;b:subspaces=2;c:scheme=mgqe,subspaces=2;d:scheme=dpq_vq";
  const auto own = field_embeddings(config);
  EXPECT_EQ(own.at("a").codebook_type, CodebookType::kF32);
  EXPECT_EQ(own.at("d").codebook_type, CodebookType::kF16);
  EXPECT_EQ(own.at("d").variant, Variant::kSharedK);
  EXPECT_EQ(own.at("d").centroids, std::vector{256});
  for (const char* same : {"b", "c"}) {
    EXPECT_EQ(own.at(same).centroids, (std::vector{32, 8})) << same;
    EXPECT_EQ(own.at(same).variant, Variant::kPrivateK) << same;
  }
}

/// Bags come behind the fields of one id a row, in a table with them.
TEST(FeatureLayout, BagsShareTablesWithFields) {
  auto specs = flat_features({{"user", 500}, {"item", 900}, {"tags", 300}, {"genres", 9}});
  specs[2].bag = specs[3].bag = true;
  EmbeddingConfig config = mgqe_config({0.1}, {16, 4});
  config.full_rows = 100;
  config.bag_length = 5;
  const FeatureLayout layout = arrange_features(config, specs, 0);
  ASSERT_EQ(layout.groups.size(), 2u);
  const FeatureGroup &shared = layout.groups[0], &small = layout.groups[1];
  EXPECT_EQ(shared.single_features(), (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(shared.bag_features(), std::vector<int32_t>{2});
  EXPECT_EQ(shared.most_lookups(), 2 + 5);
  EXPECT_EQ(small.singles(), 0);
  EXPECT_EQ(small.bag_features(), std::vector<int32_t>{3});
  std::swap(specs[1], specs[2]);
  EXPECT_THROW(arrange_features(config, specs, 0), Error) << "a bag before a field";
}

TEST(FeatureLayout, RefusesIdsThatAreNoRanksOfPopularity) {
  const EmbeddingConfig config = mgqe_config({}, {16});
  EXPECT_THROW(FeatureGroup("t", {0}, {{"f", 3, {1, 2, 1}}}, config), Error);
  EXPECT_THROW(FeatureGroup("t", {0}, {{"f", 3, {2, 1}}}, config), Error);
}

}  // namespace
}  // namespace mgqe::testing
