// When checkpoints are taken and which are kept, what a run may go on from, and what it says of the
// rest.
#include "host/train/checkpointer.hpp"

#include <gtest/gtest.h>

#include "host/base/version.hpp"
#include "tests/support/io_testing.hpp"

namespace mgqe::testing {
namespace {

Checkpoint at_step(uint64_t step) {
  Checkpoint checkpoint;
  checkpoint.manifest.step = step;
  checkpoint.manifest.config = to_json(Config{});
  checkpoint.manifest.commit = build_commit();
  checkpoint.arrays["weights"] = HostArray(std::vector<float>{static_cast<float>(step)}, {1});
  return checkpoint;
}

Communicator& solo() {
  static const std::unique_ptr<Communicator> alone = make_solo();
  return *alone;
}

CheckpointOptions by_steps(int64_t every, int keep = 2) { return {every, 0.0, keep, false}; }

std::vector<uint64_t> steps_in(const fs::path& folder) {
  std::vector<uint64_t> steps;
  for (const auto& [step, path] : find_checkpoints(folder)) steps.push_back(step);
  return steps;
}
using Steps = std::vector<uint64_t>;

TEST(Due, BySteps) {
  const ScratchFolder folder;
  Checkpointer checkpointer(solo(), folder.path(), by_steps(10), 0);
  EXPECT_EQ(checkpointer.steps_to_due(0, 100), 10);
  EXPECT_EQ(checkpointer.steps_to_due(7, 100), 3);
  EXPECT_EQ(checkpointer.steps_to_due(7, 2), 2);
  EXPECT_FALSE(checkpointer.due(9));
  EXPECT_TRUE(checkpointer.due(10));
  EXPECT_TRUE(checkpointer.due(13)) << "it stays due until it is taken";
  EXPECT_EQ(checkpointer.steps_to_due(13, 100), 100);
  checkpointer.begin([] { return at_step(13); });
  checkpointer.finish();
  EXPECT_FALSE(checkpointer.due(19));
  EXPECT_TRUE(checkpointer.due(20)) << "multiples of the interval, wherever the last one was";
  EXPECT_FALSE(Checkpointer(solo(), folder.path(), by_steps(10), 20).due(20))
      << "the run began there";
}

TEST(Due, NeverWhereNotAskedFor) {
  const ScratchFolder folder;
  Checkpointer checkpointer(solo(), folder.path(), by_steps(0), 0);
  EXPECT_FALSE(checkpointer.due(uint64_t{1} << 60));
  EXPECT_EQ(checkpointer.steps_to_due(0, 1000), 1000);
}

TEST(Due, ByTime) {
  const ScratchFolder folder;
  Checkpointer soon(solo(), folder.path(), {0, 1e-12, 2, false}, 0);
  while (!soon.due(1)) continue;  // until the clock has moved
  Checkpointer late(solo(), folder.path(), {0, 1e9, 2, false}, 0);
  EXPECT_FALSE(late.due(1));
}

TEST(Kept, TheNewestOfThisRun) {
  const ScratchFolder folder;
  Checkpointer checkpointer(solo(), folder.path(), by_steps(1), 0);
  for (uint64_t step = 1; step <= 4; ++step) {
    checkpointer.begin([=] { return at_step(step); });
    checkpointer.finish();
    EXPECT_EQ(steps_in(folder.path()), step == 1 ? Steps{1} : (Steps{step - 1, step}));
  }
  EXPECT_EQ(folder.entries(), 2);
}

TEST(Kept, OlderOnesGoOnlyWhenTheNewerIsComplete) {
  const ScratchFolder folder;
  Checkpointer checkpointer(solo(), folder.path(), by_steps(1, 1), 0);
  checkpointer.begin([] { return at_step(1); });
  checkpointer.finish();
  checkpointer.begin([] {
    Checkpoint cannot_be_written = at_step(2);
    cannot_be_written.arrays["weights"].bytes.pop_back();
    return cannot_be_written;
  });
  EXPECT_THROW(checkpointer.finish(), Error);
  EXPECT_EQ(steps_in(folder.path()), Steps{1});
  EXPECT_EQ(folder.entries(), 1);
}

TEST(Kept, CheckpointsOfAnotherRunGoWithTheFirstOfThisOne) {
  const ScratchFolder folder;
  for (const uint64_t step : {5, 900}) write_checkpoint(folder.path(), at_step(step));
  fs::create_directory(folder / "step-000000000100.tmp");
  Checkpointer checkpointer(solo(), folder.path(), by_steps(1), 0);
  EXPECT_EQ(steps_in(folder.path()), (Steps{5, 900})) << "they are all there is so far";
  checkpointer.begin([] { return at_step(1); });
  checkpointer.finish();
  EXPECT_EQ(steps_in(folder.path()), Steps{1});
  EXPECT_EQ(folder.entries(), 1);
}

TEST(Kept, ARunThatGoesOnCountsTheOlderOnes) {
  const ScratchFolder folder;
  for (const uint64_t step : {3, 5, 900}) write_checkpoint(folder.path(), at_step(step));
  Checkpointer checkpointer(solo(), folder.path(), by_steps(1), 5);  // 900 was damaged, say
  checkpointer.begin([] { return at_step(8); });
  checkpointer.finish();
  EXPECT_EQ(steps_in(folder.path()), (Steps{5, 8}));
}

TEST(Writing, AFailureIsToldAtTheEndAndAWarningBefore) {
  const ScratchFolder folder;
  write_text(folder / "file", "");
  Checkpointer checkpointer(solo(), folder / "file/below", by_steps(1), 0);
  checkpointer.begin([] { return at_step(1); });
  ::testing::internal::CaptureStderr();
  checkpointer.begin([] { return at_step(2); });
  EXPECT_CONTAINS(::testing::internal::GetCapturedStderr(), "the last checkpoint failed: ");
  EXPECT_CONTAINS(refusal([&] { checkpointer.finish(); }), "Not a directory");
}

TEST(Options, Refusals) {
  EXPECT_CONTAINS(refusal([] {
                    validate(CheckpointOptions{-1, 1.0, 2, false});
                  }),
                  "--checkpoint-every -1");
  EXPECT_CONTAINS(refusal([] {
                    validate(CheckpointOptions{0, -0.5, 2, false});
                  }),
                  "--checkpoint-minutes -0.5");
  EXPECT_CONTAINS(refusal([] {
                    validate(CheckpointOptions{0, NAN, 2, false});
                  }),
                  "--checkpoint-minutes nan");
  EXPECT_CONTAINS(refusal([] {
                    validate(CheckpointOptions{0, 1.0, 0, false});
                  }),
                  "--keep-checkpoints 0");
}

// ---- what a run goes on from --------------------------------------------------------------------

const auto kAccept = [](const CheckpointManifest&) {};

void damage(const fs::path& checkpoint) {
  fs::remove(checkpoint / "rank-0000-of-0001.safetensors");
}

TEST(Newest, NoneWhereThereIsNone) {
  const ScratchFolder folder;
  EXPECT_FALSE(newest_checkpoint(solo(), folder.path(), kAccept));
  EXPECT_FALSE(newest_checkpoint(solo(), folder / "none", kAccept));
}

TEST(Newest, TheNewestThatIsWhole) {
  const ScratchFolder folder;
  for (const uint64_t step : {9, 10, 100}) write_checkpoint(folder.path(), at_step(step));
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(newest_checkpoint(solo(), folder.path(), kAccept)->manifest.step, 100u);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  damage(folder / checkpoint_name(100));
  ::testing::internal::CaptureStderr();
  const auto found = newest_checkpoint(solo(), folder.path(), kAccept);
  EXPECT_EQ(found->manifest.step, 10u);
  EXPECT_EQ(found->arrays.at("weights").as<float>()[0], 10.0f);
  const std::string warning = ::testing::internal::GetCapturedStderr();
  EXPECT_CONTAINS(warning, "step-000000000100/rank-0000-of-0001.safetensors: no such file");
  EXPECT_CONTAINS(warning, "trying an older checkpoint");
  EXPECT_EQ(std::count(warning.begin(), warning.end(), '\n'), 1);
}

TEST(Newest, RefusedWhereNoneIsWhole) {
  const ScratchFolder folder;
  for (const uint64_t step : {10, 100}) {
    write_checkpoint(folder.path(), at_step(step));
    damage(folder / checkpoint_name(step));
  }
  ::testing::internal::CaptureStderr();
  EXPECT_CONTAINS(refusal([&] { newest_checkpoint(solo(), folder.path(), kAccept); }),
                  "no checkpoint that is whole: ");
  ::testing::internal::GetCapturedStderr();
}

TEST(Newest, WhatIsNotAcceptedIsNoReasonToTakeAnOlderOne) {
  const ScratchFolder folder;
  for (const uint64_t step : {10, 100}) write_checkpoint(folder.path(), at_step(step));
  EXPECT_EQ(refusal([&] {
              newest_checkpoint(solo(), folder.path(), [](const CheckpointManifest& manifest) {
                if (manifest.step == 100) input_error("of another run");
              });
            }),
            "of another run");
  CheckpointManifest manifest = read_manifest(folder / checkpoint_name(100));
  manifest.version = kCheckpointVersion + 1;
  write_manifest(folder / checkpoint_name(100), manifest);
  EXPECT_CONTAINS(refusal([&] { newest_checkpoint(solo(), folder.path(), kAccept); }),
                  "a newer one");
}

TEST(SameRun, NamesTheFieldsThatDiffer) {
  Config config;
  CheckpointManifest manifest = at_step(5).manifest;
  manifest.data_fingerprint = 7;
  EXPECT_NO_THROW(require_same_run(manifest, config, 7));
  EXPECT_CONTAINS(refusal([&] { require_same_run(manifest, config, 8); }),
                  "step-000000000005 was trained on other data than --data auto gives here");
  Config may_differ;
  may_differ.run.device = "cuda";
  may_differ.run.out = "elsewhere";
  may_differ.train.epochs = 90;
  may_differ.train.patience = 3;
  EXPECT_NO_THROW(require_same_run(manifest, may_differ, 7));
  config.train.lr = 0.5;
  config.embedding.centroids = {8, 4};
  config.run.seed = 2;
  const std::string text = refusal([&] { require_same_run(manifest, config, 7); });
  EXPECT_CONTAINS(text, "train.lr 0.001, not 0.5");
  EXPECT_CONTAINS(text, "embedding.centroids [], not [8,4]");
  EXPECT_CONTAINS(text, "run.seed 1, not 2");
  EXPECT_EQ(text.find("train.beta1"), std::string::npos);
}

TEST(SameRun, FieldsThatAnOlderProgramDidNotKnowHaveTheirDefaults) {
  CheckpointManifest manifest = at_step(5).manifest;
  manifest.config["train"].erase("table_lr");
  EXPECT_NO_THROW(require_same_run(manifest, Config{}, 0));
  Config config;
  config.train.table_lr = 0.1;
  EXPECT_CONTAINS(refusal([&] { require_same_run(manifest, config, 0); }), "train.table_lr");
}

TEST(SameRun, AnotherCommitIsAWarning) {
  CheckpointManifest manifest = at_step(5).manifest;
  manifest.commit = "0123456789ab";
  ::testing::internal::CaptureStderr();
  require_same_run(manifest, Config{}, 0);
  EXPECT_CONTAINS(::testing::internal::GetCapturedStderr(), "was written by commit 0123456789ab");
}

}  // namespace
}  // namespace mgqe::testing
