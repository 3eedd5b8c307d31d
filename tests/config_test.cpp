#include "host/core/config.hpp"

#include <gtest/gtest.h>

#include "host/core/check.hpp"
#include "models/embedding.hpp"

namespace mgqe {
namespace {

std::string refusal(const std::function<void(Config&)>& change) {
  Config config;
  change(config);
  try {
    validate(config);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

TEST(Config, DefaultsAreValid) {
  EXPECT_EQ(refusal([](Config&) {}), "");
}

TEST(Config, SurvivesJson) {
  Config config;
  config.embedding.centroids = {128, 32, 8};
  config.embedding.tiers = {0.01, 0.2};
  config.train.lr = 0.0123;
  config.run.seed = 18446744073709551615ull;
  Config read;
  update_from_json(read, to_json(config), "test");
  EXPECT_EQ(to_json(read), to_json(config));
}

TEST(Config, UnknownAndMistypedFieldsAreNamed) {
  Config config;
  const auto message = [&](const char* text) -> std::string {
    try {
      update_from_json(config, nlohmann::json::parse(text), "file.json");
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message(R"({"train": {"epochs": 3}})"), "");
  EXPECT_EQ(config.train.epochs, 3);
  EXPECT_NE(message(R"({"train": {"epoch": 3}})").find("file.json: unknown field train.epoch"),
            std::string::npos);
  EXPECT_NE(message(R"({"trian": {}})").find("unknown field trian"), std::string::npos);
  EXPECT_NE(message(R"({"train": {"epochs": "three"}})").find("train.epochs has the wrong type"),
            std::string::npos);
}

TEST(Config, RefusalsNameTheFlagAndWhatIsAllowed) {
  EXPECT_NE(refusal([](Config& c) { c.embedding.subspaces = 30; }).find("--subspaces 30"),
            std::string::npos);
  EXPECT_NE(refusal([](Config& c) {
              c.embedding.centroids = {257, 64};
            }).find("1 to 256"),
            std::string::npos);
  EXPECT_NE(refusal([](Config& c) {
              c.embedding.centroids = {256, 0};
            }).find("1 to 256"),
            std::string::npos);
  EXPECT_NE(refusal([](Config& c) {
              c.embedding.centroids = {64, 256};
            }).find("largest first"),
            std::string::npos);
  EXPECT_NE(refusal([](Config& c) {
              c.embedding.centroids = {256, 64, 16};
              c.embedding.tiers = {0.5, 0.1};
            }).find("out of order"),
            std::string::npos);
  EXPECT_NE(refusal([](Config& c) { c.embedding.tiers = {}; }).find("one cut fewer"),
            std::string::npos);
  EXPECT_NE(refusal([](Config& c) { c.embedding.tiers = {1.5}; }).find("between 0 and 1"),
            std::string::npos);
  EXPECT_NE(refusal([](Config& c) { c.train.lr = -1; }).find("--lr"), std::string::npos);
  EXPECT_NE(refusal([](Config& c) { c.train.optimizer = "sgd"; }).find("sparse_adam or adam"),
            std::string::npos);
  EXPECT_NE(refusal([](Config& c) { c.model.name = "ncf"; }).find("choose gmf"), std::string::npos);
}

TEST(Tiers, EndAtTheCeilingOfTheFraction) {
  EmbeddingConfig config;
  const Tiers ml1m = make_tiers(config, 3416);
  EXPECT_EQ(ml1m.rows(0), 342);
  EXPECT_EQ(ml1m.rows(1), 3074);
  EXPECT_EQ(make_tiers(config, 6040).rows(0), 604);
  EXPECT_EQ(make_tiers(config, 1000).rows(0), 100);
  config.tiers = {0.01, 0.1};
  config.centroids = {256, 128, 32};
  const Tiers three = make_tiers(config, 1000);
  EXPECT_EQ(three.limit(0), 256);
  EXPECT_EQ(three.limit(9), 256);
  EXPECT_EQ(three.limit(10), 128);
  EXPECT_EQ(three.limit(99), 128);
  EXPECT_EQ(three.limit(100), 32);
  EXPECT_EQ(three.limit(999), 32);
}

}  // namespace
}  // namespace mgqe
