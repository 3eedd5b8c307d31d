// Communicator: the ranks that train one model together, and what they say to each other. Models
// and trainer speak to it alone; host/comm and cuda/ have the ones that use MPI and NCCL. A rank is
// a process with a back end of its own.
//
// Every call is collective: all ranks make it, in the same order, with sizes that fit each other.
// Those on device arrays come after the ops called before them and before those called after; an
// exchange of rows can be begun and finished apart, for ops to run beside it. For a fixed number of
// ranks results are the same bits on every run, and a sum is the same bits on every rank.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "host/base/tensor.hpp"

namespace mgqe {

class Backend;

/// What an exchange carries, for the account of bytes and time.
enum class Traffic { kForward, kBackward, kCodebook, kDense, kControl };
inline constexpr int kTrafficKinds = 5;
const char* traffic_name(Traffic what);

struct TrafficAccount {
  int64_t calls = 0;
  /// This rank has sent to others. A sum over N ranks of b bytes counts 2 (N - 1) / N b, the least
  /// that any algorithm can do.
  int64_t bytes = 0;
  double seconds = 0.0;  // the host spent in the calls; or the device in exchanges, once settled
};

/// Bytes for, or of, each rank: rank r's segment follows rank r - 1's.
struct Segments {
  View<uint8_t> data;
  std::span<const int64_t> bytes;  // (N)

  int64_t total() const;
};
/// One array of an exchange.
struct Exchange {
  Segments send, receive;
};

template <class T>
View<uint8_t> as_bytes(View<T> x) {
  return {reinterpret_cast<uint8_t*>(x.data), x.size() * static_cast<int64_t>(sizeof(T))};
}

class Communicator {
 public:
  virtual ~Communicator() = default;

  /// "solo", "mpi" or "nccl".
  virtual std::string name() const = 0;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  bool alone() const { return size() == 1; }
  /// Of the ranks that print and write files, the one: rank 0.
  bool leads() const { return rank() == 0; }

  // ---- arrays of the device ---------------------------------------------------------------------
  /// x = the sum of the ranks' x.
  void all_reduce(Traffic what, View<float> x);
  void all_reduce(Traffic what, View<double> x);
  /// Segment r of `send` goes to rank r; segment r of `receive` comes from it. The bytes to and
  /// from a pair of ranks agree. `on`: the stream whose ops it stands among.
  void all_to_all(Traffic what, Backend& on, Segments send, Segments receive);
  /// The same of several arrays in one exchange.
  void all_to_all(Traffic what, Backend& on, std::span<const Exchange> exchanges);
  /// The same in two. Ops called in between may run beside the exchange: they leave what is sent as
  /// it is and what is received alone.
  void begin_all_to_all(Traffic what, Backend& on, Segments send, Segments receive);
  /// Ops of `on` called from here on follow the oldest exchange that is not finished.
  void finish_all_to_all(Backend& on);
  /// receive = every rank's `mine`, in rank order; receive.bytes[rank()] is the size of mine.
  void all_gather(Traffic what, View<const uint8_t> mine, Segments receive);

  // ---- values of the host -----------------------------------------------------------------------
  /// from (N, width) = what each rank says to this one; to (N, width).
  void exchange(Traffic what, std::span<const int64_t> to, std::span<int64_t> from);
  /// Every rank's text, in rank order.
  std::vector<std::string> gather(const std::string& mine);
  /// Rank 0 takes every rank's bytes, its own too: rank after rank, and those of a rank piece by
  /// piece, so that it never holds more than a piece it has no use for. sizes (N) are what the
  /// ranks give; `take` is called on rank 0 alone.
  using TakePiece = std::function<void(int rank, int64_t first, std::span<const uint8_t> piece)>;
  void collect(std::span<const uint8_t> mine, std::span<const int64_t> sizes,
               const TakePiece& take);
  virtual void barrier() = 0;

  /// Ends every rank's process, with one line that says why.
  [[noreturn]] virtual void abort(const std::string& why) = 0;
  /// For whoever watches over a run: the optimizer step that begins, and that what follows is none
  /// and may take its time.
  virtual void begin_step(uint64_t /*step*/) {}
  virtual void between_steps() {}

  const TrafficAccount& account(Traffic what) const { return accounts_[static_cast<int>(what)]; }
  void reset_accounts() { accounts_ = {}; }
  /// Where exchanges run on the device beside the host (NCCL), the host's seconds say little. After
  /// this each is timed there, and settle_accounts() waits for the device and makes the accounts'
  /// seconds its own.
  virtual void time_on_device() {}
  virtual void settle_accounts() {}

 protected:
  /// What the do_... under way carries.
  Traffic carried() const { return carried_; }
  void set_seconds(Traffic what, double seconds) {
    accounts_[static_cast<int>(what)].seconds = seconds;
  }

  virtual void do_all_reduce(View<float> x) = 0;
  virtual void do_all_reduce(View<double> x) = 0;
  virtual void do_begin_all_to_all(Backend& on, std::span<const Exchange> exchanges) = 0;
  /// Of those of the call that is oldest.
  virtual void do_finish_all_to_all(Backend& on) = 0;
  virtual void do_all_gather(View<const uint8_t> mine, Segments receive) = 0;
  virtual void do_exchange(std::span<const int64_t> to, std::span<int64_t> from) = 0;
  virtual std::vector<std::string> do_gather(const std::string& mine) = 0;
  /// Of the other ranks' bytes; a rank that has none makes no call.
  virtual void do_collect(std::span<const uint8_t> mine, std::span<const int64_t> sizes,
                          const TakePiece& take) = 0;

 private:
  template <class Call>
  void count(Traffic what, int64_t bytes, const Call& call);
  template <class Call>
  void time(Traffic what, const Call& call);
  void begin(Traffic what, Backend& on, std::span<const Exchange> exchanges);

  std::deque<Traffic> under_way_;  // exchanges begun and not finished
  Traffic carried_ = Traffic::kControl;
  std::array<TrafficAccount, kTrafficKinds> accounts_{};
};

/// A rank's stretch of a batch: of n examples, rank r of N has [r n / N, (r + 1) n / N).
struct BatchShare {
  int64_t first = 0, count = 0;

  static BatchShare of(const Communicator& ranks, int64_t examples) {
    const int64_t begin = examples * ranks.rank() / ranks.size();
    return {begin, examples * (ranks.rank() + 1) / ranks.size() - begin};
  }
  /// The largest of any rank, of batches of up to so many.
  static int64_t most(const Communicator& ranks, int64_t examples) {
    return (examples + ranks.size() - 1) / ranks.size();
  }
};

/// One rank: nothing to say to anyone.
std::unique_ptr<Communicator> make_solo();

}  // namespace mgqe
