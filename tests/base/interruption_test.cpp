// Signals that end a run: noted, and when they end the program all the same.
#include "host/base/interruption.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

namespace mgqe {
namespace {

TEST(Interruption, OnePressMaySendTwoSignals) {
  const Interruption interruption;
  raise(SIGINT);
  raise(SIGINT);  // it would have ended this program
  EXPECT_EQ(interruption.signal(), SIGINT);
}

TEST(Interruption, ASecondPressEndsTheProgram) {
  const auto press_twice = [] {
    const Interruption interruption;
    raise(SIGINT);
    usleep(400'000);
    raise(SIGINT);
  };
  EXPECT_EXIT(press_twice(), ::testing::KilledBySignal(SIGINT), "");
}

TEST(Interruption, NotesABrokenPipeWhereItIsAskedTo) {
  {
    const Interruption interruption(/*notes_broken_pipe=*/true);
    raise(SIGPIPE);
    EXPECT_EQ(interruption.signal(), SIGPIPE);
  }
  const auto break_pipe = [] {
    const Interruption interruption;
    raise(SIGPIPE);
  };
  EXPECT_EXIT(break_pipe(), ::testing::KilledBySignal(SIGPIPE), "");
}

}  // namespace
}  // namespace mgqe
