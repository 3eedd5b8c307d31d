#include "host/base/interruption.hpp"

#include <atomic>

namespace mgqe {
namespace {

std::atomic<int> noted{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may write it");

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
    default:
      return "a signal";
  }
}

Interruption::Interruption() {
  noted = 0;
  for (size_t i = 0; i < std::size(kSignals); ++i) {
    sigaction(kSignals[i], nullptr, &before_[i]);
    if (before_[i].sa_handler == SIG_IGN) continue;
    struct sigaction note {};
    note.sa_handler = [](int signal) { noted = signal; };
    // Schedulers and launchers may send the others twice, people mean it when they press twice.
    note.sa_flags = SA_RESTART | (kSignals[i] == SIGINT ? SA_RESETHAND : 0);
    sigaction(kSignals[i], &note, nullptr);
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
