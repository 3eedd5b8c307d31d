// Runs in processes of their own: what they say, how they end, and that none is left behind.
#include "host/jobs/child_run.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <thread>

#include <gtest/gtest.h>

#include "host/base/interruption.hpp"
#include "host/jobs/run_pool.hpp"
#include "tests/support/io_testing.hpp"

namespace mgqe {
namespace {

using testing::read_text;
using testing::ScratchFolder;

class ChildRunTest : public ::testing::Test {
 protected:
  std::unique_ptr<ChildRun> shell(const std::string& script, bool appends = false) {
    return std::make_unique<ChildRun>("/bin/sh", std::vector<std::string>{"sh", "-c", script}, 3,
                                      folder_ / "log", appends);
  }
  /// The child when it has ended.
  std::unique_ptr<ChildRun> ended(const std::string& script, bool appends = false) {
    auto child = shell(script, appends);
    wait_for(*child, [&] { return child->ended(); });
    return child;
  }
  template <class Condition>
  static void wait_for(ChildRun& child, const Condition& condition) {
    for (int i = 0; i < 2000 && !condition(); ++i) {
      child.look();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ASSERT_TRUE(condition());
  }

  ScratchFolder folder_;
};

TEST_F(ChildRunTest, KeepsWhatItSaysInALog) {
  const auto child = ended("echo out; echo to people >&2; echo $OMP_NUM_THREADS");
  EXPECT_TRUE(child->succeeded());
  EXPECT_EQ(child->error(), "");
  EXPECT_FALSE(child->progress());
  std::string log = read_text(folder_ / "log");
  for (const char* line : {"out\n", "to people\n", "3\n"}) EXPECT_CONTAINS(log, line);
  ended("echo again", /*appends=*/true);
  EXPECT_EQ(read_text(folder_ / "log"), log + "again\n");
  ended("echo anew");
  EXPECT_EQ(read_text(folder_ / "log"), "anew\n");
}

TEST_F(ChildRunTest, FailsByItsLastLine) {
  EXPECT_EQ(ended("echo first >&2; echo mgqe: why >&2; echo >&2; exit 2")->error(), "mgqe: why");
  EXPECT_EQ(ended("exit 7")->error(), "exit code 7");
  EXPECT_EQ(ended("kill -9 $$")->error(), "killed by signal 9 (Killed)");
  EXPECT_EQ(ended("printf 'cut short' >&2; exit 1")->error(), "cut short");
  EXPECT_EQ(read_text(folder_ / "log"), "cut short\n");
  EXPECT_TRUE(ended("echo warning >&2")->succeeded());
}

TEST_F(ChildRunTest, OneThatIsNoProgramFails) {
  ChildRun child((folder_ / "none").string(), {"none"}, 1, folder_ / "log", false);
  wait_for(child, [&] { return child.ended(); });
  EXPECT_FALSE(child.succeeded());
  EXPECT_EQ(child.error(), (folder_ / "none").string() + " cannot be started");
}

TEST_F(ChildRunTest, ALogThatCannotBeWrittenIsRefused) {
  const std::string message = testing::refusal(
      [&] { ChildRun child("/bin/true", {"true"}, 1, folder_ / "nowhere" / "log", false); });
  EXPECT_CONTAINS(message, "nowhere/log: cannot be written: No such file or directory");
}

TEST_F(ChildRunTest, TellsHowFarItIs) {
  const ProgressState state{2, 5, 30, 100, 10.0, 7.0, 37.0};
  const std::string record = progress_record(state);
  const auto child = ended("printf 'nonsense\\n%s\\n3 5 ' '" + record.substr(0, record.size() - 1) +
                           "' >&$" + kProgressFdVariable);
  ASSERT_TRUE(child->progress());
  EXPECT_EQ(child->progress()->epoch, 2);  // of the last line that is whole
  EXPECT_EQ(child->progress()->run_seconds_left, 37.0);
}

TEST_F(ChildRunTest, StopsWhenAskedTo) {
  const auto child =
      shell("trap 'echo kept >&2; exit 0' TERM; echo ready; while :; do sleep 0.01; done");
  wait_for(*child, [&] { return read_text(folder_ / "log") == "ready\n"; });
  EXPECT_FALSE(child->ended());
  EXPECT_FALSE(child->succeeded());
  child->stop();
  wait_for(*child, [&] { return child->ended(); });
  EXPECT_TRUE(child->succeeded());
  EXPECT_CONTAINS(read_text(folder_ / "log"), "kept\n");
  const double seconds = child->seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(child->seconds(), seconds);
}

TEST_F(ChildRunTest, EndsWithWhoBeganIt) {
  auto child = shell("trap '' TERM; echo $$; while :; do sleep 0.01; done");
  wait_for(*child, [&] { return read_text(folder_ / "log").ends_with('\n'); });
  const int pid = std::stoi(read_text(folder_ / "log"));
  ASSERT_EQ(kill(pid, 0), 0);
  child.reset();
  EXPECT_NE(kill(pid, 0), 0);
}

/// Scripts of /bin/sh in a row, each in a folder of its own.
class Scripts final : public RunSource {
 public:
  Scripts(const std::filesystem::path& folder, std::vector<std::string> scripts)
      : folder_(folder), scripts_(std::move(scripts)) {}

  std::optional<PooledRun> next() override {
    if (begun_ == scripts_.size()) return std::nullopt;
    const auto out = folder_ / std::to_string(begun_);
    std::filesystem::create_directories(out);
    const size_t id = begun_++;
    return PooledRun{id, "run " + std::to_string(id), "/bin/sh", {"sh", "-c", scripts_[id]}, out};
  }
  std::string take(const PooledRun& run, double) override {
    const std::string log = read_text(run.out / "log.txt");
    if (log == "no result\n") throw Error("mgqe: it left nothing");
    taken.push_back(run.id);
    return log.substr(0, log.find('\n'));
  }
  void fail(const PooledRun& run, const std::string& error) override {
    failed.emplace_back(run.id, error);
  }
  void tick(const std::vector<RunningTime>& running) override {
    most_ = std::max(most_, running.size());
    if (on_tick) on_tick();
  }
  std::string interrupt() override { return "; more"; }
  Count count() const override {
    return {scripts_.size(), taken.size(), failed.size(), scripts_.size() - begun_};
  }
  double seconds_left(const std::vector<RunningTime>&) const override { return 5.0; }
  size_t most() const { return most_; }

  std::vector<size_t> taken;
  std::vector<std::pair<size_t, std::string>> failed;
  std::function<void()> on_tick;

 private:
  std::filesystem::path folder_;
  std::vector<std::string> scripts_;
  size_t begun_ = 0, most_ = 0;
};

using RunPoolTest = ChildRunTest;

TEST_F(RunPoolTest, OneThatFailsTakesNoOtherWithIt) {
  Scripts scripts(folder_.path(),
                  {"echo well", "echo mgqe: why >&2; exit 2", "echo no result", "echo too"});
  ::testing::internal::CaptureStdout();
  run_pool(scripts, 2, 1, {"mgqe", "scripts"});
  const std::string said = ::testing::internal::GetCapturedStdout();
  std::sort(scripts.taken.begin(), scripts.taken.end());
  EXPECT_EQ(scripts.taken, (std::vector<size_t>{0, 3}));
  std::sort(scripts.failed.begin(), scripts.failed.end());
  EXPECT_EQ(scripts.failed,
            (std::vector<std::pair<size_t, std::string>>{{1, "why"}, {2, "it left nothing"}}));
  EXPECT_LE(scripts.most(), 2u);
  for (const char* line : {"run 3  started\n", "run 0  done ", "  well\n", "run 1  failed ",
                           "  why\n", "  it left nothing\n"})
    EXPECT_CONTAINS(said, line);
}

TEST_F(RunPoolTest, ASignalStopsAllThatRun) {
  const std::string runs = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done";
  Scripts scripts(folder_.path(), {runs, runs, runs});
  scripts.on_tick = [&] {
    for (const char* out : {"0", "1"})
      if (read_text(folder_ / out / "log.txt") != "ready\n") return;
    raise(SIGTERM);
  };
  ::testing::internal::CaptureStdout();
  try {
    run_pool(scripts, 2, 1, {"mgqe", "scripts"});
    ADD_FAILURE() << "it went on";
  } catch (const Interrupted& interrupted) {
    EXPECT_EQ(interrupted.signal(), SIGTERM);
    EXPECT_CONTAINS(interrupted.what(), "2 running and 1 waiting scripts were stopped; more");
  }
  ::testing::internal::GetCapturedStdout();
  EXPECT_TRUE(scripts.failed.empty()) << "they were stopped";
}

TEST(ShareCores, AsManyRunsAsThereAreCoresOrAsked) {
  const auto share = [](int asked, size_t runs, bool gpu, int cores) {
    const Sharing sharing = share_cores(asked, runs, gpu, cores);
    return std::pair(sharing.jobs, sharing.threads);
  };
  EXPECT_EQ(share(0, 10, false, 8), std::pair(8, 1));
  EXPECT_EQ(share(0, 3, false, 8), std::pair(3, 2));
  EXPECT_EQ(share(0, 10, true, 8), std::pair(1, 8));
  EXPECT_EQ(share(4, 10, true, 8), std::pair(4, 2));
  EXPECT_EQ(share(20, 10, false, 8), std::pair(10, 1));
  EXPECT_EQ(share(0, 0, false, 8), std::pair(1, 8));
}

}  // namespace
}  // namespace mgqe
