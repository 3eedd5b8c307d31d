// The table of many runs: a row for each configuration, whatever the task, and what is refused.
#include "host/io/console/run_table.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "tests/support/io_testing.hpp"

namespace mgqe {
namespace {

using testing::refusal;
using testing::ScratchFolder;
using testing::write_text;
using Json = nlohmann::ordered_json;

Json result_of(const Config& config, uint64_t seed, Json valid, Json test) {
  return {{"config", to_json(config)},
          {"seed", seed},
          {"device", "cpu"},
          {"data", {{"name", "films"}}},
          {"valid", std::move(valid)},
          {"test", std::move(test)},
          {"size", {{"percent_of_full", 12.5}, {"payload_bits", 81920}, {"file_bytes", 20480}}},
          {"seconds", {{"train", 1.5}}}};
}

Json ranking(uint64_t seed, Json hit_rate) {
  Config config;
  config.train.epochs = 7;
  resolve(config);
  const Json figures = {{"hr@10", hit_rate}, {"ndcg@10", 0.25}};
  return result_of(config, seed, {}, {{"sampled", figures}, {"full", figures}});
}

std::string table(const std::vector<Json>& results) {
  return report_table(
      results, [](const Config& config) { return config; }, /*markdown=*/false);
}

TEST(MeanInterval, IsStudentsT) {
  EXPECT_EQ(mean_interval({3.0}).half_width, 0.0);
  // Of n values 0 and n values 2 the mean is 1, and the variance 2 n / (2 n - 1).
  const auto half_width = [](int n) {
    std::vector<double> values(static_cast<size_t>(n), 0.0);
    values.resize(static_cast<size_t>(2 * n), 2.0);
    return mean_interval(values).half_width;
  };
  EXPECT_NEAR(half_width(1), 12.706, 1e-3);
  EXPECT_NEAR(half_width(5), 2.262 * std::sqrt(10.0 / 9.0 / 10.0), 1e-3);
  EXPECT_NEAR(half_width(20), 2.0227 * std::sqrt(40.0 / 39.0 / 40.0), 2e-3);  // 39 degrees
}

TEST(RunTable, RunsOfSeveralLengthsShareARowWhereEpochsAreNotRead) {
  Json longer = ranking(2, 0.7);
  longer["config"]["train"]["epochs"] = 28;
  const std::vector<Json> runs = {ranking(1, 0.5), longer};
  EXPECT_CONTAINS(table(runs), " 7      1 ");
  const std::string together = report_table(
      runs,
      [](Config config) {
        config.train.epochs = 0;
        return config;
      },
      /*markdown=*/false);
  EXPECT_CONTAINS(together, " 7 to 28      2 ");
}

TEST(RunTable, AveragesSeedsAndSetsTasksApart) {
  Config rated, clicks;
  rated.model.task = TaskKind::kRelevance;
  rated.model.mlp_dim = 24;
  rated.model.pretrain_epochs = 2;
  clicks.model.task = TaskKind::kCtr;
  clicks.model.name = "dcn";
  clicks.model.cross_layers = 0;
  clicks.model.dense_type = DenseType::kInt8;
  for (Config* config : {&rated, &clicks}) resolve(*config);
  const std::string text = table(
      {ranking(1, 0.5), result_of(rated, 1, {{"rmse", 0.75}}, {{"rmse", 0.875}}), ranking(2, 0.5),
       result_of(clicks, 1, {{"auc", 0.7}}, {{"auc", 0.75}, {"logloss", 0.5}})});
  EXPECT_CONTAINS(text, "0.5000 ± 0.0000  0.2500 ± 0.0000");
  EXPECT_CONTAINS(text, " 7      2 ");  // epochs, seeds
  EXPECT_CONTAINS(text, "gmf m=24 pre-trained");
  EXPECT_CONTAINS(text, "0.875            0.750");
  EXPECT_CONTAINS(text, "dcn without cross layers int8");
  EXPECT_CONTAINS(text, "0.75000   0.50000         0.70000");
  EXPECT_CONTAINS(text, "12.50%            10          20        1.5");
  EXPECT_LT(text.find("sampled HR@10"), text.find("RMSE"));
  EXPECT_LT(text.find("RMSE"), text.find("log loss"));
}

TEST(RunTable, AFigureOfNoUsersIsADash) {
  EXPECT_CONTAINS(table({ranking(1, nullptr)}), "    -   0.2500");
}

TEST(RunTable, RefusesASeedThatWouldCountTwice) {
  EXPECT_CONTAINS(refusal([] {
                    table({ranking(1, 0.5), ranking(1, 0.4)});
                  }),
                  "two runs have the same configuration and seed, 1 (mgqe");
}

TEST(ReadResults, FromFoldersAndFiles) {
  const ScratchFolder folder;
  std::filesystem::create_directory(folder / "run");
  write_text(folder / "run/result.json", R"({"config": {}, "test": {}, "seed": 1})");
  write_text(folder / "other.json", R"({"config": {}, "test": {}, "seed": 2})");
  const auto results = read_results({(folder / "run").string(), (folder / "other.json").string()});
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].at("seed"), 1);
  EXPECT_EQ(results[1].at("seed"), 2);
  const auto refused = [&](const char* name) {
    return refusal([&] { read_results({(folder / name).string()}); });
  };
  EXPECT_CONTAINS(refused("none"), "/none: cannot be read; name the folder of a finished run");
  std::filesystem::create_directory(folder / "empty");
  EXPECT_CONTAINS(refused("empty"), "empty/result.json: cannot be read");
  for (const char* text : {"", "{", "[]", R"({"config": {}})", R"({"test": {}})"}) {
    write_text(folder / "wrong.json", text);
    EXPECT_CONTAINS(refused("wrong.json"), "is not a result.json of `mgqe train`") << text;
  }
}

}  // namespace
}  // namespace mgqe
