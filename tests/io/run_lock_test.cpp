// One run at a time in a folder, and none that is dead.
#include "host/io/run_lock.hpp"

#include <csignal>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/base/host_name.hpp"
#include "tests/support/io_testing.hpp"

namespace mgqe {
namespace {

using testing::refusal;
using testing::ScratchFolder;

/// A process that holds the lock of a folder until it is killed.
class Holder {
 public:
  explicit Holder(const std::filesystem::path& folder) {
    int ready[2];
    EXPECT_EQ(pipe(ready), 0);
    pid_ = fork();
    if (pid_ == 0) {
      const RunLock lock(folder);
      static_cast<void>(!write(ready[1], "x", 1));
      while (true) pause();
    }
    char byte = 0;
    EXPECT_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
  }
  void end() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

TEST(RunLock, NamesTheProcessThatHoldsIt) {
  const ScratchFolder folder;
  const std::filesystem::path& out = folder.path();
  Holder holder(out);
  const std::string expected =
      fmt::format("--out {} is in use by process {} on {}: wait for its end, or give another --out",
                  out.string(), holder.pid(), host_name());
  EXPECT_EQ(refusal([&] { const RunLock lock(out); }), expected);
  EXPECT_EQ(refusal([&] { RunLock::require_free(out); }), expected);
  holder.end();
  // What a killed process left hinders nobody.
  EXPECT_TRUE(std::filesystem::exists(out / ".lock"));
  RunLock::require_free(out);
  const RunLock lock(out);
}

TEST(RunLock, LeavesNothingBehind) {
  const ScratchFolder folder;
  const std::filesystem::path& out = folder.path();
  RunLock::require_free(out);
  EXPECT_EQ(folder.entries(), 0);
  { const RunLock lock(out); }
  EXPECT_EQ(folder.entries(), 0);
  { const RunLock lock(out); }
  EXPECT_EQ(refusal([&] { const RunLock lock(out / "missing"); }),
            (out / "missing/.lock").string() + " cannot be written: No such file or directory");
}

}  // namespace
}  // namespace mgqe
