// The store of runs: what a run is found by, what a file must be to be taken, who may make a run.
#include <fstream>
#include <set>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "experiments/cli/cli.hpp"
#include "experiments/grid/grid_points.hpp"
#include "experiments/grid/run_claims.hpp"
#include "experiments/grid/run_key.hpp"
#include "experiments/grid/run_store.hpp"
#include "host/base/check.hpp"
#include "host/base/numerics.hpp"
#include "tests/support/grid_testing.hpp"

namespace mgqe::testing {
namespace {

namespace fs = std::filesystem;

Config some_config() {
  Config config = default_config("gmf");
  config.data.name = "ml-1m";
  resolve(config);
  return config;
}

TEST(RunKey, StaysWhatItWas) {
  // A store is found by these: a change here orphans every stored run. If that is meant, raise
  // kNumericsVersion, and record the new keys.
  ASSERT_EQ(kNumericsVersion, 1);
  Config config = some_config();
  EXPECT_EQ(run_key(config), "fcc98fce6685ad51");
  EXPECT_EQ(run_name(config), "ml-1m-gmf-mgqe-seed1-" + run_key(config));
  config = default_config("sasrec");
  config.embedding.scheme = "full";
  config.run.seed = 7;
  resolve(config);
  EXPECT_EQ(run_key(config), "132370013f881178");
  EXPECT_EQ(former_run_name(config), "auto-sasrec-full-seed7-f5d525b3100b9c07");
}

TEST(RunKey, DefaultsAreWhatTheyWere) {
  // A field that has its default is no part of the key, so that fields may be added. Therefore a
  // default that changes must raise kNumericsVersion; then record it here.
  ASSERT_EQ(kNumericsVersion, 1);
  const auto recorded = nlohmann::json::parse(R"({
    "data": {"name": "auto", "synthetic_actions": 165, "synthetic_items": 3416,
      "synthetic_pair_items": 290000, "synthetic_pairs": 17000000, "synthetic_seed": 1,
      "synthetic_users": 6040},
    "embedding": {"bits": 4, "buckets": 1024, "centroids": [], "codebook_weight": 1.0,
      "commitment_weight": 0.0, "dim": 64, "distance_bn": "none", "faithful": "paper",
      "grouping": "tier", "init_stddev": 0.01, "kmeans_start": 0, "rank": 16, "scheme": "mgqe",
      "subspaces": [32], "tables": "both", "tiers": [], "variant": "shared_k"},
    "model": {"blocks": 2, "dropout": 0.2, "heads": 1, "max_length": 200, "mlp_dim": 0,
      "name": "gmf", "pretrain_epochs": 0, "task": "ranking"},
    "run": {"candidates": 100, "device": "auto", "evaluate_users": 0, "out": "", "seed": 1},
    "train": {"batch": 256, "beta1": 0.9, "beta2": 0.999, "epochs": 20, "epsilon": 1e-08,
      "evaluate_every": 1, "l2": 0.0, "lr": 0.001, "negatives": 4, "optimizer": "sparse_adam",
      "patience": 0, "table_lr": 0.0}})");
  const nlohmann::json now = to_json(Config{});
  for (const auto& [section, fields] : recorded.items())
    for (const auto& [key, value] : fields.items())
      EXPECT_EQ(now[section][key], value) << section << "." << key;
}

/// One that is known, where names are looked up.
std::string another_name(const std::string& field, const std::string& name) {
  if (field == "model.name") return name == "gmf" ? "neumf" : "gmf";
  if (field == "embedding.scheme") return name == "full" ? "hashed" : "full";
  return name + "x";
}

/// Fields, as "section.key", whose change gives a run of this config another key.
std::set<std::string> fields_of_key(Config config) {
  const std::string before = run_key(config);
  std::set<std::string> fields;
  visit_fields(config, [&](const std::string& section, const std::string& key, const char*,
                           auto& value, const char*) {
    using Value = std::decay_t<decltype(value)>;
    const Value kept = value;
    if constexpr (std::is_same_v<Value, std::string>)
      value = another_name(section + "." + key, value);
    else if constexpr (Choice<Value>)
      value = value == Value{} ? static_cast<Value>(1) : Value{};
    else if constexpr (is_list<Value>)
      value.push_back(7);
    else
      value += 1;
    if (run_key(config) != before) fields.insert(section + "." + key);
    value = kept;
  });
  EXPECT_EQ(run_key(config), before);
  return fields;
}

/// The fields of a run that its data, scheme, backbone and task read.
TEST(RunKey, ChangesWithEveryFieldThatTheRunReads) {
  const std::set<std::string> always = {"data.name",
                                        "model.name",
                                        "model.task",
                                        "model.dense_type",
                                        "embedding.scheme",
                                        "embedding.dim",
                                        "embedding.init_stddev",
                                        "train.epochs",
                                        "train.batch",
                                        "train.negatives",
                                        "train.optimizer",
                                        "train.row_type",
                                        "train.gradient_type",
                                        "train.lr",
                                        "train.table_lr",
                                        "train.beta1",
                                        "train.beta2",
                                        "train.epsilon",
                                        "train.l2",
                                        "train.lr_decay",
                                        "train.lr_patience",
                                        "train.warm_start",
                                        "train.patience",
                                        "train.evaluate_every",
                                        "run.seed",
                                        "run.candidates",
                                        "run.evaluate_users",
                                        "run.shard"};
  const auto expect = [&](const char* backbone, const char* scheme,
                          const std::set<std::string>& besides, const auto& change) {
    Config config = default_config(backbone);
    config.data.name = "ml-1m";
    config.embedding.scheme = scheme;
    resolve(config);
    change(config);
    std::set<std::string> fields = always;
    fields.insert(besides.begin(), besides.end());
    if (config.model.task == TaskKind::kRelevance)
      for (const char* unread : {"train.negatives", "run.candidates", "run.evaluate_users"})
        fields.erase(unread);
    EXPECT_EQ(fields_of_key(config), fields) << backbone << " " << scheme;
  };
  const auto as_it_is = [](Config&) {};
  expect("gmf", "full", {}, as_it_is);
  expect("neumf", "low_rank",
         {"embedding.rank", "embedding.tables", "model.mlp_dim", "model.pretrain_epochs"},
         as_it_is);
  expect("gmf", "scalar_quantized", {"embedding.bits", "embedding.tables"}, as_it_is);
  expect("gmf", "hashed", {"embedding.buckets", "embedding.tables"}, as_it_is);
  expect("gmf", "mixed_dim", {"embedding.widths", "embedding.tiers", "embedding.tables"}, as_it_is);
  std::set<std::string> quantized = {
      "embedding.tables",       "embedding.subspaces",   "embedding.centroids",
      "embedding.faithful",     "embedding.grouping",    "embedding.codebook_weight",
      "embedding.kmeans_start", "embedding.distance_bn", "embedding.commitment_weight",
      "embedding.codebook_type"};
  expect("gmf", "dpq_vq", quantized, as_it_is);
  quantized.insert("embedding.softmax_temperature");
  expect("gmf", "dpq_sx", quantized, as_it_is);
  quantized.erase("embedding.softmax_temperature");
  quantized.insert({"embedding.variant", "embedding.tiers"});
  for (const char* side : {"user", "item"})
    for (const char* size : {"subspaces", "centroids", "tiers"})
      quantized.insert(fmt::format("embedding.{}_{}", side, size));
  quantized.insert("embedding.budget");
  expect("gmf", "mgqe", quantized, as_it_is);
  expect("sasrec", "full", {"model.blocks", "model.heads", "model.max_length", "model.dropout"},
         as_it_is);
  expect("gmf", "full",
         {"data.synthetic_users", "data.synthetic_items", "data.synthetic_actions",
          "data.synthetic_seed"},
         [](Config& config) { config.data.name = "synthetic"; });
  expect("gmf", "full",
         {"data.synthetic_pair_items", "data.synthetic_pairs", "data.synthetic_seed"},
         [](Config& config) {
           config.data.name = "relevance-synthetic";
           config.model.task = TaskKind::kRelevance;
         });
}

TEST(RunFlags, MakeTheConfigAgain) {
  GridChoice choice;
  choice.tasks = grid_tasks();
  std::vector<GridPoint> points = figure2_points(choice);
  for (const GridPoint& point : ablation_points(choice, ablation_names())) points.push_back(point);
  ASSERT_GT(points.size(), 150u);
  GridChoice schemes;
  schemes.tasks = scheme_tasks();
  for (const GridPoint& point : scheme_points(schemes)) points.push_back(point);
  for (const GridPoint& point : points)
    for (Config config : point.candidates) {
      config.run.seed = 12345678901234567890u;
      std::vector<std::string> flags = run_flags(config);
      CLI::App app;
      const ConfigOptions options(app, ConfigBase::kDefaults,
                                  [](const auto&, const auto&) { return true; });
      std::reverse(flags.begin(), flags.end());  // as CLI11 wants it
      app.parse(flags);
      EXPECT_EQ(to_json(canonical(options.config())), to_json(canonical(config))) << point.name();
    }
}

class Store : public ScratchFolder {};

TEST_F(Store, GivesBackWhatWasPut) {
  const RunStore store(folder_ / "runs");
  Config config = some_config();
  EXPECT_FALSE(store.find(config));
  const RunRecord record = make_record(made_up_result(config, {0.65, 0.08}), config);
  store.put(config, record, store.make_work_folder(config));
  ASSERT_TRUE(store.find(config));
  EXPECT_EQ(*store.find(config), record);
  EXPECT_EQ(record.at("test").at("full").at("hr@10"), 0.08);
  const std::string command = record.at("command");
  EXPECT_TRUE(command.starts_with("build/release/mgqe train --data ml-1m --model gmf")) << command;
  config.run.device = "cuda:1";
  config.run.out = "elsewhere";
  EXPECT_TRUE(store.find(config)) << "where it ran is no part of it";
  config.run.seed = 2;
  EXPECT_FALSE(store.find(config));
}

/// Files of before keys left out what a run does not read.
TEST_F(Store, FindsFilesByTheirFormerName) {
  const RunStore store(folder_);
  Config config = some_config();
  config.embedding.scheme = "full";
  config.embedding.subspaces = {16};  // which it does not read
  RunRecord record = make_record(made_up_result(config, {}), config);
  record["config"] = to_json(config);
  ASSERT_NE(former_run_name(config), run_name(config));
  std::ofstream(folder_ / (former_run_name(config) + ".json")) << record.dump();
  EXPECT_TRUE(store.holds(config));
  ASSERT_TRUE(store.find(config));
  EXPECT_EQ(collect(folder_), 1u);
  EXPECT_TRUE(store.holds(config));
  config.embedding.subspaces = {8};
  EXPECT_TRUE(store.find(config)) << "the same run, whatever it does not read";
  config.embedding.dim = 32;
  EXPECT_FALSE(store.find(config));
}

/// The same config on other data is another run, wherever it lies.
TEST_F(Store, KeepsRunsOnOtherDataApart) {
  const RunStore store(folder_);
  const Config config = some_config();
  const auto put = [&](const std::string& data, double full) {
    RunRecord record = make_record(made_up_result(config, {0.65, full}), config);
    record["data"]["fingerprint"] = data;
    store.put(config, record, store.make_work_folder(config));
  };
  const auto full_of = [&](const std::string& data) {
    return store.find(config, data)->at("test").at("full").at("hr@10").get<double>();
  };
  put("aa", 0.08);
  EXPECT_TRUE(store.holds(config));
  EXPECT_TRUE(store.holds(config, "aa"));
  EXPECT_FALSE(store.holds(config, "bb"));
  put("bb", 0.09);
  EXPECT_EQ(full_of("aa"), 0.08);
  EXPECT_EQ(full_of("bb"), 0.09);
  size_t others = 0;
  EXPECT_EQ(store.all(&others).size(), 2u);
  EXPECT_EQ(collect(folder_), 2u);
  EXPECT_EQ(full_of("aa"), 0.08);
  EXPECT_EQ(full_of("bb"), 0.09);
  EXPECT_FALSE(store.holds(config, "cc"));
  EXPECT_EQ(store.all(&others).size(), 2u);
  // A file of before names had the data in them.
  RunRecord record = make_record(made_up_result(config, {0.65, 0.07}), config);
  record["data"]["fingerprint"] = "cc";
  std::ofstream(folder_ / (run_name(config) + ".json")) << record.dump();
  EXPECT_EQ(full_of("cc"), 0.07);
  EXPECT_EQ(full_of("aa"), 0.08);
}

TEST_F(Store, KeepsTheUseOfCodebooksAndTheHitsOfUsers) {
  const Config config = some_config();
  RunRecord result = made_up_result(config, {0.65, 0.08});
  EXPECT_FALSE(make_record(result, config).contains("quantizer"));
  result["quantizer"]["item"] = {{{"rows", 10}, {"perplexity", 2.123456789}}};
  result["user_hits"] = {{"users", 4}, {"hits", "9"}, {"partial", {{2, 0.25}}}};
  const RunRecord record = make_record(result, config);
  EXPECT_EQ(record["quantizer"]["item"][0]["perplexity"], 2.12346);
  EXPECT_EQ(record["user_hits"], result["user_hits"]);
  result["quantizer"] = RunRecord::object();
  EXPECT_FALSE(make_record(result, config).contains("quantizer")) << "a table without codes";
}

TEST(DataFingerprint, IsThatOfTheDataNotOfTheModel) {
  Config config = default_config("gmf");
  config.data.name = "synthetic";
  config.data.synthetic_users = 80;
  config.data.synthetic_items = 60;
  config.data.synthetic_actions = 8;
  resolve(config);
  const std::string data = data_fingerprint(config), key = data_key(config);
  EXPECT_EQ(data.size(), 16u);
  config.embedding.dim = 8;
  config.run.seed = 5;
  EXPECT_EQ(data_fingerprint(config), data);
  EXPECT_EQ(data_key(config), key);
  config.data.synthetic_seed = 2;
  EXPECT_NE(data_fingerprint(config), data);
  EXPECT_NE(data_key(config), key);
}

TEST_F(Store, CollectsRunsIntoAFileADataSetAndBackbone) {
  const RunStore store(folder_);
  std::vector<std::pair<Config, RunRecord>> runs;
  const auto put = [&](const char* backbone, const char* scheme, uint64_t seed) {
    Config config = default_config(backbone);
    config.data.name = "ml-1m";
    config.embedding.scheme = scheme;
    config.run.seed = seed;
    resolve(config);
    const auto record =
        make_record(made_up_result(config, {0.6 + 0.01 * static_cast<double>(seed), 0.08}), config);
    store.put(config, record, store.make_work_folder(config));
    runs.emplace_back(config, record);
  };
  const auto lines = [&](const char* file) {
    std::ifstream stream(folder_ / file);
    std::vector<std::string> read;
    for (std::string line; std::getline(stream, line);) read.push_back(line);
    return read;
  };
  put("gmf", "full", 2);
  put("gmf", "full", 1);
  put("sasrec", "mgqe", 1);
  EXPECT_EQ(collect(folder_), 3u);
  EXPECT_EQ(lines("ml-1m-gmf.jsonl").size(), 2u);
  EXPECT_EQ(lines("ml-1m-sasrec.jsonl").size(), 1u);
  EXPECT_EQ(collect(folder_), 0u);
  put("gmf", "mgqe", 1);  // one more, and one that is there already
  store.put(runs[0].first, runs[0].second, store.make_work_folder(runs[0].first));
  EXPECT_EQ(collect(folder_), 2u);
  EXPECT_EQ(lines("ml-1m-gmf.jsonl").size(), 3u);
  for (const auto& [config, record] : runs) {
    ASSERT_TRUE(store.find(config)) << "by a store that was made before they were collected";
    EXPECT_EQ(*store.find(config), record);
    EXPECT_FALSE(fs::exists(store.path_of(config, "00")));
  }
  size_t others = 0;
  EXPECT_EQ(store.all(&others).size(), 4u);
}

TEST_F(Store, CollectingRefusesOtherFiguresOfTheSameRun) {
  const RunStore store(folder_);
  const Config config = some_config();
  const auto put = [&](double full) {
    store.put(config, make_record(made_up_result(config, {0.65, full}), config),
              store.make_work_folder(config));
  };
  put(0.08);
  collect(folder_);
  put(0.09);
  try {
    collect(folder_);
    ADD_FAILURE() << "two runs of one name";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what())
                  .find("other figures than the run of the same name in ml-1m-gmf.jsonl"),
              std::string::npos)
        << error.what();
  }
  fs::remove(store.path_of(config, "00"));
  EXPECT_EQ(store.find(config)->at("test").at("full").at("hr@10"), 0.08) << "nothing was changed";
  std::ofstream(folder_ / "ml-1m-gmf.jsonl", std::ios::app) << "{\"test\": 1}\n";
  EXPECT_THROW(store.find(config), InputError);
}

TEST_F(Store, RefusesTwoCopiesOfARunThatDiffer) {
  const RunStore store(folder_);
  const Config config = some_config();
  const auto record = [&](double full) {
    return make_record(made_up_result(config, {0.65, full}), config);
  };
  const auto expect_refused = [&](const std::string& what) {
    try {
      size_t others = 0;
      RunStore(folder_).all(&others);
      ADD_FAILURE() << what;
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find(what), std::string::npos) << error.what();
    }
  };
  const auto write = [&](const char* name, const RunRecord& run) {
    std::ofstream(folder_ / name) << line_of(run);
  };
  write("a.jsonl", record(0.08));
  write("b.jsonl", record(0.08));  // the same, as where two stores were joined
  size_t others = 0;
  EXPECT_EQ(RunStore(folder_).all(&others).size(), 1u);
  write("b.jsonl", record(0.09));
  expect_refused("b.jsonl:1: the same run as " + (folder_ / "a.jsonl").string() + ":1");
  fs::remove(folder_ / "b.jsonl");
  store.put(config, record(0.09), store.make_work_folder(config));
  expect_refused("other figures than the same run in a .jsonl file");
}

TEST_F(Store, TwoCopiesDifferByAnyFigure) {
  const Config config = some_config();
  const RunRecord record = make_record(made_up_result(config, {0.65, 0.08}), config);
  const auto changed = [&](const char* pointer, const RunRecord& value) {
    RunRecord other = record;
    other[RunRecord::json_pointer(pointer)] = value;
    return other;
  };
  for (const RunRecord& other :
       {changed("/valid/full/hr@10", 0.09), changed("/test/sampled/ndcg@10", 0.09),
        changed("/train_loss/0", 0.7), changed("/best_epoch", 4), changed("/epochs", 5)}) {
    EXPECT_FALSE(same_figures(record, other)) << other;
    std::ofstream(folder_ / "a.jsonl") << line_of(record) << line_of(other);
    EXPECT_THROW(CollectedRuns(folder_).all(), InputError) << other;
  }
  const RunRecord slower = changed("/seconds/train", 99.0);
  EXPECT_TRUE(same_figures(record, slower));
  std::ofstream(folder_ / "a.jsonl") << line_of(record) << line_of(slower);
  EXPECT_EQ(CollectedRuns(folder_).all().size(), 1u);
}

TEST_F(Store, ReadsAFileAnewInWhichARunWasReplaced) {
  const Config config = some_config();
  const auto write = [&](double full) {
    std::ofstream(folder_ / "a.jsonl")
        << line_of(make_record(made_up_result(config, {0.65, full}), config));
  };
  write(0.08);
  const RunStore store(folder_);
  ASSERT_TRUE(store.find(config));
  write(0.0901);
  EXPECT_EQ(store.find(config)->at("test").at("full").at("hr@10"), 0.0901);
}

/// The store of this project: every line is of this numerics version, stands once, and is found by
/// the configuration it says.
TEST(ProjectStore, IsWhole) {
  const fs::path folder = MGQE_SOURCE_DIR "/experiments/results/runs";
  const CollectedRuns collected(folder);
  ASSERT_GE(collected.all().size(), 655u);
  const RunStore store(folder);
  size_t lines = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".jsonl") continue;
    std::ifstream stream(entry.path());
    for (std::string line; std::getline(stream, line);) ++lines;
  }
  EXPECT_EQ(lines, collected.all().size());
  for (const auto& [name, record] : collected.all()) {
    EXPECT_EQ(record.at("numerics_version"), kNumericsVersion) << name;
    EXPECT_TRUE(store.holds(recorded_config(record))) << name;
  }
}

TEST_F(Store, RefusesWhatIsNotTheRun) {
  const RunStore store(folder_);
  const Config config = some_config();
  const auto refusal = [&](const std::string& text) -> std::string {
    std::ofstream(store.path_of(config, "00")) << text;
    try {
      store.find(config);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  };
  RunRecord record = make_record(made_up_result(config, {0.65, 0.08}), config);
  EXPECT_EQ(refusal(record.dump()), "");
  EXPECT_NE(refusal("{\"config\": ").find("is not a stored run; remove the file"),
            std::string::npos);
  record["numerics_version"] = kNumericsVersion + 1;
  EXPECT_NE(refusal(record.dump()).find("another numerics version"), std::string::npos);
  record["numerics_version"] = kNumericsVersion;
  record["config"]["train"]["lr"] = 0.5;
  EXPECT_NE(refusal(record.dump()).find("another config"), std::string::npos);
}

TEST_F(Store, RecordsOnlyWhatWasAskedFor) {
  const Config config = some_config();
  RunRecord result = made_up_result(config, {0.65, 0.08});
  result["numerics_version"] = kNumericsVersion + 1;
  EXPECT_THROW(make_record(result, config), Error);
  result["numerics_version"] = kNumericsVersion;
  result["config"]["embedding"]["dim"] = 32;
  EXPECT_THROW(make_record(result, config), Error);
}

TEST_F(Store, SweepsTheWorkOfTheDead) {
  const RunStore store(folder_);
  const pid_t child = fork();
  if (child == 0) {
    store.make_work_folder(some_config());
    _exit(0);
  }
  waitpid(child, nullptr, 0);
  const fs::path mine = store.make_work_folder(some_config());
  const auto folders = [&] {
    return std::distance(fs::directory_iterator(folder_ / ".work"), fs::directory_iterator());
  };
  EXPECT_EQ(folders(), 2);
  store.sweep();
  EXPECT_EQ(folders(), 1);
  EXPECT_TRUE(fs::exists(mine));
}

class Claims : public ScratchFolder {
 protected:
  /// In a process of its own: whether it could take the run. It then ends without releasing it.
  bool other_takes(const std::string& run) {
    const pid_t child = fork();
    if (child == 0) {
      auto* claims = new RunClaims(folder_);  // never destroyed
      _exit(claims->take(run) ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status) == 0;
  }
  void write_claim(const std::string& holder, double seconds_ago) {
    const fs::path path = folder_ / "a.claim";
    std::ofstream(path) << holder;
    timespec times[2];
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= static_cast<time_t>(seconds_ago);
    times[1] = times[0];
    utimensat(AT_FDCWD, path.c_str(), times, 0);
  }
};

TEST_F(Claims, OneHolderAtATime) {
  RunClaims claims(folder_);
  EXPECT_TRUE(claims.take("a"));
  EXPECT_TRUE(claims.take("a")) << "what one holds one may take";
  EXPECT_FALSE(other_takes("a"));
  EXPECT_TRUE(other_takes("b"));
  claims.release("a");
  EXPECT_TRUE(other_takes("a"));
}

TEST_F(Claims, ThoseOfTheDeadAreTakenOver) {
  EXPECT_TRUE(other_takes("a"));
  EXPECT_TRUE(fs::exists(folder_ / "a.claim"));
  RunClaims claims(folder_);
  EXPECT_TRUE(claims.take("a"));
}

TEST_F(Claims, ThoseOfOneThatNobodyWaitsForAreTakenOver) {
  const pid_t child = fork();
  if (child == 0) {
    auto* claims = new RunClaims(folder_);  // never destroyed
    _exit(claims->take("a") ? 0 : 1);
  }
  siginfo_t ended{};
  waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT);  // it stays a zombie
  ASSERT_EQ(ended.si_status, 0);
  EXPECT_TRUE(RunClaims(folder_).take("a"));
  waitpid(child, nullptr, 0);
}

TEST_F(Claims, ThoseOfASilentMachineAreTakenOver) {
  RunClaims claims(folder_);
  write_claim("far-away/1/2 1234\n", RunClaims::kStaleSeconds - 60);
  EXPECT_FALSE(claims.take("a")) << "it has beaten lately";
  write_claim("far-away/1/2 1234\n", RunClaims::kStaleSeconds + 60);
  EXPECT_TRUE(claims.take("a"));
  write_claim("", 0);  // its holder has made the file and not written yet
  EXPECT_FALSE(RunClaims(folder_).take("a"));
}

TEST_F(Claims, BeatingKeepsThem) {
  RunClaims claims(folder_);
  ASSERT_TRUE(claims.take("a"));
  const ProcessName self = this_process();
  write_claim(self.machine + "-other 1\n", RunClaims::kStaleSeconds + 60);
  claims.beat();
  EXPECT_FALSE(other_takes("a")) << "as it looks from another machine";
}

TEST_F(Claims, EndWithTheirHolder) {
  { EXPECT_TRUE(RunClaims(folder_).take("a")); }
  EXPECT_FALSE(fs::exists(folder_ / "a.claim"));
}

}  // namespace
}  // namespace mgqe::testing
