// Files appear whole or not at all; folders and logs that cannot be written are refused.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/io/atomic_file.hpp"
#include "host/io/console/metrics_log.hpp"
#include "tests/support/io_testing.hpp"

namespace mgqe {
namespace {

using testing::FileLimit;
using testing::read_text;
using testing::refusal;
using testing::ScratchFolder;
using testing::write_text;

TEST(AtomicFile, ReplacesTheOldFileAndLeavesNothingElse) {
  const ScratchFolder folder;
  write_file_atomically(folder / "x", "a long first text");
  write_file_atomically(folder / "x", std::string_view("b\0c", 3));
  EXPECT_EQ(read_text(folder / "x"), std::string("b\0c", 3));
  EXPECT_EQ(folder.entries(), 1);
}

TEST(AtomicFile, ANewFileIsAsPrivateAsTheOld) {
  const ScratchFolder folder;
  write_text(folder / "x", "old");
  ASSERT_EQ(chmod((folder / "x").c_str(), 0600), 0);
  write_file_atomically(folder / "x", "new");
  struct stat status {};
  ASSERT_EQ(stat((folder / "x").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST(AtomicFile, ALinkStaysOne) {
  const ScratchFolder folder;
  write_text(folder / "x", "old");
  std::filesystem::create_symlink("x", folder / "link");
  write_file_atomically(folder / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_EQ(read_text(folder / "x"), "new");
}

TEST(AtomicFile, WhatIsNoFileStays) {
  const ScratchFolder folder;
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(refusal([&] { write_file_atomically(folder / "pipe", "new"); }),
            (folder / "pipe").string() +
                " is a device, pipe or socket, which a file would replace: name a file");
  EXPECT_TRUE(std::filesystem::is_fifo(folder / "pipe"));
}

TEST(OutputFile, IsRefusedBeforeTheWork) {
  const ScratchFolder folder;
  write_text(folder / "in", "data");
  std::filesystem::create_symlink("in", folder / "link");
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  const std::vector<std::string> read = {"", (folder / "in").string()};
  const auto message = [&](const std::string& name) {
    return refusal([&] { require_output_file("--out", folder / name, read); });
  };
  for (const char* name : {"in", "link"})
    EXPECT_EQ(message(name),
              "--out " + (folder / name).string() + " is the file that is read: write to another");
  EXPECT_EQ(message("pipe"), (folder / "pipe").string() +
                                 " is a device, pipe or socket, which a file would replace: name a "
                                 "file");
  EXPECT_EQ(message("."), "--out " + (folder / ".").string() + " is a folder: name a file");
  require_output_file("--out", folder / "new/out", read);
  EXPECT_EQ(read_text(folder / "in"), "data");
}

TEST(AtomicFile, WithoutCommitNothingHappened) {
  const ScratchFolder folder;
  write_text(folder / "x", "old");
  {
    AtomicFile file(folder / "x");
    file.write("new", 3);
    EXPECT_EQ(read_text(folder / "x"), "old");
  }
  EXPECT_EQ(read_text(folder / "x"), "old");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(AtomicFile, RefusalsNameThePathAndTheReason) {
  const ScratchFolder folder;
  const auto missing = refusal([&] { write_file_atomically(folder / "none/x", "text"); });
  EXPECT_CONTAINS(missing, (folder / "none/x").string() + " cannot be written: No such file");

  std::filesystem::create_directories(folder / "taken/inner");
  const auto taken = refusal([&] { write_file_atomically(folder / "taken", "text"); });
  EXPECT_CONTAINS(taken, "Is a directory");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(AtomicFile, FullDisk) {
  const ScratchFolder folder;
  write_text(folder / "x", "old");
  for (const size_t bytes : {size_t{5}, size_t{1} << 20}) {  // fails when flushed; when written
    const std::string content(bytes, 'x');
    std::string message;
    {
      const FileLimit limit(4);
      message = refusal([&] { write_file_atomically(folder / "x", content); });
    }
    EXPECT_CONTAINS(message, "x could not be written: File too large");
    EXPECT_EQ(folder.entries(), 1);
    EXPECT_EQ(read_text(folder / "x"), "old");
  }
}

TEST(AtomicFile, PiecesOfEverySizeStayInOrder) {
  const ScratchFolder folder;
  std::string content;
  {
    AtomicFile file(folder / "x");
    for (const size_t bytes : {1, 0, 65535, 7, 200'000, 1, 65536, 30'000, 30'000, 30'000}) {
      const std::string piece(bytes, static_cast<char>('a' + content.size() % 26));
      file.write(piece.data(), piece.size());
      content += piece;
    }
    file.commit();
  }
  EXPECT_EQ(read_text(folder / "x"), content);
}

TEST(AtomicFile, WhatAKilledProcessLeftIsSwept) {
  const ScratchFolder folder;
  const pid_t killed = fork();
  if (killed == 0) {
    AtomicFile file(folder / "x");
    file.write("half", 4);
    _exit(0);  // without a destructor
  }
  waitpid(killed, nullptr, 0);
  EXPECT_EQ(folder.entries(), 1);
  for (const char* other : {"x", "x.tmp", "x.1.bak", "x.draft.tmp", "y.1-2.tmp"})
    write_text(folder / other, "kept");
  EXPECT_EQ(folder.entries(), 6);
  remove_leftovers(folder / "x");
  EXPECT_EQ(folder.entries(), 5);
  EXPECT_EQ(read_text(folder / "x.draft.tmp"), "kept");
  remove_leftovers(folder / "none/x");  // nothing is there, nothing is said
}

TEST(RemoveFile, IsContentWithNone) {
  const ScratchFolder folder;
  write_text(folder / "x", "old");
  remove_file(folder / "x");
  remove_file(folder / "x");
  EXPECT_EQ(folder.entries(), 0);
  std::filesystem::create_directory(folder / "x");
  EXPECT_CONTAINS(refusal([&] { remove_file(folder / "x"); }), "x cannot be removed: ");
}

TEST(AtomicFile, TwoThatWriteOneNameShareNothing) {
  const ScratchFolder folder;
  AtomicFile first(folder / "x");
  AtomicFile second(folder / "x");
  EXPECT_EQ(folder.entries(), 2);
  first.write("first", 5);
  second.write("2nd", 3);
  first.commit();
  EXPECT_EQ(read_text(folder / "x"), "first");
  second.commit();
  EXPECT_EQ(read_text(folder / "x"), "2nd");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(AtomicFile, ManyProcessesAtOnceLeaveOneWholeFile) {
  constexpr int kWriters = 6, kRounds = 15;
  constexpr size_t kBytes = 100'000;
  const ScratchFolder folder;
  std::vector<pid_t> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.push_back(fork());
    if (writers.back() != 0) continue;
    try {
      const std::string mine(kBytes + static_cast<size_t>(w), static_cast<char>('a' + w));
      for (int round = 0; round < kRounds; ++round) write_file_atomically(folder / "x", mine);
      _exit(0);
    } catch (const std::exception&) {
      _exit(1);
    }
  }
  for (const pid_t writer : writers) {
    int status = -1;
    waitpid(writer, &status, 0);
    EXPECT_EQ(status, 0) << "a writer failed";
    const std::string text = read_text(folder / "x");
    ASSERT_GE(text.size(), kBytes);
    EXPECT_EQ(text, std::string(kBytes + static_cast<size_t>(text[0] - 'a'), text[0]));
  }
  EXPECT_EQ(folder.entries(), 1);
}

TEST(Directory, IsMadeWithItsParents) {
  const ScratchFolder folder;
  ensure_writable_directory(folder / "a/b");
  ensure_writable_directory(folder / "a/b");
  EXPECT_TRUE(std::filesystem::is_directory(folder / "a/b"));
}

TEST(Directory, Refusals) {
  const ScratchFolder folder;
  write_text(folder / "file", "");
  EXPECT_CONTAINS(refusal([&] { ensure_writable_directory(folder / "file"); }),
                  "file cannot be made: a file of that name exists");
  EXPECT_CONTAINS(refusal([&] { ensure_writable_directory(folder / "file/sub"); }),
                  "Not a directory");
  EXPECT_CONTAINS(refusal([&] { ensure_writable_directory(""); }), "cannot be made");
}

TEST(Directory, ReadOnlyIsRefused) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write anywhere";
  const ScratchFolder folder;
  std::filesystem::create_directory(folder / "locked");
  using std::filesystem::perms;
  std::filesystem::permissions(folder / "locked", perms::owner_read | perms::owner_exec);
  EXPECT_CONTAINS(refusal([&] { ensure_writable_directory(folder / "locked"); }),
                  "cannot be written to: Permission denied");
}

TEST(MetricsLog, OneLineAnEpochReadableAtOnce) {
  const ScratchFolder folder;
  write_text(folder / "metrics.jsonl", "left from before\n");
  MetricsLog log(folder / "metrics.jsonl");
  EXPECT_EQ(read_text(folder / "metrics.jsonl"), "");
  log.append({{"epoch", 1}, {"train_loss", 0.25}});
  EXPECT_EQ(read_text(folder / "metrics.jsonl"), "{\"epoch\":1,\"train_loss\":0.25}\n");
  nlohmann::json line;
  line["text"] = "two\nlines";
  line["bad"] = std::numeric_limits<double>::quiet_NaN();
  log.append(line);
  EXPECT_EQ(read_text(folder / "metrics.jsonl"),
            "{\"epoch\":1,\"train_loss\":0.25}\n{\"bad\":null,\"text\":\"two\\nlines\"}\n");
}

TEST(MetricsLog, GoesOnBehindTheEpochsThatCount) {
  const ScratchFolder folder;
  const std::filesystem::path path = folder / "metrics.jsonl";
  const std::string first = "{\"epoch\":1}\n", second = "{\"epoch\":2}\n";
  const auto kept = [&](const std::string& before) {
    write_text(path, before);
    MetricsLog(path, /*epochs=*/2).append({{"epoch", 3}});
    return read_text(path);
  };
  const std::string third = "{\"epoch\":3}\n";
  EXPECT_EQ(kept(first + second + "{\"epoch\":3,\"old\":1}\n"), first + second + third);
  EXPECT_EQ(kept(first + "{\"epoch\":2}"), first + third) << "its last line was cut short";
  EXPECT_EQ(kept(first + "no JSON\n" + second), first + third);
  EXPECT_EQ(kept(first + "{\"loss\":2}\n"), first + third);
  EXPECT_EQ(kept("[1]\n"), third);
  EXPECT_EQ(kept(""), third);
  std::filesystem::remove(path);
  MetricsLog(path, 2).append({{"epoch", 3}});
  EXPECT_EQ(read_text(path), third);
}

TEST(MetricsLog, Refusals) {
  const ScratchFolder folder;
  EXPECT_CONTAINS(refusal([&] { MetricsLog log(folder / "none/x"); }), "No such file");
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  MetricsLog log("/dev/full");
  EXPECT_CONTAINS(refusal([&] { log.append({{"epoch", 1}}); }), "No space left on device");
}

}  // namespace
}  // namespace mgqe
