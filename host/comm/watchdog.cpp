#include "host/comm/watchdog.hpp"

#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <mpi.h>

#include "host/base/check.hpp"
#include "host/base/host_name.hpp"
#include "host/base/interruption.hpp"
#include "host/comm/mpi_communicator.hpp"

namespace mgqe {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kTick = std::chrono::milliseconds(200);  // launchers kill a second after SIGTERM
constexpr int kTicksPerBeat = 5;
constexpr int kBeatTag = 1;
constexpr int kDefaultSeconds = 45;

int limit_seconds() {
  const char* text = std::getenv("MGQE_WATCHDOG_SECONDS");
  if (text == nullptr) return kDefaultSeconds;
  int seconds = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, seconds);
  if (error != std::errc() || stop != end || seconds < 0)
    input_error("MGQE_WATCHDOG_SECONDS is ", text, ": give seconds, or 0 for no watchdog");
  return seconds;
}

/// An exchange takes less, unless a rank is away.
constexpr int64_t kStuck = 300'000'000;  // nanoseconds

int64_t now() { return Clock::now().time_since_epoch().count(); }

/// What a rank says of itself.
struct Beat {
  uint64_t step = 0;
  uint64_t exchanges = 0;
  int64_t seconds = 0;          // in the present state
  bool training = false;        // in the steps of an epoch
  bool for_ranks = false;       // what it waits for on the device is other ranks
  int64_t device_seconds = -1;  // since its device got on, where it waits for it
  char in[32] = "";             // the exchange it waits in; empty: none
  char host[64] = "";
};

}  // namespace

struct Watchdog::Thread {
  explicit Thread(Watchdog& watched) : watched(watched), limit(limit_seconds()) {
    MPI_Comm_dup(MPI_COMM_WORLD, &ranks);
    MPI_Comm_rank(ranks, &rank);
    MPI_Comm_size(ranks, &size);
    peers.resize(rank == 0 ? static_cast<size_t>(size) : 1);
    for (Peer& peer : peers) peer.heard = Clock::now();
    thread = std::thread([this] { run(); });
  }
  ~Thread() {
    {
      const std::lock_guard lock(mutex);
      ending = true;
    }
    wake.notify_one();
    thread.join();
    for (Peer& peer : peers)
      if (peer.request != MPI_REQUEST_NULL) {
        MPI_Cancel(&peer.request);
        MPI_Request_free(&peer.request);
      }
    if (std::uncaught_exceptions() == 0) MPI_Comm_free(&ranks);  // as MpiCommunicator's
  }

  /// Rank 0 has every rank as a peer, itself too, the others rank 0 alone.
  struct Peer {
    Beat said, sent;
    Clock::time_point heard;
    MPI_Request request = MPI_REQUEST_NULL;
  };

  void run() {
    std::unique_lock lock(mutex);
    for (int tick = 1; !wake.wait_for(lock, kTick, [this] { return ending; }); ++tick) {
      explain_signal();
      if (tick % kTicksPerBeat != 0) continue;
      listen();
      for (size_t i = 0; i < peers.size(); ++i) beat(static_cast<int>(i));
      judge();
    }
  }

  /// A rank that is told to end goes on to the end of its step, which never comes where another is
  /// dead. Two ranks say so, for one of them may be the dead one.
  void explain_signal() {
    const int signal = Interruption::noted_signal();
    const char* const in = watched.in_;
    if (signal == 0 || explained || rank > 1 || in == nullptr || now() - watched.since_ < kStuck)
      return;
    explained = true;
    std::fprintf(stderr,
                 "rank %d on %s: %s came in step %llu, in %s that another rank does not come to; "
                 "where the launcher says that a rank is gone, --resume goes on from the last "
                 "checkpoint\n",
                 rank, host_name().c_str(), signal_name(signal),
                 static_cast<unsigned long long>(watched.step_), in);
  }

  Beat own() const {
    Beat beat;
    beat.step = watched.step_;
    beat.exchanges = watched.exchanges_;
    beat.training = watched.training_;
    beat.seconds = (now() - watched.since_) / 1'000'000'000;
    if (watched.device_waits_ > 0) {
      beat.device_seconds = (now() - watched.device_since_) / 1'000'000'000;
      beat.for_ranks = watched.device_for_ranks_;
    }
    if (const char* in = watched.in_) std::strncpy(beat.in, in, sizeof(beat.in) - 1);
    std::strncpy(beat.host, host_name().c_str(), sizeof(beat.host) - 1);
    return beat;
  }

  /// Tells a peer, unless it has not yet taken the last beat.
  void beat(int peer_rank) {
    Peer& peer = peers[static_cast<size_t>(peer_rank)];
    if (rank == 0 && peer_rank == 0) {
      peer.said = own();
      peer.heard = Clock::now();
      return;
    }
    int taken = 1;
    if (peer.request != MPI_REQUEST_NULL) MPI_Test(&peer.request, &taken, MPI_STATUS_IGNORE);
    if (taken == 0) return;
    peer.sent = own();
    MPI_Isend(&peer.sent, sizeof(Beat), MPI_BYTE, peer_rank, kBeatTag, ranks, &peer.request);
  }

  void listen() {
    for (int there = 1;;) {
      MPI_Status status;
      MPI_Iprobe(MPI_ANY_SOURCE, kBeatTag, ranks, &there, &status);
      if (there == 0) return;
      Peer& peer = peers[static_cast<size_t>(rank == 0 ? status.MPI_SOURCE : 0)];
      MPI_Recv(&peer.said, sizeof(Beat), MPI_BYTE, status.MPI_SOURCE, kBeatTag, ranks,
               MPI_STATUS_IGNORE);
      peer.heard = Clock::now();
    }
  }

  void judge() {
    for (size_t r = 0; r < peers.size(); ++r) {
      const auto silent =
          std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - peers[r].heard).count();
      if (silent >= limit)
        end(static_cast<int>(r),
            detail::concat("has not been heard of for ", silent, " s: it is dead or stopped"));
    }
    if (rank != 0 || size == 1) return;
    judge_devices();
    judge_waiting();
  }

  /// A device that hangs in its own work is what the others wait for; where all wait for each
  /// other, no rank is to blame.
  void judge_devices() {
    const auto stuck = [&](const Peer& peer) {
      return peer.said.training && peer.said.device_seconds >= limit;
    };
    const Peer* waits = nullptr;
    bool all_wait = true;
    for (const Peer& peer : peers) {
      if (stuck(peer) && !peer.said.for_ranks)
        end(static_cast<int>(&peer - peers.data()),
            detail::concat("hangs: for ", peer.said.device_seconds,
                           " s its device has not come further with what it computes"));
      if (stuck(peer)) waits = &peer;
      all_wait = all_wait && stuck(peer);
    }
    if (waits == nullptr) return;
    if (all_wait)
      end(static_cast<int>(waits - peers.data()),
          detail::concat(
              "waits: for ", waits->said.device_seconds,
              " s no device has come out of an exchange between ranks, as where a link is "
              "down"));
    for (const Peer& peer : peers)
      if (peer.said.training && peer.said.device_seconds < 0 && peer.said.in[0] == '\0' &&
          peer.said.seconds >= limit)
        end(static_cast<int>(&peer - peers.data()),
            detail::concat("hangs: for ", peer.said.seconds,
                           " s it has not come to the exchange that the device of rank ",
                           waits - peers.data(), " waits in"));
  }

  /// The rank that has entered fewest exchanges is what one that waits is waiting for.
  void judge_waiting() {
    const Peer* last = &peers[0];
    const Peer* waits = nullptr;
    for (const Peer& peer : peers) {
      if (peer.said.exchanges < last->said.exchanges) last = &peer;
      if (peer.said.in[0] != '\0' && peer.said.seconds >= limit) waits = &peer;
    }
    if (waits == nullptr || last->said.exchanges >= waits->said.exchanges) return;
    if (last->said.in[0] != '\0' || last->said.seconds < limit || !last->said.training) return;
    if (last->said.device_seconds >= 0) return;  // judge_devices
    end(static_cast<int>(last - peers.data()),
        detail::concat("hangs: for ", last->said.seconds, " s it has not come to ", waits->said.in,
                       " that rank ", waits - peers.data(), " waits in"));
  }

  [[noreturn]] void end(int culprit, const std::string& what) const {
    const Beat& said = peers[static_cast<size_t>(rank == 0 ? culprit : 0)].said;
    abort_mpi(rank,
              detail::concat("rank ", culprit, said.host[0] == '\0' ? "" : " on ", said.host, " ",
                             what, "; its last step is ", said.step,
                             ". All ranks end; --resume goes on from the last checkpoint"),
              1);
  }

  Watchdog& watched;
  int limit;
  MPI_Comm ranks = MPI_COMM_NULL;
  int rank = 0, size = 1;
  std::vector<Peer> peers;
  std::mutex mutex;
  std::condition_variable wake;
  bool ending = false;
  bool explained = false;
  std::thread thread;
};

Watchdog::Watchdog() : since_(now()) {
  int provided = MPI_THREAD_SINGLE;
  MPI_Query_thread(&provided);
  if (limit_seconds() == 0) return;
  if (provided < MPI_THREAD_MULTIPLE) {
    std::fprintf(stderr, "warning: this MPI has no MPI_THREAD_MULTIPLE: hung ranks go unnoticed\n");
    return;
  }
  thread_ = std::make_unique<Thread>(*this);
}

Watchdog::~Watchdog() = default;

void Watchdog::begin_step(uint64_t step) {
  step_ = step;
  training_ = true;
  since_ = now();
}

void Watchdog::between_steps() {
  training_ = false;
  since_ = now();
}

void Watchdog::begin_device_wait() {
  if (device_waits_++ > 0) return;
  device_since_ = now();
  device_for_ranks_ = false;
}

void Watchdog::end_device_wait() noexcept { --device_waits_; }

void Watchdog::device_got_on() { device_since_ = now(); }

void Watchdog::device_waits_for_ranks(bool waits) { device_for_ranks_ = waits; }

Watchdog::Waiting::Waiting(Watchdog& watchdog, const char* what) : watchdog_(watchdog) {
  ++watchdog_.exchanges_;
  watchdog_.since_ = now();
  watchdog_.in_ = what;
}

Watchdog::Waiting::~Waiting() {
  watchdog_.in_ = nullptr;
  watchdog_.since_ = now();
}

}  // namespace mgqe
