// What people see: progress bar (on a pseudo-terminal), log lines, tables.
#include <algorithm>
#include <chrono>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include "host/io/console/logging.hpp"
#include "host/io/console/progress.hpp"
#include "host/io/console/table.hpp"
#include "tests/support/io_testing.hpp"

namespace mgqe {
namespace {

using testing::refusal;

/// A terminal of `columns` whose screen input can be read back.
class FakeTerminal {
 public:
  explicit FakeTerminal(unsigned short columns) {
    winsize size{24, columns, 0, 0};
    MGQE_CHECK(openpty(&screen_, &terminal_, nullptr, nullptr, &size) == 0, "openpty");
    fcntl(screen_, F_SETFL, O_NONBLOCK);
  }
  FakeTerminal(const FakeTerminal&) = delete;
  FakeTerminal& operator=(const FakeTerminal&) = delete;
  ~FakeTerminal() {
    close(terminal_);
    close(screen_);
  }

  int fd() const { return terminal_; }
  std::string written() {
    std::string text;
    char buffer[4096];
    for (ssize_t n; (n = read(screen_, buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<size_t>(n));
    return text;
  }

 private:
  int screen_ = -1, terminal_ = -1;
};

class ProgressTest : public ::testing::Test {
 protected:
  void SetUp() override { setenv("TERM", "xterm", 1); }
};

TEST_F(ProgressTest, LineFitsEveryWidth) {
  ProgressState state{12, 20, 4321, 15000, 8123.4, 75, 3725};
  for (int columns = 0; columns <= 200; ++columns)
    for (const int64_t step : {0, 4321, 15000, 99999}) {
      state.step = step;
      const std::string line = progress_line(state, columns);
      EXPECT_LT(line.size(), static_cast<size_t>(std::max(columns, 1))) << columns;
    }
}

TEST_F(ProgressTest, WideLineSaysItAll) {
  const ProgressState state{12, 20, 7500, 15000, 8123.4, 75, 3725};
  const std::string line = progress_line(state, 80);
  EXPECT_EQ(line,
            "epoch 12/20 [#######.......]  50%   8123 step/s, left: epoch  1:15, run 1:02:05");
  const std::string narrow = progress_line(state, 40);
  EXPECT_CONTAINS(narrow, "12/20 [");
  EXPECT_CONTAINS(narrow, " 50%   8123/s 1:02:05");
  EXPECT_EQ(progress_line(state, 5), "50%");
}

TEST_F(ProgressTest, BarGrowsFromEmptyToFull) {
  ProgressState state{1, 1, 0, 1000};
  size_t before = 0;
  for (state.step = 0; state.step <= state.steps; ++state.step) {
    const std::string line = progress_line(state, 80);
    const auto filled = static_cast<size_t>(std::count(line.begin(), line.end(), '#'));
    EXPECT_GE(filled, before);
    before = filled;
    const size_t cells = line.find(']') - line.find('[') - 1;
    EXPECT_EQ(filled, cells * static_cast<size_t>(state.step) / 1000) << line;
  }
}

TEST_F(ProgressTest, Durations) {
  EXPECT_EQ(format_duration(-1), "--:--");
  EXPECT_EQ(format_duration(std::nan("")), "--:--");
  EXPECT_EQ(format_duration(6.6), "0:07");
  EXPECT_EQ(format_duration(59.7), "1:00");
  EXPECT_EQ(format_duration(3725), "1:02:05");
  EXPECT_EQ(format_duration(101 * 3600), "4d 05h");
}

TEST_F(ProgressTest, DrawsAtMostTenTimesASecondAndShowsTheEnd) {
  FakeTerminal terminal(80);
  Progress progress(2, 1'000'000, terminal.fd());
  progress.begin_epoch(1);
  const auto began = std::chrono::steady_clock::now();
  for (int64_t step = 1; step <= 1'000'000; ++step) {
    progress.update(step);
    if (step % 4000 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - began;
  const std::string text = terminal.written();
  const auto drawings = std::count(text.begin(), text.end(), '\r');
  EXPECT_GE(drawings, 2);
  EXPECT_LE(static_cast<double>(drawings), 10 * elapsed.count() + 2);
  EXPECT_CONTAINS(text.substr(text.rfind('\r')), "100%");
  EXPECT_CONTAINS(text, "epoch 1/2");
}

TEST_F(ProgressTest, LaterEpochsAreDrawnToo) {
  FakeTerminal terminal(80);
  Progress progress(3, 5, terminal.fd());
  for (int epoch = 1; epoch <= 3; ++epoch) {
    progress.begin_epoch(epoch);
    for (int64_t step = 1; step <= 5; ++step) progress.update(step);
    EXPECT_CONTAINS(terminal.written(), "epoch " + std::to_string(epoch) + "/3");
  }
}

TEST_F(ProgressTest, SlowEpochAfterAFastOneIsFollowed) {
  FakeTerminal terminal(80);
  Progress progress(2, 1'000'000, terminal.fd());
  progress.begin_epoch(1);
  for (int64_t step = 1; step <= 1'000'000; ++step) progress.update(step);
  progress.begin_epoch(2);
  terminal.written();
  for (int64_t step = 1; step <= 30; ++step) {
    std::this_thread::sleep_for(std::chrono::milliseconds(15));
    progress.update(step);
  }
  const std::string text = terminal.written();
  EXPECT_GE(std::count(text.begin(), text.end(), '\r'), 3);
}

TEST_F(ProgressTest, ClearWipesTheLineOnce) {
  FakeTerminal terminal(80);
  {
    Progress progress(1, 10, terminal.fd());
    progress.clear();
    EXPECT_EQ(terminal.written(), "");
    progress.begin_epoch(1);
    progress.update(10);
    terminal.written();
    clear_progress_line();
    EXPECT_EQ(terminal.written(), "\r\x1b[K");
    progress.clear();
    clear_progress_line();
  }
  clear_progress_line();
  EXPECT_EQ(terminal.written(), "");
}

TEST_F(ProgressTest, SilentWhereThereIsNoTerminal) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_NONBLOCK), 0);
  {
    Progress progress(1, 1000, ends[1]);
    progress.begin_epoch(1);
    for (int64_t step = 1; step <= 1000; ++step) progress.update(step);
    progress.clear();
  }
  char byte;
  EXPECT_EQ(read(ends[0], &byte, 1), -1);  // nothing to read
  close(ends[0]);
  close(ends[1]);

  setenv("TERM", "dumb", 1);
  FakeTerminal terminal(80);
  Progress progress(1, 10, terminal.fd());
  progress.begin_epoch(1);
  progress.update(10);
  EXPECT_EQ(terminal.written(), "");
}

TEST(Log, GoesToStderrWithItsLevel) {
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  log().info("epoch {}", 3);
  log().debug("not shown");
  log().warn("careful");
  const std::string errors = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  EXPECT_CONTAINS(errors, " I epoch 3\n");
  EXPECT_CONTAINS(errors, " W careful\n");
  EXPECT_EQ(errors.find("not shown"), std::string::npos);
}

TEST(Table, Text) {
  EXPECT_EQ(format_table({"name", "n"}, {{"a", "1"}, {"long name", "23"}, {"é", ""}},
                         {Align::kLeft, Align::kRight}),
            "name        n\n"
            "---------  --\n"
            "a           1\n"
            "long name  23\n"
            "é\n");
}

TEST(Table, Markdown) {
  EXPECT_EQ(format_markdown_table({"name", "n"}, {{"a|b", "123"}, {"é", "4"}}, {Align::kLeft}),
            "| name |   n |\n"
            "| ---- | --: |\n"
            "| a\\|b | 123 |\n"
            "| é    |   4 |\n");
}

TEST(Table, NumbersAreGroupedByThousands) {
  for (const auto& [number, text] : {std::pair<int64_t, const char*>(0, "0"),
                                     {999, "999"},
                                     {1000, "1,000"},
                                     {1234567, "1,234,567"}})
    EXPECT_EQ(grouped(number), text);
}

TEST(Table, RowsMustFitTheHeader) { EXPECT_THROW(format_table({"a", "b"}, {{"1"}}, {}), Error); }

}  // namespace
}  // namespace mgqe
