// Ranks with a GPU each: collectives on device arrays are NCCL's, in a stream of their own, which
// waits for the ops that come before and is waited for by those that come after: what is called
// between the two ends of an exchange runs beside it. One stream for all of them gives every rank
// the same order. What the host says goes by the communicator that also brought the ranks together.
//
// An exchange on the device waits for other ranks there, where no error of the host's reaches it.
// So the host's waits (cuda/device_wait.cuh) look at how far the device is: at the steps it has
// come to, and at the begin and the end of each exchange, which tell a rank that waits for others
// from one whose own work hangs; and at NCCL's errors, upon which the exchanges are ended.
//
// Exchanges of rows are grouped sends and receives (NCCL has no all-to-all of its own); a rank's
// segment to itself is a copy. Sums are NCCL's: the same bits on every rank, and on every run of as
// many ranks on the same machines.
#include <array>
#include <deque>
#include <exception>
#include <memory>

#include <nccl.h>

#include "cuda/cuda_backend.cuh"
#include "cuda/event.cuh"

namespace mgqe {
namespace {

[[noreturn]] void nccl_failed(const char* file, int line, const char* call, ncclResult_t status) {
  throw DeviceError(detail::concat("NCCL has failed: ", ncclGetErrorString(status), " in ", call,
                                   " at ", file, ":", line));
}

#define MGQE_NCCL(call)                                                                  \
  do {                                                                                   \
    const ncclResult_t mgqe_status = (call);                                             \
    if (mgqe_status != ncclSuccess) nccl_failed(__FILE__, __LINE__, #call, mgqe_status); \
  } while (0)

/// Calls between a start and its end() are one operation. A group that an error leaves is closed
/// all the same: what is called next would else go into it.
class NcclGroup {
 public:
  NcclGroup() { MGQE_NCCL(ncclGroupStart()); }
  NcclGroup(const NcclGroup&) = delete;
  NcclGroup& operator=(const NcclGroup&) = delete;
  ~NcclGroup() {
    if (open_) static_cast<void>(ncclGroupEnd());
  }
  void end() {
    open_ = false;
    MGQE_NCCL(ncclGroupEnd());
  }

 private:
  bool open_ = true;
};

class NcclCommunicator final : public Communicator, public DeviceWatch {
 public:
  NcclCommunicator(CudaBackend& backend, std::unique_ptr<Communicator> host)
      : backend_(backend), host_(std::move(host)), exchanges_(backend.make_second_stream()) {
    ncclUniqueId id{};
    if (host_->leads()) MGQE_NCCL(ncclGetUniqueId(&id));
    const std::string leaders =
        host_->gather(std::string(reinterpret_cast<const char*>(&id), sizeof(id))).front();
    std::memcpy(&id, leaders.data(), sizeof(id));
    stream_ = dynamic_cast<CudaBackend&>(*exchanges_).stream();  // makes the device current
    MGQE_NCCL(ncclCommInitRank(&ranks_, host_->size(), id, host_->rank()));
    if (DeviceWatch* const watch = host_watch())
      watch->ask_while_waiting([this] { return met_failure(); });
  }
  // What the device has failed at is never finished, and ncclCommDestroy would wait for it; nor
  // does an error that is told wait for other ranks to come to an exchange.
  ~NcclCommunicator() override {
    if (DeviceWatch* const watch = host_watch()) watch->ask_while_waiting(nullptr);
    cudaError_t status = cudaErrorNotReady;
    const auto done = [&] { return (status = cudaStreamQuery(stream_)) != cudaErrorNotReady; };
    {
      const WatchedWait wait(this);
      const bool unwinding = std::uncaught_exceptions() > 0;
      poll(unwinding ? std::chrono::nanoseconds(kUnwindingPatience)
                     : std::chrono::nanoseconds::max(),
           done, [&] {
             try {
               check_device();
             } catch (const DeviceError&) {  // which ended what was waited for
             }
           });
      if (status != cudaSuccess) give_up_exchanges();
      if (!poll(kUnwindingPatience, done, [] {})) backend_.abandon();
    }
    if (ranks_ != nullptr) static_cast<void>(ncclCommDestroy(ranks_));
  }

  std::string name() const override { return "nccl"; }
  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  void barrier() override { host_->barrier(); }
  [[noreturn]] void abort(const std::string& why) override {
    host_->abort(why);
    throw Error(why);  // not reached: nvcc does not see that the call never returns
  }
  void begin_step(uint64_t step) override {
    check();
    host_->begin_step(step);
    look_at_steps();
    Event begun = spare();
    begun.record(backend_.stream());
    steps_.push_back(std::move(begun));
  }
  void between_steps() override {
    check();
    host_->between_steps();
  }
  void time_on_device() override { timed_ = true; }
  void settle_accounts() override {
    if (!timed_) return;
    exchanges_->synchronize();
    std::array<double, kTrafficKinds> seconds{};
    for (const Timed& one : timed_exchanges_)
      seconds[static_cast<size_t>(one.what)] += one.end.seconds_since(one.begin);
    for (int kind = 0; kind < kTrafficKinds; ++kind)
      set_seconds(static_cast<Traffic>(kind), seconds[static_cast<size_t>(kind)]);
    timed_exchanges_.clear();
  }

 protected:
  void do_all_reduce(View<float> x) override { sum(x.data, x.size(), ncclFloat); }
  void do_all_reduce(View<double> x) override { sum(x.data, x.size(), ncclDouble); }
  void do_begin_all_to_all(Backend& on, std::span<const Exchange> exchanges) override {
    begin(on);
    NcclGroup group;
    for (const auto& [send, receive] : exchanges) {
      const uint8_t* from = send.data.data;
      uint8_t* to = receive.data.data;
      for (int r = 0; r < size(); ++r) {
        transfer(r, from, send.bytes[r], to, receive.bytes[r]);
        from += send.bytes[r];
        to += receive.bytes[r];
      }
    }
    group.end();
    end();
    Event done = spare();
    done.record(stream_);
    under_way_.push_back(std::move(done));
  }
  void do_finish_all_to_all(Backend& on) override {
    under_way_.front().hold_back(dynamic_cast<CudaBackend&>(on).stream());
    spares_.push_back(std::move(under_way_.front()));
    under_way_.pop_front();
  }
  void do_all_gather(View<const uint8_t> mine, Segments receive) override {
    begin(backend_);
    NcclGroup group;
    uint8_t* to = receive.data.data;
    for (int r = 0; r < size(); ++r) {
      transfer(r, mine.data, mine.size(), to, receive.bytes[r]);
      to += receive.bytes[r];
    }
    group.end();
    end();
    backend_.wait_for(*exchanges_);
  }
  void do_exchange(std::span<const int64_t> to, std::span<int64_t> from) override {
    host_->exchange(Traffic::kControl, to, from);
  }
  std::vector<std::string> do_gather(const std::string& mine) override {
    return host_->gather(mine);
  }
  void do_collect(std::span<const uint8_t> mine, std::span<const int64_t> sizes,
                  const TakePiece& take) override {
    host_->collect(mine, sizes, [&](int rank, int64_t first, std::span<const uint8_t> piece) {
      if (rank > 0) take(rank, first, piece);  // rank 0's own it has taken
    });
  }

 private:
  Event spare() {
    if (spares_.empty()) return Event();
    Event event = std::move(spares_.back());
    spares_.pop_back();
    return event;
  }
  /// An exchange in its stream: the device has come to it, and is past it.
  struct Crossing {
    Event entered, left;
  };
  /// What comes next here waits for the ops of `on` so far.
  void begin(Backend& on) {
    exchanges_->wait_for(on);
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    MGQE_CUDA(cudaStreamIsCapturing(stream_, &status));
    crosses_ = status == cudaStreamCaptureStatusNone;  // events of a graph answer no questions
    if (crosses_) {
      if (crossings_.size() >= kMostCrossings) look_at_crossings();
      crossings_.push_back({spare(), spare()});
      crossings_.back().entered.record(stream_);
      crossings_.back().left.record(stream_);  // until end() says where
    }
    if (!timed_) return;
    timed_exchanges_.push_back({carried(), Event(cudaEventDefault), Event(cudaEventDefault)});
    timed_exchanges_.back().begin.record(stream_);
  }
  void end() {
    if (crosses_) crossings_.back().left.record(stream_);
    if (timed_) timed_exchanges_.back().end.record(stream_);
  }
  template <class T>
  void sum(T* x, int64_t size, ncclDataType_t type) {
    begin(backend_);
    MGQE_NCCL(ncclAllReduce(x, x, static_cast<size_t>(size), type, ncclSum, ranks_, stream_));
    end();
    backend_.wait_for(*exchanges_);
  }
  void transfer(int r, const uint8_t* from, int64_t to_bytes, uint8_t* to, int64_t from_bytes) {
    if (r == rank()) {
      if (to_bytes > 0)
        MGQE_CUDA(cudaMemcpyAsync(to, from, static_cast<size_t>(to_bytes), cudaMemcpyDeviceToDevice,
                                  stream_),
                  to_bytes, " bytes");
      return;
    }
    if (to_bytes > 0)
      MGQE_NCCL(ncclSend(from, static_cast<size_t>(to_bytes), ncclUint8, r, ranks_, stream_));
    if (from_bytes > 0)
      MGQE_NCCL(ncclRecv(to, static_cast<size_t>(from_bytes), ncclUint8, r, ranks_, stream_));
  }
  /// What a collective met after its call; empty: nothing.
  std::string met_failure() {
    ncclResult_t status = ncclSuccess;
    if (ranks_ == nullptr) return failure_;
    MGQE_NCCL(ncclCommGetAsyncError(ranks_, &status));
    if (status != ncclSuccess)
      failure_ = std::string("NCCL: ") + ncclGetErrorString(status) +
                 ": a rank or a link between ranks has failed";
    return failure_;
  }
  void check() {
    if (met_failure().empty()) return;
    give_up_exchanges();
    throw DeviceError(failure_);
  }

  // ---- DeviceWatch
  DeviceWatch* host_watch() const { return dynamic_cast<DeviceWatch*>(host_.get()); }
  void begin_device_wait() override {
    if (DeviceWatch* const watch = host_watch()) watch->begin_device_wait();
  }
  void end_device_wait() noexcept override {
    if (DeviceWatch* const watch = host_watch()) watch->end_device_wait();
  }
  void check_device() override {
    check();
    DeviceWatch* const watch = host_watch();
    if (watch == nullptr) return;
    if (const bool got_on = look_at_steps() + look_at_crossings() > 0; got_on)
      watch->device_got_on();
    watch->device_waits_for_ranks(!crossings_.empty() && crossings_.front().entered.is_reached());
  }
  bool exchanges_are_done() noexcept override {
    return cudaStreamQuery(stream_) != cudaErrorNotReady;
  }
  void give_up_exchanges() noexcept override {
    if (failure_.empty()) failure_ = "exchanges between ranks were given up";
    if (ranks_ != nullptr) static_cast<void>(ncclCommAbort(std::exchange(ranks_, nullptr)));
  }
  /// How many of them the device has come to since the last look.
  int look_at_steps() {
    int reached = 0;
    for (; !steps_.empty() && steps_.front().is_reached(); ++reached) {
      spares_.push_back(std::move(steps_.front()));
      steps_.pop_front();
    }
    return reached;
  }
  int look_at_crossings() {
    int left = 0;
    for (; !crossings_.empty() && crossings_.front().left.is_reached(); ++left) {
      spares_.push_back(std::move(crossings_.front().entered));
      spares_.push_back(std::move(crossings_.front().left));
      crossings_.pop_front();
    }
    return left;
  }

  CudaBackend& backend_;
  std::unique_ptr<Communicator> host_;
  std::unique_ptr<Backend> exchanges_;  // whose stream they are in
  ncclComm_t ranks_ = nullptr;
  cudaStream_t stream_ = nullptr;  // that one
  std::deque<Event> under_way_;    // the ends of exchanges that have begun
  std::vector<Event> spares_;
  static constexpr size_t kMostCrossings = 32;  // that are kept before the device is asked
  std::deque<Crossing> crossings_;              // which the device was not past at the last look
  bool crosses_ = false;
  std::deque<Event> steps_;  // begins of steps that it had not come to
  std::string failure_;      // why there are no exchanges any more
  struct Timed {
    Traffic what;
    Event begin, end;
  };
  bool timed_ = false;
  std::vector<Timed> timed_exchanges_;
};

}  // namespace

std::unique_ptr<Communicator> make_nccl_communicator(Backend& backend,
                                                     std::unique_ptr<Communicator> host) {
  return std::make_unique<NcclCommunicator>(dynamic_cast<CudaBackend&>(backend), std::move(host));
}

}  // namespace mgqe
