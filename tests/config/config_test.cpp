#include "host/config/config.hpp"

#include <cmath>
#include <functional>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "host/base/check.hpp"
#include "models/backbones/model.hpp"
#include "models/embeddings/embedding.hpp"
#include "tests/support/config_testing.hpp"
#include "tests/support/io_testing.hpp"

namespace mgqe {
namespace {

TEST(Config, DefaultsAreValid) {
  for (const char* backbone : {"gmf", "neumf", "sasrec"})
    EXPECT_EQ(refusal([](Config&) {}, backbone), "") << backbone;
  for (const char* backbone : {"gmf", "neumf"})
    EXPECT_EQ(refusal([](Config&) {}, backbone, TaskKind::kRelevance), "") << backbone;
  EXPECT_EQ(backbone_names(), "gmf, neumf, sasrec, dcn or dlrm");
}

TEST(Config, DefaultsFollowTheBackbone) {
  const Config neumf = default_config("neumf");
  Config like_gmf = neumf;
  like_gmf.model.name = "gmf";
  EXPECT_EQ(to_json(like_gmf), to_json(default_config("gmf")));
  EXPECT_EQ(to_json(default_config("gmf")), to_json(Config{}));
  EXPECT_EQ(neumf.train.epochs, 20);
  EXPECT_EQ(neumf.train.batch, 256);
  EXPECT_EQ(neumf.train.negatives, 4);
  EXPECT_EQ(neumf.train.lr, 1e-3);
  EXPECT_EQ(neumf.train.beta2, 0.999);
  EXPECT_EQ(neumf.train.evaluate_every, 1);
  EXPECT_EQ(neumf.train.patience, 0);
  EXPECT_EQ(neumf.embedding.init_stddev, 0.01);

  const Config sasrec = default_config("sasrec");
  EXPECT_EQ(sasrec.model.name, "sasrec");
  EXPECT_EQ(sasrec.model.blocks, 2);
  EXPECT_EQ(sasrec.model.heads, 1);
  EXPECT_EQ(sasrec.model.max_length, 200);
  EXPECT_EQ(sasrec.model.dropout, 0.2);
  EXPECT_EQ(sasrec.train.epochs, 200);
  EXPECT_EQ(sasrec.train.batch, 128);
  EXPECT_EQ(sasrec.train.negatives, 1);
  EXPECT_EQ(sasrec.train.beta2, 0.98);
  EXPECT_EQ(sasrec.train.evaluate_every, 5);

  const Config relevance = default_config("gmf", TaskKind::kRelevance);
  EXPECT_EQ(relevance.model.task, TaskKind::kRelevance);
  EXPECT_EQ(relevance.train.epochs, 100);
  EXPECT_EQ(relevance.train.patience, 5);
  EXPECT_EQ(relevance.embedding.distance_bn, DistanceBn::kNone);
  EXPECT_EQ(default_config("gmf", TaskKind::kRanking, Faithful::kDpqCode).embedding.distance_bn,
            DistanceBn::kTf);
}

TEST(Config, ResolveFillsWhatWasNotGivenByScheme) {
  struct Case {
    const char* scheme;
    Variant variant;
    std::vector<int> subspaces, centroids;
    std::vector<double> tiers;
    std::vector<int> resolved_centroids;
    std::vector<double> resolved_tiers;
  };
  const std::vector<Case> cases = {
      {"full", Variant::kSharedK, {32}, {}, {}, {256}, {}},
      {"low_rank", Variant::kSharedK, {32}, {}, {}, {256}, {}},
      {"scalar_quantized", Variant::kSharedK, {32}, {}, {}, {256}, {}},
      {"hashed", Variant::kSharedK, {32}, {}, {}, {256}, {}},
      {"dpq_vq", Variant::kSharedK, {32}, {}, {}, {256}, {}},
      {"dpq_vq", Variant::kSharedK, {32}, {16}, {}, {16}, {}},
      {"dpq_sx", Variant::kSharedK, {32}, {}, {}, {256}, {}},
      {"mgqe", Variant::kSharedK, {32}, {}, {}, {256, 64}, {0.1}},
      {"mgqe", Variant::kSharedK, {32}, {}, {0.2}, {256, 64}, {0.2}},
      {"mgqe", Variant::kSharedK, {32}, {99, 7}, {}, {99, 7}, {0.1}},
      {"mgqe", Variant::kSharedK, {32}, {99}, {}, {99}, {}},
      {"mgqe", Variant::kSharedK, {32}, {9, 8, 7}, {0.1, 0.4}, {9, 8, 7}, {0.1, 0.4}},
      {"mgqe", Variant::kPrivateK, {32}, {}, {}, {256, 64}, {0.1}},
      {"mgqe", Variant::kPrivateK, {32}, {9, 8, 7}, {0.1, 0.4}, {9, 8, 7}, {0.1, 0.4}},
      {"mgqe", Variant::kPrivateD, {32, 8}, {}, {}, {256}, {0.1}},
      {"mgqe", Variant::kPrivateD, {32, 16, 4}, {64}, {0.1, 0.4}, {64}, {0.1, 0.4}},
  };
  for (const Case& given : cases) {
    Config config;
    config.embedding.scheme = given.scheme;
    config.embedding.variant = given.variant;
    config.embedding.subspaces = given.subspaces;
    config.embedding.centroids = given.centroids;
    config.embedding.tiers = given.tiers;
    resolve(config);
    const std::string name = std::string(given.scheme) + " " + name_of(given.variant);
    EXPECT_EQ(config.embedding.centroids, given.resolved_centroids) << name;
    EXPECT_EQ(config.embedding.tiers, given.resolved_tiers) << name;
    EXPECT_EQ(config.embedding.subspaces, given.subspaces) << name;
    EXPECT_NO_THROW(validate(config)) << name;
    const auto once = to_json(config);
    resolve(config);
    EXPECT_EQ(to_json(config), once) << name << ": what is resolved stays as it is";
  }
}

TEST(Config, SidesHaveSizesOfTheirOwn) {
  Config config;
  config.embedding.item.centroids = {256};
  config.embedding.user.centroids = {128, 64, 16};
  config.embedding.user.tiers = {0.05, 0.5};
  config.embedding.user.subspaces = {16};
  resolve(config);
  EXPECT_NO_THROW(validate(config));
  const EmbeddingConfig users = side_config(config.embedding, Entity::kUser);
  EXPECT_EQ(users.centroids, (std::vector<int>{128, 64, 16}));
  EXPECT_EQ(users.tiers, (std::vector<double>{0.05, 0.5}));
  EXPECT_EQ(users.subspaces, std::vector<int>{16});
  const EmbeddingConfig items = side_config(config.embedding, Entity::kItem);
  EXPECT_EQ(items.centroids, std::vector<int>{256});
  EXPECT_TRUE(items.tiers.empty()) << "one codebook size: no tiers";
  EXPECT_EQ(items.subspaces, std::vector<int>{32});
  EXPECT_EQ(scheme_label(config.embedding),
            "mgqe d=64 D=32 K=256/64, users D=16 K=128/64/16, items D=32 K=256");
  config.embedding.item = {};
  config.embedding.tables = SchemeTables::kUsers;
  EXPECT_EQ(side_config(config.embedding, Entity::kItem).scheme, "full");
  EXPECT_EQ(side_config(config.embedding, Entity::kUser).scheme, "mgqe");
}

TEST(Config, LabelsSayHowBagsAreRead) {
  Config config = default_config("dcn", TaskKind::kCtr);
  config.embedding.scheme = "full";
  resolve(config);
  EXPECT_EQ(scheme_label(config.embedding), "full d=16");
  config.embedding.bag_pooling = BagPooling::kSum;
  config.embedding.bag_length = 7;
  EXPECT_EQ(scheme_label(config.embedding), "full d=16 sums of bags at most 7 a bag");
}

TEST(Config, SizesOfASideAreCheckedAsThoseOfAll) {
  EXPECT_CONTAINS(refusal([](Config& c) {
                    c.embedding.user.centroids = {256, 64, 16};
                  }),
                  "tables of users: --user-tiers has 1 cuts and --user-centroids 3 values");
  EXPECT_CONTAINS(refusal([](Config& c) {
                    c.embedding.item.centroids = {64, 256};
                  }),
                  "tables of items: --item-centroids rises from 64 to 256");
  EXPECT_CONTAINS(refusal([](Config& c) { c.embedding.item.subspaces = {5}; }),
                  "tables of items: --item-subspaces 5 does not divide");
  EXPECT_EQ(refusal([](Config& c) {
              c.embedding.dim = 16;
              c.embedding.user.subspaces = {2};
              c.embedding.item.subspaces = {4};
            }),
            "")
      << "no table has --subspaces 32";
  EXPECT_EQ(refusal([](Config& c) {
              c.embedding.centroids = {16};
              c.embedding.user.centroids = {16, 8};
            }),
            "")
      << "two sizes have the cut that they have elsewhere";
  EXPECT_CONTAINS(refusal([](Config& c) {
                    c.embedding.scheme = "full";
                    c.embedding.codebook_type = CodebookType::kF16;
                  }),
                  "--codebook-type f16 is for --embedding dpq_vq, dpq_sx or mgqe, not full");
  EXPECT_CONTAINS(refusal([](Config& c) {
                    c.embedding.scheme = "dpq_vq";
                    c.embedding.item.centroids = {64};
                  }),
                  "are for --embedding mgqe, not dpq_vq");
  EXPECT_CONTAINS(refusal([](Config& c) {
                    c.embedding.tables = SchemeTables::kUsers;
                    c.embedding.item.centroids = {64};
                  }),
                  "--tables users leaves those tables full");
  EXPECT_CONTAINS(refusal([](Config& c) { c.embedding.user.centroids = {64}; }, "sasrec"),
                  "--model sasrec has a table of items alone");
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

TEST(Config, JsonNumbersAreNeitherCutNorWrappedRound) {
  const auto message = [](const std::string& text) {
    Config config;
    try {
      update_from_json(config, nlohmann::json::parse(text), "c");
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string whole = ", expected a whole number that fits";
  EXPECT_EQ(message(R"({"embedding": {"dim": 8.9}})"),
            "c: embedding.dim has the wrong type: 8.9" + whole);
  EXPECT_EQ(message(R"({"train": {"epochs": 1.9}})"),
            "c: train.epochs has the wrong type: 1.9" + whole);
  EXPECT_EQ(message(R"({"train": {"epochs": 4294967297}})"),
            "c: train.epochs has the wrong type: 4294967297" + whole);
  EXPECT_EQ(message(R"({"embedding": {"centroids": [256, 64.5]}})"),
            "c: embedding.centroids has the wrong type: [256,64.5]" + whole);
  EXPECT_EQ(message(R"({"train": {"epochs": true}})"),
            "c: train.epochs has the wrong type: true" + whole);
  EXPECT_EQ(message(R"({"train": {"lr": "1e-3"}})"),
            "c: train.lr has the wrong type: \"1e-3\", expected a number");
  const std::string seed = ", expected a whole number of 0 to 18446744073709551615";
  EXPECT_EQ(message(R"({"run": {"seed": -1}})"), "c: run.seed has the wrong type: -1" + seed);
  EXPECT_EQ(message(R"({"run": {"seed": 18446744073709551616}})"),
            "c: run.seed has the wrong type: 1.8446744073709552e+19" + seed);
  EXPECT_EQ(message(R"({"run": {"seed": 18446744073709551615}, "train": {"lr": 1}})"), "");
  EXPECT_EQ(message(R"({"embedding": {"centroids": 64, "tiers": [0, 0.5]}})"), "");
}

TEST(Config, CountsThatWouldOverflowAreRefused) {
  Config config;
  config.train.negatives = 2147483647;
  resolve(config);
  EXPECT_THROW(validate(config), InputError);
  config.train.negatives = 1'000'000;
  validate(config);
  config.run.candidates = 2147483647;
  EXPECT_THROW(validate(config), InputError);
}

TEST(Config, ResultsOfOlderVersionsAreStillRead) {
  // The config that version 1 recorded: one number of subspaces, and none of the later fields.
  const auto old = nlohmann::json::parse(R"({
    "data": {"name": "ml-1m", "synthetic_users": 6040, "synthetic_seed": 1},
    "model": {"name": "gmf"},
    "embedding": {"scheme": "mgqe", "dim": 64, "subspaces": 16, "centroids": [256, 64],
                  "tiers": [0.1], "init_stddev": 0.01, "codebook_weight": 1.0},
    "train": {"epochs": 7, "batch": 256, "negatives": 4, "optimizer": "sparse_adam", "lr": 0.002},
    "run": {"seed": 3, "device": "cpu", "out": "runs/old", "candidates": 100}})");
  Config config;
  update_from_json(config, old, "result.json");
  resolve(config);
  EXPECT_NO_THROW(validate(config));
  EXPECT_NO_THROW(validate_backbone(config));
  EXPECT_EQ(config.embedding.subspaces, (std::vector<int>{16}));
  EXPECT_EQ(config.embedding.variant, Variant::kSharedK);
  EXPECT_EQ(config.embedding.centroids, (std::vector<int>{256, 64}));
  EXPECT_EQ(config.train.epochs, 7);
  EXPECT_EQ(config.train.lr, 0.002);
  EXPECT_EQ(config.train.patience, 0);
  EXPECT_EQ(config.train.evaluate_every, 1);
  EXPECT_EQ(config.model.task, TaskKind::kRanking);
  EXPECT_EQ(config.run.seed, 3u);

  EXPECT_THROW(update_from_json(config, {{"embedding", {{"subspaces", "16"}}}}, "x"), InputError);
}

TEST(Config, RefusalsNameTheFlagAndWhatIsAllowed) {
  expect_refused({
      {[](Config& c) { c.train.lr = -1; }, {"--lr -1", "greater than 0"}},
      {[](Config& c) { c.train.row_type = RowType::kBf16; },
       {"--row-type bf16", "--optimizer sparse_adam", "rowwise_adagrad or sgd"}},
      {[](Config& c) {
         c.train.row_type = RowType::kBf16;
         c.train.optimizer = Optimizer::kSgd;
         c.embedding.scheme = "hashed";
       },
       {"--row-type bf16", "--embedding hashed", "full, dpq_vq or mgqe"}},
      {[](Config& c) {
         c.train.row_type = RowType::kBf16;
         c.train.optimizer = Optimizer::kSgd;
         c.embedding.scheme = "dpq_vq";
         c.embedding.kmeans_start = 2;
       },
       {"--row-type bf16", "--kmeans-start"}},
      {[](Config& c) { c.train.table_lr = -1; }, {"--table-lr -1", "0 or more"}},
      {[](Config& c) { c.train.l2 = -1; }, {"--l2 -1", "0 or more"}},
      {[](Config& c) { c.train.l2 = NAN; }, {"--l2 nan", "0 or more"}},
      {[](Config& c) { c.train.lr_decay = 0; }, {"--lr-decay 0", "above 0, and 1 at most"}},
      {[](Config& c) { c.train.lr_decay = 1.5; }, {"--lr-decay 1.5", "above 0, and 1 at most"}},
      {[](Config& c) { c.train.lr_decay = NAN; }, {"--lr-decay nan", "above 0, and 1 at most"}},
      {[](Config& c) { c.train.lr_patience = 0; }, {"--lr-patience 0", "greater than 0"}},
      {[](Config& c) { c.train.patience = -1; }, {"--patience -1", "0 or more"}},
      {[](Config& c) { c.train.evaluate_every = 0; }, {"--evaluate-every 0", "greater than 0"}},
      {[](Config& c) { c.train.negatives = 0; }, {"--negatives 0", "1 to 1000000"}},
      {[](Config& c) { c.embedding.dim = 1025; }, {"--dim 1025", "1 to 1024"}},
      {[](Config& c) { c.embedding.scheme = "pq"; },
       {"--embedding pq",
        "full, low_rank, scalar_quantized, hashed, dpq_vq, dpq_sx, mgqe, lsq, multiplexed, "
        "quotient_remainder, memcom or mixed_dim"}},
  });
}

/// Where the name is read, from a flag or a file, with the flag that sets the field.
TEST(Config, UnknownNamesListTheKnownOnes) {
  struct Case {
    const char *section, *key, *name;
    std::vector<const char*> says;
  };
  const std::vector<Case> cases = {
      {"model", "task", "rating", {"--task rating", "ranking, relevance or ctr"}},
      {"embedding", "tables", "user", {"--tables user", "both, users or items"}},
      {"embedding",
       "variant",
       "private",
       {"--variant private", "shared_k, private_k or private_d"}},
      {"model", "dense_type", "i8", {"--dense-type i8", "f32, bf16 or int8"}},
      {"embedding", "codebook_scope", "table", {"--codebook table", "shared, field or group"}},
      {"embedding", "bag_pooling", "max", {"--bag-pooling max", "mean or sum"}},
      {"embedding", "codebook_type", "i8", {"--codebook-type i8", "f32 or f16"}},
      {"embedding", "distance_bn", "batch", {"--distance-bn batch", "none or tf"}},
      {"embedding", "grouping", "row", {"--grouping row", "tier or lookup"}},
      {"embedding", "faithful", "nips", {"--faithful nips", "paper or dpq-code"}},
      {"train", "optimizer", "lamb", {"--optimizer lamb", "adam, rowwise_adagrad or sgd"}},
      {"train", "row_type", "f16", {"--row-type f16", "f32 or bf16"}},
      {"train", "gradient_type", "int8", {"--gradient-type int8", "f32 or bf16"}},
      {"run", "shard", "columns", {"--shard columns", "auto, rows or none"}},
  };
  size_t choices = 0;
  const Config defaults;
  visit_fields(defaults, [&](auto, auto, auto, const auto& value, auto) {
    choices += Choice<std::decay_t<decltype(value)>> ? 1 : 0;
  });
  EXPECT_EQ(cases.size(), choices) << "a case for each such field";
  for (const Case& wrong : cases) {
    Config config;
    try {
      update_from_json(config, {{wrong.section, {{wrong.key, wrong.name}}}}, "run.json");
      ADD_FAILURE() << wrong.key << " takes " << wrong.name;
    } catch (const InputError& error) {
      for (const char* text : wrong.says) EXPECT_CONTAINS(std::string(error.what()), text);
    }
    const nlohmann::json number = {{wrong.section, {{wrong.key, 1}}}};
    EXPECT_THROW(update_from_json(config, number, "run.json"), InputError) << wrong.key;
  }
}

TEST(Config, RefusesWhatASchemeCannotDo) {
  const auto scheme = [](const char* name, const std::function<void(EmbeddingConfig&)>& change) {
    return [=](Config& config) {
      config.embedding.scheme = name;
      change(config.embedding);
    };
  };
  using E = EmbeddingConfig;
  expect_refused({
      {scheme("low_rank", [](E& e) { e.rank = 64; }), {"--rank 64", "1 to 63", "--dim 64"}},
      {scheme("low_rank", [](E& e) { e.rank = 65; }), {"--rank 65", "1 to 63"}},
      {scheme("low_rank", [](E& e) { e.rank = 0; }), {"--rank 0", "1 to 63"}},
      {scheme("scalar_quantized", [](E& e) { e.bits = 0; }), {"--bits 0", "1 to 16"}},
      {scheme("scalar_quantized", [](E& e) { e.bits = 17; }), {"--bits 17", "1 to 16"}},
      {scheme("hashed", [](E& e) { e.buckets = 0; }), {"--buckets 0", "1 to 2147483647"}},
      {scheme("memcom", [](E& e) { e.buckets = 0; }), {"--buckets 0", "1 to 2147483647"}},
      {scheme("lsq", [](E& e) { e.bits = 1; }), {"--bits 1", "2 to 16"}},
      {scheme("mixed_dim",
              [](E& e) {
                e.widths = {65, 8};
              }),
       {"--widths 65", "1 to 64", "--dim"}},
      {scheme("mixed_dim",
              [](E& e) {
                e.widths = {8, 0};
              }),
       {"--widths 0", "1 to 64"}},
      {scheme("mixed_dim",
              [](E& e) {
                e.widths = {8, 16};
              }),
       {"--widths rises from 8 to 16"}},
      {scheme("mixed_dim",
              [](E& e) {
                e.widths = {8, 4, 2};
              }),
       {"--tiers has 0 cuts and --widths 3 values"}},
      {scheme("mixed_dim",
              [](E& e) {
                e.widths = {8, 2};
                e.tiers = {0.1};
                e.centroids = {4, 2};
              }),
       {"--centroids has 2 values", "mixed_dim has no codebooks"}},
      {scheme("mixed_dim", [](E& e) { e.budget = "10%"; }), {"--budget is for --embedding mgqe"}},
      {scheme("dpq_vq", [](E& e) { e.tiers = {0.1}; }), {"--tiers", "--embedding mgqe", "dpq_vq"}},
      {scheme("dpq_sx", [](E& e) { e.tiers = {0.1}; }), {"--tiers", "--embedding mgqe", "dpq_sx"}},
      {scheme("dpq_vq",
              [](E& e) {
                e.centroids = {256, 64};
              }),
       {"--centroids has 2", "takes one"}},
      {scheme("dpq_vq",
              [](E& e) {
                e.subspaces = {8, 4};
              }),
       {"--subspaces has 2", "takes one"}},
      {scheme("dpq_sx", [](E& e) { e.commitment_weight = 1; }),
       {"--commitment-weight", "dpq_vq or mgqe"}},
      {scheme("dpq_sx", [](E& e) { e.softmax_temperature = 0; }),
       {"--softmax-temperature 0", "above 0"}},
      {scheme("dpq_sx", [](E& e) { e.softmax_temperature = NAN; }),
       {"--softmax-temperature nan", "above 0"}},
      {scheme("dpq_sx", [](E& e) { e.kmeans_start = 1; }), {"--kmeans-start", "dpq_vq or mgqe"}},
      {scheme("dpq_sx", [](E& e) { e.grouping = Grouping::kLookup; }),
       {"--grouping", "dpq_vq or mgqe"}},
      {scheme("full", [](E& e) { e.tables = SchemeTables::kUsers; }),
       {"--tables users", "another scheme"}},
      {scheme("full", [](E& e) { e.variant = Variant::kPrivateK; }),
       {"--variant private_k", "--embedding mgqe", "not full"}},
      {scheme("dpq_vq", [](E& e) { e.variant = Variant::kPrivateD; }),
       {"--variant private_d", "--embedding mgqe", "not dpq_vq"}},
  });
}

TEST(Config, RefusesTiersThatDoNotFit) {
  const auto mgqe = [](const std::function<void(EmbeddingConfig&)>& change) {
    return [=](Config& config) { change(config.embedding); };
  };
  using E = EmbeddingConfig;
  expect_refused({
      {mgqe([](E& e) { e.subspaces = {30}; }), {"--subspaces 30", "--dim 64", "divisor of 64"}},
      {mgqe([](E& e) { e.subspaces = {0}; }), {"--subspaces 0", "divisor of 64"}},
      {mgqe([](E& e) {
         e.centroids = {257, 64};
       }),
       {"--centroids 257", "1 to 256"}},
      {mgqe([](E& e) {
         e.centroids = {256, 0};
       }),
       {"--centroids 0", "1 to 256"}},
      {mgqe([](E& e) {
         e.centroids = {64, 256};
       }),
       {"--centroids", "largest first"}},
      {mgqe([](E& e) {
         e.centroids = {256, 64, 16};
         e.tiers = {0.5, 0.1};
       }),
       {"--tiers 0.5,0.1", "ascending"}},
      {mgqe([](E& e) {
         e.centroids = {256, 64, 16};
         e.tiers = {0.1, 0.1};
       }),
       {"--tiers 0.1,0.1", "cumulative fractions"}},
      {mgqe([](E& e) {
         e.centroids = std::vector<int>(static_cast<size_t>(kMaxTiers) + 1, 2);
         for (int t = 1; t <= kMaxTiers; ++t) e.tiers.push_back(t / (kMaxTiers + 1.0));
       }),
       {"--tiers makes 9 tiers", "at most 8"}},
      {mgqe([](E& e) { e.tiers = {1.5}; }), {"--tiers 1.5", "between 0 and 1"}},
      {mgqe([](E& e) {
         e.tiers = {0.1, 0.2};
       }),
       {"--tiers has 2 cuts", "one cut fewer"}},
      {mgqe([](E& e) {
         e.centroids = {256};
         e.tiers = {0.1};
       }),
       {"--tiers has 1 cuts", "one cut fewer"}},
      {mgqe([](E& e) {
         e.variant = Variant::kPrivateK;
         e.centroids = {256};
       }),
       {"--variant private_k", "needs tiers", "--tiers", "--centroids"}},
      {mgqe([](E& e) { e.variant = Variant::kPrivateD; }),
       {"--variant private_d", "needs tiers", "--tiers", "--subspaces"}},
      {mgqe([](E& e) {
         e.variant = Variant::kPrivateD;
         e.subspaces = {32, 5};
       }),
       {"--subspaces 5", "--dim 64", "divisor of 64"}},
      {mgqe([](E& e) {
         e.variant = Variant::kPrivateD;
         e.subspaces = {32, 8};
         e.centroids = {256, 64};
       }),
       {"--centroids has 2", "private_d", "takes one"}},
      {mgqe([](E& e) {
         e.subspaces = {32, 8};
       }),
       {"--subspaces has 2", "shared_k", "takes one"}},
      {mgqe([](E& e) {
         e.variant = Variant::kPrivateK;
         e.subspaces = {32, 8};
       }),
       {"--subspaces has 2", "private_k", "takes one"}},
      {mgqe([](E& e) { e.commitment_weight = -1; }), {"--commitment-weight -1", "0 or more"}},
  });
}

TEST(Config, RefusesWhatABackboneCannotDo) {
  expect_refused({
      {[](Config&) {}, {"--model ncf", "gmf, neumf, sasrec, dcn or dlrm"}, "ncf"},
      {[](Config& c) { c.model.name = "ncf"; }, {"--model ncf", "gmf, neumf, sasrec, dcn or dlrm"}},
      {[](Config&) {}, {"--task relevance", "gmf or neumf"}, "sasrec", TaskKind::kRelevance},
      {[](Config& c) { c.embedding.tables = SchemeTables::kItems; },
       {"--tables items", "--model sasrec", "items alone"},
       "sasrec"},
      {[](Config& c) { c.embedding.tables = SchemeTables::kUsers; },
       {"--tables users", "--task relevance", "items alone"},
       "gmf",
       TaskKind::kRelevance},
      {[](Config& c) { c.train.negatives = 4; }, {"--negatives 4", "sasrec", "takes 1"}, "sasrec"},
      {[](Config& c) { c.model.heads = 5; }, {"--heads 5", "--dim 64", "divisor of 64"}, "sasrec"},
      {[](Config& c) { c.model.heads = 0; }, {"--heads 0", "divisor of 64"}, "sasrec"},
      {[](Config& c) { c.model.blocks = 0; }, {"--blocks 0", "greater than 0"}, "sasrec"},
      {[](Config& c) { c.model.dropout = 1; }, {"--dropout 1", "[0, 1)"}, "sasrec"},
      {[](Config& c) { c.model.dropout = -0.1; }, {"--dropout -0.1", "[0, 1)"}, "sasrec"},
      {[](Config& c) { c.model.max_length = 0; }, {"--max-length 0", "1 to 4096"}, "sasrec"},
      {[](Config& c) { c.model.max_length = 4097; }, {"--max-length 4097", "1 to 4096"}, "sasrec"},
      {[](Config& c) { c.model.mlp_dim = 64; }, {"--mlp-dim", "neumf", "not gmf"}},
      {[](Config& c) { c.model.mlp_dim = -1; }, {"--mlp-dim -1", "1 to 1024"}, "neumf"},
      {[](Config& c) { c.model.mlp_dim = 1025; }, {"--mlp-dim 1025", "1 to 1024"}, "neumf"},
      {[](Config& c) { c.model.mlp_dim = 48; },
       {"--subspaces 32", "--mlp-dim 48", "divisor of 48"},
       "neumf"},
      {[](Config& c) {
         c.embedding.scheme = "low_rank";
         c.model.mlp_dim = 16;
       },
       {"--rank 16", "below --mlp-dim 16"},
       "neumf"},
      {[](Config& c) { c.model.pretrain_epochs = 3; }, {"--pretrain-epochs", "neumf", "not gmf"}},
      {[](Config& c) { c.model.pretrain_epochs = 3; },
       {"--pretrain-epochs", "--task ranking", "not relevance"},
       "neumf",
       TaskKind::kRelevance},
      {[](Config& c) { c.model.pretrain_epochs = 20; },
       {"--pretrain-epochs 20", "below --epochs 20"},
       "neumf"},
      {[](Config& c) { c.model.pretrain_epochs = -1; },
       {"--pretrain-epochs -1", "0 or more"},
       "neumf"},
  });
  EXPECT_EQ(refusal([](Config& c) { c.model.pretrain_epochs = 19; }, "neumf"), "");
  EXPECT_EQ(refusal([](Config& c) { c.model.mlp_dim = 128; }, "neumf"), "");
  EXPECT_EQ(refusal([](Config& c) { c.model.heads = 4; }, "sasrec"), "");
}

TEST(Tiers, EndAtTheCeilingOfTheFraction) {
  EmbeddingConfig config;
  config.centroids = {256, 64};
  config.tiers = {0.1};
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
