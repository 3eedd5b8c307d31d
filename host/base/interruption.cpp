#include "host/base/interruption.hpp"

#include <atomic>
#include <cstdint>
#include <ctime>

namespace mgqe {
namespace {

std::atomic<int> noted{0};
std::atomic<int64_t> first_press{0};  // of Ctrl-C, in nanoseconds; 0: none yet
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<int64_t>::is_always_lock_free,
              "a signal handler may write them");

// The terminal sends one to every process of a pipeline or launcher, which may pass it on again.
constexpr int64_t kOnePress = 300'000'000;  // nanoseconds

int64_t now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

void note(int signal) {
  if (signal == SIGINT) {
    int64_t first = 0;
    const bool again = !first_press.compare_exchange_strong(first, now());
    if (again && now() - first > kOnePress) {  // as people mean it when they press twice
      std::signal(SIGINT, SIG_DFL);
      raise(SIGINT);
      return;
    }
  }
  noted = signal;
}

}  // namespace

const char* signal_name(int signal) {
  switch (signal) {
    case SIGINT:
      return "SIGINT";
    case SIGTERM:
      return "SIGTERM";
    case SIGUSR1:
      return "SIGUSR1";
    case SIGHUP:
      return "SIGHUP";
    case SIGPIPE:
      return "SIGPIPE";
    default:
      return "a signal";
  }
}

Interruption::Interruption(bool notes_broken_pipe) {
  noted = 0;
  first_press = 0;
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], nullptr, &before_[i]);
    if (before_[i].sa_handler == SIG_IGN) continue;
    if (kSignals[i] == SIGPIPE && !notes_broken_pipe) continue;
    struct sigaction action {};
    action.sa_handler = note;
    action.sa_flags = SA_RESTART;
    sigaction(kSignals[i], &action, nullptr);
  }
}

Interruption::~Interruption() {
  for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &before_[i], nullptr);
}

int Interruption::signal() const { return noted; }
int Interruption::noted_signal() { return noted; }

Interrupted::Interrupted(int signal, const std::string& what_happened)
    : Error(std::string("interrupted by ") + signal_name(signal) + ": " + what_happened),
      signal_(signal) {}

void end_as_interrupted(int signal) {
  if (signal != SIGINT) return;
  std::signal(signal, SIG_DFL);
  raise(signal);
}

}  // namespace mgqe
