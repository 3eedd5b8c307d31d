// A training step as a device may record it: nothing but op calls, the same ones with the same
// arguments in every step of its shape, and nothing that waits, copies or allocates in an epoch.
#include <algorithm>
#include <cstdlib>
#include <set>

#include "host/train/training_loop.hpp"
#include "tests/support/step_testing.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

Config relevance_config(const std::string& backbone, const std::string& scheme) {
  Config config = step_config(backbone, scheme);
  config.model.task = TaskKind::kRelevance;
  config.model.pretrain_epochs = 0;
  config.data.name = "relevance-synthetic";
  config.data.synthetic_pair_items = 160;
  config.data.synthetic_pairs = 3000;
  return config;
}

/// Every backbone and task with the schemes whose steps differ most.
std::vector<std::pair<std::string, Config>> kinds_of_runs() {
  std::vector<std::pair<std::string, Config>> runs;
  for (const char* scheme : {"full", "mgqe", "dpq_sx", "hashed", "low_rank", "lsq",
                             "quotient_remainder", "memcom", "mixed_dim"}) {
    for (const char* backbone : {"gmf", "neumf", "sasrec"})
      runs.emplace_back(std::string(backbone) + " " + scheme, step_config(backbone, scheme));
    for (const char* backbone : {"gmf", "neumf"})
      runs.emplace_back(std::string("relevance ") + backbone + " " + scheme,
                        relevance_config(backbone, scheme));
  }
  runs.emplace_back("gmf full, dense Adam", step_config("gmf", "full"));
  runs.back().second.train.optimizer = Optimizer::kAdam;
  runs.emplace_back("gmf mgqe, every option", step_config("gmf", "mgqe"));
  runs.back().second.embedding.commitment_weight = 0.25;
  runs.back().second.embedding.distance_bn = DistanceBn::kTf;
  runs.back().second.embedding.grouping = Grouping::kLookup;
  runs.emplace_back("gmf dpq_sx, every option", step_config("gmf", "dpq_sx"));
  runs.back().second.embedding.distance_bn = DistanceBn::kTf;
  runs.back().second.embedding.softmax_temperature = 0.5;
  return runs;
}

struct TrainedRun {
  TrainedRun(Backend& backend, Config config)
      : task(make_task(backend, config)), loop(backend, *task, config) {}
  std::unique_ptr<Task> task;
  TrainingLoop loop;
};

TEST(Step, NothingIsAllocatedCopiedOrWaitedForWithinAnEpoch) {
  for (const auto& [name, config] : kinds_of_runs()) {
    WatchedMemory backend;
    TrainedRun run(backend, config);
    for (int epoch = 1; epoch <= 3; ++epoch) {
      run.loop.begin_epoch(epoch);
      const int64_t before = backend.forbidden();
      for (int64_t step = 0; step < run.loop.steps_per_epoch(); ++step) run.loop.step();
      EXPECT_EQ(backend.forbidden(), before) << name << ", epoch " << epoch;
      EXPECT_GT(run.loop.mean_loss(), 0.0) << name;
    }
  }
}

/// The op calls of each step of an epoch.
std::vector<std::vector<std::string>> trace_epoch(TracingBackend& backend, TrainingLoop& loop,
                                                  int epoch) {
  loop.begin_epoch(epoch);
  std::vector<std::vector<std::string>> steps;
  for (int64_t step = 0; step < loop.steps_per_epoch(); ++step) {
    backend.calls.clear();
    loop.step();
    steps.push_back(backend.calls);
  }
  return steps;
}

TEST(Step, StepsOfOneShapeAndPhaseMakeTheSameCalls) {
  std::set<std::string> ops;
  for (const auto& [name, config] : kinds_of_runs()) {
    if (config.model.name == "sasrec") continue;
    TracingBackend backend;
    TrainedRun run(backend, config);
    std::vector<std::vector<std::string>> first;
    int phase = 0;
    for (int epoch = 1; epoch <= 4; ++epoch) {
      const auto steps = trace_epoch(backend, run.loop, epoch);
      ASSERT_GT(steps.size(), 3u);
      for (size_t s = 1; s + 1 < steps.size(); ++s)
        ASSERT_EQ(steps[s], steps[0]) << name << ", epoch " << epoch << ", step " << s;
      EXPECT_NE(steps.back(), steps[0]) << name << ": the last batch is shorter here";
      const bool same_phase = epoch > 1 && run.loop.model().phase() == phase;
      if (same_phase) {
        EXPECT_EQ(steps[0], first[0]) << name << ", epoch " << epoch;
        EXPECT_EQ(steps.back(), first.back()) << name << ", epoch " << epoch;
      } else if (epoch > 1) {
        EXPECT_EQ(config.model.pretrain_epochs, epoch - 1) << name;
        EXPECT_NE(steps[0], first[0]) << name << ", epoch " << epoch;
      }
      first = steps;
      phase = run.loop.model().phase();
    }
    for (const std::string& call : first[0]) ops.insert(call.substr(0, call.find(' ')));
  }
  for (const char* op :
       {"begin_step", "sample_pairs", "sample_scored_pairs", "deduplicate", "assign_with_gradient",
        "update_rows", "adam", "gmf_forward", "matmul", "bce_with_logits", "zero"})
    EXPECT_TRUE(ops.contains(op)) << op << " was not seen";
}

std::string bytes_of(const ArrayMap& arrays) {
  std::string bytes;
  for (const auto& [name, array] : arrays)
    bytes += name + std::string(array.bytes.begin(), array.bytes.end());
  return bytes;
}

TEST(Step, RecordedAndRepeatedItTrainsTheSameModel) {
  for (const auto& [name, config] : kinds_of_runs()) {
    CpuBackend plain;
    RecordingBackend recording;
    TrainedRun eager(plain, config), repeated(recording, config);
    const int64_t steps = eager.loop.steps_per_epoch();
    for (int epoch = 1; epoch <= 4; ++epoch) {
      eager.loop.begin_epoch(epoch);
      for (int64_t step = 0; step < steps; ++step) eager.loop.step();
      if (epoch == 4) ++recording.version;  // an evaluation made scratch move
      repeated.loop.begin_epoch(epoch);
      for (int64_t step = 0; step < steps;) step += repeated.loop.advance(steps - step);
      EXPECT_THROW(repeated.loop.step(), Error) << "the epoch is over";
      EXPECT_EQ(eager.loop.mean_loss(), repeated.loop.mean_loss()) << name << ", " << epoch;
    }
    EXPECT_EQ(bytes_of(eager.loop.checkpoint_arrays()), bytes_of(repeated.loop.checkpoint_arrays()))
        << name;
    if (config.model.name == "sasrec") {
      EXPECT_EQ(recording.recorded, 0) << "no two of its steps are alike";
    } else {
      EXPECT_GE(steps, 2 * RecordedSteps::kStepsPerRecording);
      EXPECT_GE(recording.repeated_many, 4) << name;
      EXPECT_GE(recording.repeated_one, 4) << name;
      // Full batches 16 at once and single ones, and the last batch; NeuMF in two phases,
      // of which NeuMF's second has no second "last batch" before all is recorded anew in epoch 4.
      EXPECT_EQ(recording.recorded, config.model.pretrain_epochs > 0 ? 8 : 6) << name;
    }
  }
}

// ---- the policy ---------------------------------------------------------------------------------

class FakeSteps final : public RecordedSteps {
 public:
  std::vector<std::string> log;
  uint64_t version = 0;

 private:
  struct Fake final : Recording {
    Fake(std::vector<std::string>& log, int64_t times) : log(log), times(times) {}
    void repeat() override { log.push_back(fmt::format("repeat {}", times)); }
    std::vector<std::string>& log;
    int64_t times;
  };
  std::unique_ptr<Recording> record(const StepBody&, int64_t times) override {
    log.push_back(fmt::format("record {}", times));
    return std::make_unique<Fake>(log, times);
  }
  uint64_t scratch_version() const override { return version; }
};

TEST(RecordedStepsTest, RunsThenRecordsThenRepeats) {
  FakeSteps steps;
  const auto run = [&](StepShape shape, int64_t limit) {
    steps.log.clear();
    const int64_t done = steps.run(shape, limit, [&] { steps.log.push_back("body"); });
    return fmt::format("{}: {}", done, fmt::join(steps.log, ", "));
  };
  const StepShape full{64, 0}, last{10, 0}, later{64, 1};
  EXPECT_EQ(run(full, 100), "1: body");
  EXPECT_EQ(run(full, 99), "16: record 16, repeat 16");
  EXPECT_EQ(run(full, 83), "16: repeat 16");
  EXPECT_EQ(run(full, 15), "1: record 1, repeat 1");
  EXPECT_EQ(run(full, 14), "1: repeat 1");
  EXPECT_EQ(run(last, 1), "1: body");
  EXPECT_EQ(run(last, 1), "1: record 1, repeat 1");
  EXPECT_EQ(run(later, 100), "1: body") << "another phase is another step";
  EXPECT_EQ(run(full, 100), "16: repeat 16");
  ++steps.version;
  EXPECT_EQ(run(full, 16), "16: record 16, repeat 16") << "scratch has moved";
  EXPECT_EQ(run(last, 1), "1: record 1, repeat 1") << "for every shape";
  EXPECT_EQ(run(full, 16), "16: repeat 16");
}

TEST(RecordedStepsTest, CanBeSwitchedOff) {
  unsetenv("MGQE_GRAPHS");
  EXPECT_TRUE(steps_are_recorded());
  setenv("MGQE_GRAPHS", "off", 1);
  EXPECT_FALSE(steps_are_recorded());
  setenv("MGQE_GRAPHS", "no", 1);
  EXPECT_THROW(steps_are_recorded(), InputError);
  unsetenv("MGQE_GRAPHS");
}

}  // namespace
}  // namespace mgqe::testing
