// Exchanges of rows are pairs of point-to-point messages: their sizes pass 2 GiB, which MPI's
// collectives count in an int, and no sum depends on their order. Sums are MPI_Iallreduce, whose
// result is the same bits on every rank with the algorithms of Open MPI and MPICH; tests compare
// the ranks' arrays all the same.
//
// Waits spin for a moment and then sleep: MPI's own keep the core, which ranks and threads that
// share it then wait for (two ranks beside other work took a hundred times longer so).
#include "host/comm/mpi_communicator.hpp"

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <numeric>
#include <thread>

#include <mpi.h>

#include "host/base/host_name.hpp"
#include "host/comm/watchdog.hpp"
#include "host/engine/device_watch.hpp"

namespace mgqe {
namespace {

#define MGQE_MPI(call)                                                                  \
  do {                                                                                  \
    const int mgqe_status = (call);                                                     \
    if (mgqe_status != MPI_SUCCESS) mpi_failed(__FILE__, __LINE__, #call, mgqe_status); \
  } while (0)

[[noreturn]] void mpi_failed(const char* file, int line, const char* call, int status) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(status, text, &length);
  throw Error(detail::concat(file, ":", line, ": ", call, ": ", text));
}

constexpr int kRowsTag = 1, kCollectTag = 2;
constexpr int64_t kMessageBytes = int64_t{1} << 30;
constexpr int64_t kPieceBytes = int64_t{16} << 20;  // of do_collect: what rank 0 keeps beside
constexpr auto kSpin = std::chrono::microseconds(100);
constexpr auto kNap = std::chrono::microseconds(20);
constexpr auto kBetweenQuestions = std::chrono::milliseconds(100);

class MpiCommunicator final : public Communicator, public DeviceWatch {
 public:
  MpiCommunicator() {
    MGQE_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &world_));
    MGQE_MPI(MPI_Comm_set_errhandler(world_, MPI_ERRORS_RETURN));
    MGQE_MPI(MPI_Comm_rank(world_, &rank_));
    MGQE_MPI(MPI_Comm_size(world_, &size_));
    watchdog_ = std::make_unique<Watchdog>();
  }
  ~MpiCommunicator() override {
    watchdog_.reset();
    // All ranks free it together: what unwinds alone would wait for the others.
    if (std::uncaught_exceptions() == 0) MPI_Comm_free(&world_);
  }

  void use(Backend& backend) {
    backend_ = &backend;
    staged_ = backend.name() != "cpu";
  }

  std::string name() const override { return staged_ ? "mpi, staged through the host" : "mpi"; }
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void barrier() override {
    const Watchdog::Waiting waiting(*watchdog_, "a barrier");
    MGQE_MPI(MPI_Ibarrier(world_, &requests_.emplace_back()));
    wait(requests_);
  }
  [[noreturn]] void abort(const std::string& why) override { abort_mpi(rank_, why, 1); }
  void begin_step(uint64_t step) override { watchdog_->begin_step(step); }
  void between_steps() override { watchdog_->between_steps(); }

  void ask_while_waiting(std::function<std::string()> failure) override {
    device_failure_ = std::move(failure);
  }
  void begin_device_wait() override { watchdog_->begin_device_wait(); }
  void end_device_wait() noexcept override { watchdog_->end_device_wait(); }
  void device_got_on() override { watchdog_->device_got_on(); }
  void device_waits_for_ranks(bool waits) override { watchdog_->device_waits_for_ranks(waits); }

 protected:
  void do_all_reduce(View<float> x) override { reduce(x, MPI_FLOAT); }
  void do_all_reduce(View<double> x) override { reduce(x, MPI_DOUBLE); }

  void do_begin_all_to_all(Backend& on, std::span<const Exchange> exchanges) override {
    Transfer& transfer = under_way_.emplace_back(spare());
    transfer.arrays.resize(exchanges.size());
    for (size_t a = 0; a < exchanges.size(); ++a) {
      const auto& [send, receive] = exchanges[a];
      Transfer::Array& array = transfer.arrays[a];
      const uint8_t* const from = stage_in(on, send.data.data, send.total(), array.send_stage);
      array.received = receive.data.data;
      array.bytes = receive.total();
      array.to = room(array.received, array.bytes, array.receive_stage);
      std::vector<int64_t> begins(static_cast<size_t>(size_), 0);
      for (int r = 1; r < size_; ++r) begins[r] = begins[r - 1] + send.bytes[r - 1];
      begin_transfer([&](int r) { return from + begins[r]; }, send.bytes, array.to, receive.bytes,
                     transfer.requests);
    }
  }

  void do_finish_all_to_all(Backend& on) override {
    Transfer& transfer = under_way_.front();
    finish_transfer(transfer.requests);
    for (const Transfer::Array& array : transfer.arrays)
      stage_out(on, array.to, array.received, array.bytes);
    spares_.push_back(std::move(transfer));
    under_way_.pop_front();
  }

  void do_all_gather(View<const uint8_t> mine, Segments receive) override {
    const uint8_t* const from = stage_in(*backend_, mine.data, mine.size(), send_stage_);
    uint8_t* const to = room(receive.data.data, receive.total(), receive_stage_);
    const std::vector<int64_t> bytes(static_cast<size_t>(size_), mine.size());
    begin_transfer([&](int) { return from; }, bytes, to, receive.bytes, requests_);
    finish_transfer(requests_);
    stage_out(*backend_, to, receive.data.data, receive.total());
  }

  void do_exchange(std::span<const int64_t> to, std::span<int64_t> from) override {
    const Watchdog::Waiting waiting(*watchdog_, "an exchange of counts");
    const int each = static_cast<int>(to.size()) / size_;
    MGQE_MPI(MPI_Ialltoall(to.data(), each, MPI_INT64_T, from.data(), each, MPI_INT64_T, world_,
                           &requests_.emplace_back()));
    wait(requests_);
  }

  std::vector<std::string> do_gather(const std::string& mine) override {
    const std::vector<int64_t> length(static_cast<size_t>(size_),
                                      static_cast<int64_t>(mine.size()));
    std::vector<int64_t> lengths(length);
    do_exchange(length, lengths);
    std::string all(
        static_cast<size_t>(std::accumulate(lengths.begin(), lengths.end(), int64_t{0})), '\0');
    begin_transfer([&](int) { return reinterpret_cast<const uint8_t*>(mine.data()); }, length,
                   reinterpret_cast<uint8_t*>(all.data()), lengths, requests_);
    finish_transfer(requests_);
    std::vector<std::string> texts;
    size_t begin = 0;
    for (const int64_t bytes : lengths) {
      texts.push_back(all.substr(begin, static_cast<size_t>(bytes)));
      begin += static_cast<size_t>(bytes);
    }
    return texts;
  }

  void do_collect(std::span<const uint8_t> mine, std::span<const int64_t> sizes,
                  const TakePiece& take) override {
    const Watchdog::Waiting waiting(*watchdog_, "rank 0's collection of a table");
    if (rank_ > 0) {
      const auto bytes = static_cast<int64_t>(mine.size());
      for (int64_t first = 0; first < bytes; first += kPieceBytes) {
        const int64_t here = std::min(bytes - first, kPieceBytes);
        MGQE_MPI(MPI_Isend(mine.data() + first, static_cast<int>(here), MPI_BYTE, 0, kCollectTag,
                           world_, &requests_.emplace_back()));
        wait(requests_);
      }
      return;
    }
    std::vector<uint8_t> piece(
        static_cast<size_t>(std::min(kPieceBytes, *std::max_element(sizes.begin(), sizes.end()))));
    for (int r = 1; r < size_; ++r)
      for (int64_t first = 0; first < sizes[r]; first += kPieceBytes) {
        const int64_t here = std::min(sizes[r] - first, kPieceBytes);
        MGQE_MPI(MPI_Irecv(piece.data(), static_cast<int>(here), MPI_BYTE, r, kCollectTag, world_,
                           &requests_.emplace_back()));
        wait(requests_);
        take(r, first, {piece.data(), static_cast<size_t>(here)});
      }
  }

 private:
  /// Returns once all of them are done. Where the device has failed nothing is unwound: what is
  /// under way would arrive in memory that is no more.
  void wait(std::vector<MPI_Request>& requests) {
    const auto began = std::chrono::steady_clock::now();
    auto asked = began;
    for (int done = 0;;) {
      MGQE_MPI(MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done,
                           MPI_STATUSES_IGNORE));
      if (done != 0) return requests.clear();
      const auto now = std::chrono::steady_clock::now();
      if (now - began > kSpin) std::this_thread::sleep_for(kNap);
      if (device_failure_ == nullptr || now - asked < kBetweenQuestions) continue;
      if (const std::string why = device_failure_(); !why.empty()) abort_mpi(rank_, why, 2);
      asked = now;
    }
  }

  template <class T>
  void reduce(View<T> x, MPI_Datatype type) {
    const auto bytes = x.size() * static_cast<int64_t>(sizeof(T));
    uint8_t* const staged =
        staged_ ? const_cast<uint8_t*>(stage_in(*backend_, reinterpret_cast<const uint8_t*>(x.data),
                                                bytes, send_stage_))
                : reinterpret_cast<uint8_t*>(x.data);
    {
      const Watchdog::Waiting waiting(*watchdog_, "a sum over ranks");
      constexpr int64_t kMost = INT_MAX / 2;
      for (int64_t first = 0; first < x.size(); first += kMost)
        MGQE_MPI(MPI_Iallreduce(MPI_IN_PLACE, staged + first * static_cast<int64_t>(sizeof(T)),
                                static_cast<int>(std::min(kMost, x.size() - first)), type, MPI_SUM,
                                world_, &requests_.emplace_back()));
      wait(requests_);
    }
    stage_out(*backend_, staged, reinterpret_cast<uint8_t*>(x.data), bytes);
  }

  /// from(r), to_bytes[r] long, goes to rank r; what rank r sends, from_bytes[r] long, follows that
  /// of rank r - 1 in `to`.
  template <class From>
  void begin_transfer(const From& from, std::span<const int64_t> to_bytes, uint8_t* to,
                      std::span<const int64_t> from_bytes, std::vector<MPI_Request>& requests) {
    uint8_t* mine = to;
    for (int r = 0; r < size_; ++r) {
      if (r == rank_) mine = to;
      for (int64_t done = 0; r != rank_ && done < from_bytes[r]; done += kMessageBytes)
        MGQE_MPI(MPI_Irecv(to + done, message(from_bytes[r] - done), MPI_BYTE, r, kRowsTag, world_,
                           &requests.emplace_back()));
      to += from_bytes[r];
    }
    for (int step = 1; step < size_; ++step) {
      const int r = (rank_ + step) % size_;  // not all to the same rank at once
      for (int64_t done = 0; done < to_bytes[r]; done += kMessageBytes)
        MGQE_MPI(MPI_Isend(from(r) + done, message(to_bytes[r] - done), MPI_BYTE, r, kRowsTag,
                           world_, &requests.emplace_back()));
    }
    if (from_bytes[rank_] > 0)
      std::memcpy(mine, from(rank_), static_cast<size_t>(from_bytes[rank_]));
  }
  void finish_transfer(std::vector<MPI_Request>& requests) {
    const Watchdog::Waiting waiting(*watchdog_, "an exchange of rows");
    wait(requests);
  }
  static int message(int64_t left) { return static_cast<int>(std::min(left, kMessageBytes)); }

  // ---- host copies of a GPU's arrays; on a CPU the arrays themselves
  const uint8_t* stage_in(Backend& on, const uint8_t* device, int64_t bytes,
                          std::vector<uint8_t>& stage) {
    if (!staged_) return device;
    stage.resize(static_cast<size_t>(bytes));
    if (bytes > 0) on.download(stage.data(), device, stage.size());
    return stage.data();
  }
  uint8_t* room(uint8_t* device, int64_t bytes, std::vector<uint8_t>& stage) {
    if (!staged_) return device;
    stage.resize(static_cast<size_t>(bytes));
    return stage.data();
  }
  void stage_out(Backend& on, const uint8_t* stage, uint8_t* device, int64_t bytes) {
    if (staged_ && bytes > 0) on.upload(device, stage, static_cast<size_t>(bytes));
  }

  /// Exchanges that have begun together. Messages between two ranks keep their order, so several
  /// may be under way.
  struct Transfer {
    struct Array {
      std::vector<uint8_t> send_stage, receive_stage;
      uint8_t *to = nullptr, *received = nullptr;  // where messages arrive, and where they belong
      int64_t bytes = 0;
    };
    std::vector<MPI_Request> requests;
    std::vector<Array> arrays;
  };
  /// With the buffers of one that is finished.
  Transfer spare() {
    if (spares_.empty()) return {};
    Transfer transfer = std::move(spares_.back());
    spares_.pop_back();
    return transfer;
  }

  std::function<std::string()> device_failure_;
  Backend* backend_ = nullptr;
  bool staged_ = false;
  MPI_Comm world_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1;
  std::unique_ptr<Watchdog> watchdog_;
  std::vector<MPI_Request> requests_;
  std::vector<uint8_t> send_stage_, receive_stage_;
  std::deque<Transfer> under_way_;
  std::vector<Transfer> spares_;
};

}  // namespace

MpiWorld begin_mpi() {
  int provided = MPI_THREAD_SINGLE;
  MGQE_MPI(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided));
  MpiWorld world{};
  MGQE_MPI(MPI_Comm_rank(MPI_COMM_WORLD, &world.rank));
  MGQE_MPI(MPI_Comm_size(MPI_COMM_WORLD, &world.size));
  MPI_Comm machine = MPI_COMM_NULL;
  MGQE_MPI(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine));
  MGQE_MPI(MPI_Comm_rank(machine, &world.local_rank));
  MGQE_MPI(MPI_Comm_free(&machine));
  return world;
}

void end_mpi() { MPI_Finalize(); }

void meet_mpi() {
  constexpr auto kPatience = std::chrono::seconds(30);
  const auto began = std::chrono::steady_clock::now();
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Ibarrier(MPI_COMM_WORLD, &request);
  for (int met = 0;;) {
    MPI_Test(&request, &met, MPI_STATUS_IGNORE);
    if (met != 0) return;
    if (std::chrono::steady_clock::now() - began > kPatience) break;
    std::this_thread::sleep_for(kNap);
  }
  // A rank is gone, and MPI_Finalize would wait for it too. Why all end has been said.
  MPI_Abort(MPI_COMM_WORLD, 2);
  std::_Exit(2);
}

void abort_mpi(int rank, const std::string& why, int code) {
  std::fflush(stdout);
  std::fprintf(stderr, "rank %d on %s: %s\n", rank, host_name().c_str(), why.c_str());
  std::fflush(stderr);
  MPI_Abort(MPI_COMM_WORLD, code);
  std::_Exit(code);
}

std::unique_ptr<Communicator> make_mpi_communicator() {
  return std::make_unique<MpiCommunicator>();
}

void use_backend(Communicator& mpi, Backend& backend) {
  dynamic_cast<MpiCommunicator&>(mpi).use(backend);
}

}  // namespace mgqe
