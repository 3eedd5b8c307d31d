// A run that was stopped and goes on ends as one that was never stopped: to the bit, wherever it
// was stopped, times aside.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <sstream>

#include "host/train/trainer.hpp"
#include "tests/support/io_testing.hpp"
#include "tests/support/run_testing.hpp"
#include "tests/support/scale.hpp"
#include "tests/support/step_testing.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

// ---- the loop, on every back end ----------------------------------------------------------------

class ResumedLoop : public OnEveryBackend {
 protected:
  /// So many steps more, over the ends of epochs.
  static void train(TrainingLoop& loop, int64_t steps) {
    for (int64_t left = steps; left > 0;) {
      if (loop.epoch() == 0 || loop.epoch_steps() == loop.steps_per_epoch())
        loop.begin_epoch(loop.epoch() + 1);
      left -= loop.advance(std::min(left, loop.steps_per_epoch() - loop.epoch_steps()));
    }
  }
  static void expect_same(TrainingLoop& a, TrainingLoop& b, const std::string& name) {
    const ArrayMap first = a.checkpoint_arrays(), second = b.checkpoint_arrays();
    for (const auto& [array, values] : first)
      EXPECT_EQ(values.bytes, second.at(array).bytes) << name << ", " << array;
    EXPECT_EQ(a.mean_loss(), b.mean_loss()) << name;
    EXPECT_EQ(a.steps(), b.steps()) << name;
  }
};

TEST_P(ResumedLoop, GoesOnToTheBitFromAnyStep) {
  size_t kind = 0;
  for (auto& [name, config] : many_kinds_of_runs("")) {
    config.train.epochs = 4;
    if (config.model.pretrain_epochs > 0) config.model.pretrain_epochs = 2;
    const auto task = make_task(backend(), config);
    const int64_t epoch = TrainingLoop(backend(), *task, config).steps_per_epoch();
    // In the first epoch, at its end, after the first step of the second, at the end of it, which
    // is the last of NeuMF's pre-training, and in the epoch after it.
    std::vector<int64_t> stops = {epoch / 2, epoch, epoch + 1, 2 * epoch, 2 * epoch + 1};
    // Where steps are dear, each kind of run at one of them.
    std::rotate(stops.begin(), stops.begin() + kind++ % stops.size(), stops.end());
    stops.resize(static_cast<size_t>(scaled(static_cast<int64_t>(stops.size()), 1)));
    for (const int64_t steps : stops) {
      TrainingLoop whole(backend(), *task, config), resumed(backend(), *task, config);
      train(whole, steps);
      resumed.restore(whole.position(), whole.checkpoint_arrays());
      expect_same(whole, resumed, name);
      train(whole, epoch / 2 + 1);
      train(resumed, epoch / 2 + 1);
      expect_same(whole, resumed, name);
    }
  }
}

TEST_P(ResumedLoop, RefusesTheArraysOfAnotherModel) {
  Config config = small_config("full", "");
  const auto task = make_task(backend(), config);
  TrainingLoop loop(backend(), *task, config);
  train(loop, 3);
  const auto position = loop.position();
  const ArrayMap arrays = loop.checkpoint_arrays();
  const auto refused = [&](const auto& change) {
    ArrayMap changed = arrays;
    change(changed);
    TrainingLoop other(backend(), *task, config);
    return refusal([&] { other.restore(position, changed); });
  };
  EXPECT_CONTAINS(refused([](ArrayMap& a) { a.erase("gmf.weights"); }), "no array gmf.weights");
  EXPECT_CONTAINS(refused([](ArrayMap& a) { a["more"] = a["gmf.weights"]; }),
                  "has 10 arrays, of which this one has 9");
  EXPECT_CONTAINS(refused([](ArrayMap& a) {
                    a["gmf.weights"].shape = {1, 17};
                  }),
                  "gmf.weights of its model is not of the shape (17, 1)");
}

MGQE_ON_EVERY_BACKEND(ResumedLoop);

TEST(RunStateTest, IsReadAsItWasWritten) {
  RunState state;
  state.position = {3, 17, 2176, {0.1 + 0.2, 0.7}, 439};
  state.train_loss = {0.5, std::numeric_limits<double>::quiet_NaN(), 1e-300};
  state.without_better = 2;
  state.rate_factor = 0.01;
  state.collapsed = {"item, tier 1", "user, tier 0"};
  state.train_seconds = 1.25;
  state.evaluate_seconds = 0.1;
  EXPECT_EQ(to_json(run_state_of(to_json(state))).dump(), to_json(state).dump());
  EXPECT_EQ(run_state_of(to_json(state)).best.epoch, 0);
  state.best.epoch = 2;
  state.best.evaluation = {{{"z", 1}, {"a", 0.1}}, -0.7, {0.25, 0.5}};
  state.best.tiers["item"] = {{20, 32, 30.5, 1, 0.125}, {180, 8, 7.5, 0, 0.25}};
  const RunState back = run_state_of(to_json(state));
  EXPECT_EQ(to_json(back).dump(), to_json(state).dump());
  EXPECT_EQ(back.best.evaluation.score, -0.7);
  EXPECT_EQ(back.position.loss_sums, (std::vector<double>{0.1 + 0.2, 0.7}));
  EXPECT_EQ(back.collapsed, state.collapsed);
  EXPECT_EQ(back.without_better, 2);
  EXPECT_EQ(back.rate_factor, 0.01);
  auto json = to_json(state);
  json.erase("rate_factor");  // of a run before there was one
  EXPECT_EQ(run_state_of(json).rate_factor, 1.0);
  json.erase("loss_sums");
  EXPECT_CONTAINS(refusal([&] { run_state_of(json); }), "loss_sums");
}

TEST(RunState, ABestEpochWithoutItsArtifactIsDamage) {
  RunState state;
  CheckpointManifest manifest;
  manifest.step = 40;
  const auto look = [&] {
    manifest.training = to_json(state);
    require_best(manifest);
  };
  EXPECT_NO_THROW(look());
  manifest.files = {{"rank-0000-of-0001.safetensors", 8, 1}, {kBestFile, 8, 1}};
  EXPECT_CONTAINS(refusal(look), "step-000000000040: the run's best epoch is 0, and best");
  state.best.epoch = 2;
  EXPECT_NO_THROW(look());
  manifest.files.pop_back();
  EXPECT_CONTAINS(refusal(look), "best epoch is 2, and best.safetensors is not in its manifest");
}

// ---- whole runs ---------------------------------------------------------------------------------

/// Is sent a signal, or fails, in a step of its own counting.
class StoppingBackend final : public WatchedMemory {
 public:
  int64_t signal_at = 0, fail_at = 0, steps = 0;
  int signal = SIGTERM;

  void begin_step(View<StepState> state, AdamOptions options) override {
    CpuBackend::begin_step(state, options);
    ++steps;
    if (steps == fail_at) throw DeviceError("the device has failed");
    if (steps == signal_at) std::raise(signal);
  }
};

class ResumedRun : public ::testing::Test {
 protected:
  std::string out() const { return folder_ / "run"; }

  nlohmann::ordered_json train(const Config& config, const CheckpointOptions& options,
                               StoppingBackend& backend) {
    Config given = config;
    const auto task = make_task(backend, given);
    ::testing::internal::CaptureStdout();
    try {
      const auto result = Trainer(backend, *task, given, "test", options).run();
      printed_ = ::testing::internal::GetCapturedStdout();
      return result;
    } catch (...) {
      printed_ = ::testing::internal::GetCapturedStdout();
      throw;
    }
  }
  nlohmann::ordered_json train(const Config& config, const CheckpointOptions& options = {}) {
    StoppingBackend backend;
    return train(config, options, backend);
  }

  /// Lines of metrics.jsonl without what depends on time.
  std::vector<std::string> metrics() const {
    std::istringstream stream(read_text(out() + "/metrics.jsonl"));
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);) {
      auto json = nlohmann::ordered_json::parse(line);
      json.erase("seconds");
      json.erase("samples_per_second");
      lines.push_back(json.dump());
    }
    return lines;
  }

  struct Outcome {
    std::string result, artifact, arrays;
    std::vector<std::string> metrics;
  };
  Outcome outcome() const {
    auto result = nlohmann::ordered_json::parse(read_text(out() + "/result.json"));
    result.erase("seconds");
    result.erase("samples_per_second");
    return {result.dump(), read_text(out() + "/model.safetensors"),
            read_text(last_checkpoint(out())), metrics()};
  }
  static void expect_same(const Outcome& a, const Outcome& b, const std::string& name) {
    EXPECT_EQ(a.result, b.result) << name;
    EXPECT_TRUE(a.artifact == b.artifact) << name << ": artifacts differ";
    EXPECT_TRUE(a.arrays == b.arrays) << name << ": last arrays differ";
    EXPECT_EQ(a.metrics, b.metrics) << name;
  }
  Outcome uninterrupted(const Config& config) {
    fs::remove_all(out());
    train(config);
    const Outcome whole = outcome();
    fs::remove_all(out());
    return whole;
  }

  /// Sessions of so many steps, each ended by a signal, until one comes to the end.
  int run_in_parts(const Config& config, int64_t steps) {
    for (int session = 1;; ++session) {
      StoppingBackend backend;
      backend.signal_at = steps;
      const int64_t before = steps_kept();
      try {
        train(config, {0, 0.0, 2, true}, backend);
        return session;
      } catch (const Interrupted& stopped) {
        EXPECT_EQ(stopped.signal(), SIGTERM);
        EXPECT_EQ(steps_kept(), before + steps) << "the step in which the signal came";
        EXPECT_FALSE(fs::exists(out() + "/result.json"));
      }
    }
  }
  int64_t steps_kept() const {
    const auto found = find_checkpoints(out() + "/checkpoints");
    return found.empty() ? 0 : static_cast<int64_t>(found.rbegin()->first);
  }

  ScratchFolder folder_;
  std::string printed_;
};

TEST_F(ResumedRun, OfEveryKindEndsAsOneThatWasNeverStopped) {
  for (auto& [name, config] : many_kinds_of_runs(out())) {
    config.train.epochs = 3;
    const Outcome whole = uninterrupted(config);
    StoppingBackend backend;
    const auto task = make_task(backend, config);
    const int64_t epoch = TrainingLoop(backend, *task, config).steps_per_epoch();
    // In the middle of each epoch; at the very end of each, before it is evaluated.
    for (const int64_t steps : {epoch * 3 / 4, epoch}) {
      EXPECT_GE(run_in_parts(config, steps), 3) << name;
      expect_same(whole, outcome(), name);
      fs::remove_all(out());
    }
  }
}

TEST_F(ResumedRun, KeepsCountOfEvaluationsWithoutABetterOne) {
  Config config = small_config("full", out());
  config.train.epochs = 40;
  config.train.patience = 3;
  config.train.lr = 0.05;  // overfits soon
  const Outcome whole = uninterrupted(config);
  const auto epochs = nlohmann::json::parse(whole.result)["epochs"].get<int>();
  ASSERT_LT(epochs, 40) << "it stops early";
  EXPECT_GT(run_in_parts(config, 97), epochs);
  expect_same(whole, outcome(), "patience");
}

TEST_F(ResumedRun, GoesOnFromItsLastCheckpointAfterTheDeviceFailed) {
  Config config = small_config("mgqe", out());
  config.train.evaluate_every = 2;
  config.train.epochs = 5;
  const Outcome whole = uninterrupted(config);
  StoppingBackend backend;
  backend.fail_at = 390;
  EXPECT_THROW(train(config, {100, 0.0, 2, false}, backend), DeviceError);
  const int64_t kept = steps_kept();
  EXPECT_GE(kept, 100);
  EXPECT_LT(kept, 390);
  EXPECT_FALSE(fs::exists(out() + "/result.json"));
  EXPECT_FALSE(fs::exists(out() + "/model.safetensors"));
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(out()))
    EXPECT_NE(entry.path().extension(), ".tmp") << entry.path() << " is half-written";
  train(config, {0, 0.0, 2, true});
  EXPECT_CONTAINS(printed_, fmt::format("resume  from step {}, ", kept));
  expect_same(whole, outcome(), "failed");
}

TEST_F(ResumedRun, LinesOfMetricsAfterTheCheckpointAreDropped) {
  Config config = small_config("full", out());
  config.train.epochs = 4;
  const Outcome whole = uninterrupted(config);
  StoppingBackend backend;
  backend.signal_at = 300;  // in the second epoch
  EXPECT_THROW(train(config, {0, 0.0, 2, false}, backend), Interrupted);
  ASSERT_EQ(metrics().size(), 1u);
  std::ofstream(out() + "/metrics.jsonl", std::ios::app)
      << R"({"epoch": 2, "of": "a run that was killed after its checkpoint"})"
      << "\n"
      << R"({"epoch": 3, "tra)";
  train(config, {0, 0.0, 2, true});
  expect_same(whole, outcome(), "metrics");
}

TEST_F(ResumedRun, AFinishedOneEndsAgainAsItDidAndMoreEpochsAreAdded) {
  Config config = small_config("mgqe", out());
  const Outcome three = uninterrupted(config);
  train(config);
  StoppingBackend idle;
  train(config, {0, 0.0, 2, true}, idle);
  EXPECT_EQ(idle.steps, 0);
  expect_same(three, outcome(), "again");
  config.train.epochs = 5;
  const Outcome five = uninterrupted(config);
  config.train.epochs = 3;
  train(config);
  config.train.epochs = 5;
  train(config, {0, 0.0, 2, true});
  expect_same(five, outcome(), "more epochs");
  config.train.epochs = 4;
  EXPECT_CONTAINS(refusal([&] {
                    train(config, {0, 0.0, 2, true});
                  }),
                  "is of a run of 5 epochs: --epochs 4 is below that");
  expect_same(five, outcome(), "a refusal leaves what is there");
}

TEST_F(ResumedRun, WithoutACheckpointItBegins) {
  const Config config = small_config("full", out());
  const Outcome whole = uninterrupted(config);
  train(config, {0, 0.0, 2, true});
  EXPECT_CONTAINS(printed_,
                  "resume  no checkpoint in " + out() + "/checkpoints: from the beginning");
  expect_same(whole, outcome(), "from the beginning");
}

TEST_F(ResumedRun, OfAnotherConfigurationOrOtherDataIsRefused) {
  Config config = small_config("full", out());
  train(config);
  const Outcome before = outcome();
  const CheckpointOptions resume = {0, 0.0, 2, true};
  Config other = config;
  other.train.lr = 0.5;
  EXPECT_CONTAINS(refusal([&] { train(other, resume); }), "train.lr 0.005, not 0.5");
  const fs::path newest = find_checkpoints(out() + "/checkpoints").rbegin()->second;
  CheckpointManifest manifest = read_manifest(newest);
  manifest.data_fingerprint ^= 1;
  write_manifest(newest, manifest);
  EXPECT_CONTAINS(refusal([&] { train(config, resume); }), "was trained on other data");
  expect_same(before, outcome(), "a refusal leaves what is there");
}

TEST_F(ResumedRun, StoppedByASignalItLeavesTheSignalsAsTheyWere) {
  StoppingBackend backend;
  backend.signal_at = 5;
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1, SIGHUP}) {
    std::signal(signal, SIG_DFL);  // it may be ignored, as under nohup
    backend.signal = signal;
    backend.steps = 0;
    try {
      train(small_config("full", out()), {0, 0.0, 2, false}, backend);
      FAIL() << "it went on";
    } catch (const Interrupted& stopped) {
      EXPECT_EQ(stopped.signal(), signal);
      EXPECT_CONTAINS(stopped.what(), "step 5, in epoch 1 of 3, is kept in " + out());
    }
    struct sigaction after {};
    sigaction(signal, nullptr, &after);
    EXPECT_EQ(after.sa_handler, SIG_DFL) << signal;
  }
}

TEST_F(ResumedRun, ASignalAtTheEndOfAnEpochDoesNotWaitForItsEvaluation) {
  StoppingBackend backend;
  backend.signal_at = 211;
  EXPECT_THROW(train(small_config("full", out()), {0, 0.0, 2, false}, backend), Interrupted);
  const auto training =
      read_manifest(find_checkpoints(out() + "/checkpoints").rbegin()->second).training;
  EXPECT_EQ(training["epoch"], 1);
  EXPECT_EQ(training["epoch_examples"], 26970) << "all of the epoch";
  EXPECT_EQ(training["train_loss"].size(), 0u);
  EXPECT_EQ(metrics().size(), 0u);
}

TEST_F(ResumedRun, AResultIsThereOnlyOfARunThatIsDone) {
  train(small_config("full", out()));
  ASSERT_TRUE(fs::exists(out() + "/result.json"));
  StoppingBackend backend;
  backend.signal_at = 5;
  EXPECT_THROW(train(small_config("full", out()), {0, 0.0, 2, false}, backend), Interrupted);
  EXPECT_FALSE(fs::exists(out() + "/result.json"));
}

TEST_F(ResumedRun, ASignalThatWasIgnoredStaysIgnored) {
  std::signal(SIGHUP, SIG_IGN);
  StoppingBackend backend;
  backend.signal_at = 5;
  backend.signal = SIGHUP;
  EXPECT_NO_THROW(train(small_config("full", out()), {0, 0.0, 2, false}, backend));
  std::signal(SIGHUP, SIG_DFL);
}

TEST_F(ResumedRun, ALossThatIsNotFiniteIsNeverKept) {
  Config config = small_config("full", out());
  config.train.lr = 1e30;
  EXPECT_CONTAINS(refusal([&] { train(config, {20, 0.0, 2, false}); }), "not finite in epoch 1");
  EXPECT_LE(steps_kept(), 0);
}

TEST_F(ResumedRun, StepsDoNothingButTrainUntilACheckpointIsDue) {
  const auto operations = [&](int64_t batch, const CheckpointOptions& options) {
    Config config = small_config("full", out());
    config.train.batch = batch;
    config.train.epochs = 1;
    StoppingBackend backend;
    train(config, options, backend);
    fs::remove_all(out());
    return std::pair(backend.steps, backend.copies + backend.waits);
  };
  const CheckpointOptions none = {0, 0.0, 2, false}, late = {1'000'000, 1e9, 2, false};
  for (const CheckpointOptions& options : {none, late, CheckpointOptions{}}) {
    const auto [few_steps, few] = operations(128, options);
    const auto [many_steps, many] = operations(32, options);
    EXPECT_GE(many_steps, 3 * few_steps);
    EXPECT_EQ(few, many) << "whatever the number of steps";
  }
}

}  // namespace
}  // namespace mgqe::testing
