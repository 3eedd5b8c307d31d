// Reads and writes that the system does in part, or a signal cuts short.
#include "host/io/descriptor.hpp"

#include <csignal>
#include <numeric>
#include <string>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include "tests/support/io_testing.hpp"

namespace mgqe {
namespace {

using testing::ScratchFolder;
using testing::write_text;

TEST(Descriptor, WhatASignalCutsShortGoesOn) {
  struct sigaction before, plain = {};  // without SA_RESTART: calls are cut short
  plain.sa_handler = [](int) {};
  sigaction(SIGUSR1, &plain, &before);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const Descriptor from(ends[0]);
  std::string sent(size_t{1} << 20, '\0');
  std::iota(sent.begin(), sent.end(), '\0');
  bool written = false;
  std::thread writer([&] {
    const Descriptor to(ends[1]);
    written = to.write(sent.data(), sent.size());  // more than a pipe holds
  });
  std::string received;
  char piece[5000];
  for (ssize_t count; (count = from.read(piece, sizeof piece)) > 0;) {
    received.append(piece, static_cast<size_t>(count));
    if (received.size() < sent.size() / 2) pthread_kill(writer.native_handle(), SIGUSR1);
  }
  writer.join();
  sigaction(SIGUSR1, &before, nullptr);
  EXPECT_TRUE(written);
  EXPECT_TRUE(received == sent);
}

TEST(Descriptor, FailuresLeaveErrno) {
  const ScratchFolder folder;
  EXPECT_FALSE(Descriptor(folder / "none", O_RDONLY).is_open());
  EXPECT_EQ(errno, ENOENT);
  write_text(folder / "x", "abcdef");
  Descriptor file(folder / "x", O_RDONLY);
  char text[6];
  EXPECT_TRUE(file.read_at(2, text, 4));
  EXPECT_EQ(std::string(text, 4), "cdef");
  EXPECT_FALSE(file.read_at(2, text, 5));
  EXPECT_EQ(errno, EIO);
  EXPECT_FALSE(file.write("x", 1));
  EXPECT_EQ(errno, EBADF);
  EXPECT_TRUE(file.close());
  EXPECT_FALSE(file.is_open());
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  EXPECT_FALSE(Descriptor("/dev/full", O_WRONLY).write("x", 1));
  EXPECT_EQ(errno, ENOSPC);
}

TEST(Descriptor, AssignmentClosesWhatItHad) {
  const ScratchFolder folder;
  write_text(folder / "x", "abc");
  Descriptor file(folder / "x", O_RDONLY);
  const int first = file.fd();
  file = Descriptor(folder / "x", O_RDONLY);
  EXPECT_EQ(fcntl(first, F_GETFD), -1);
  EXPECT_NE(fcntl(file.fd(), F_GETFD) & FD_CLOEXEC, 0);
}

}  // namespace
}  // namespace mgqe
