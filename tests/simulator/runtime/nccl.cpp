// NCCL: ranks are processes, their bytes travel by MPI.
//
// An exchange that another rank does not come to keeps its stream waiting; ncclCommAbort ends it.
// One of them fails where CUDASIM_FAILING_EXCHANGE says so: no rank answers, and NCCL has an error
// to report.
//
// What a GPU does beside the host must not wait here until the host waits: another rank may be
// waiting for it in a call of its own. So an exchange is two tasks of its stream: one that sends,
// which runs before the call returns, and one that receives, which runs when the stream's work
// does. Whatever order of host calls and exchanges ranks agree on, none waits for what another has
// not begun. Messages between two ranks are numbered in the order of the calls, as NCCL matches
// them.
#include "tests/simulator/include/nccl.h"

#include <cstring>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "tests/simulator/include/simulated_library.h"
#include "tests/simulator/runtime/call.hpp"
#include "tests/simulator/runtime/fault.hpp"
#include "tests/simulator/runtime/options.hpp"
#include "tests/simulator/runtime/work.hpp"

#if SIMULATOR_WITH_MPI
#include <mpi.h>
#endif

struct SimulatedRanks {
  int rank, size;
  std::vector<int> sent, received;  // messages to and from each rank
  int64_t exchanges = 0;
  bool failed = false, aborted = false;
#if SIMULATOR_WITH_MPI
  MPI_Comm world = MPI_COMM_NULL;
#endif
};

namespace {

constexpr char kIdMark = 7;

struct Message {
  int peer, tag;
  const void* from = nullptr;  // of a send
  void* to = nullptr;          // of a receive
  size_t bytes = 0;
};
/// What one group of calls does in one stream.
struct Exchange {
  ncclComm_t ranks;
  cudaStream_t stream;
  std::vector<Message> sends, receives;
};

thread_local int open_groups = 0;
thread_local std::vector<Exchange> group;

size_t size_of(ncclDataType_t type) {
  switch (type) {
    case ncclDouble:
      return 8;
    case ncclFloat:
    case ncclInt32:
      return 4;
    default:
      return 1;
  }
}

int next_tag(int& count) { return count++ % 32768; }

#if SIMULATOR_WITH_MPI
/// The sends of one exchange, whose bytes live until they have arrived.
struct Sent {
  std::vector<std::vector<char>> bytes;
  std::vector<MPI_Request> requests;
};

void send(const SimulatedRanks& ranks, const Message& m, Sent& sent) {
  const auto* const from = static_cast<const char*>(simulator::read_bytes(m.from, m.bytes));
  sent.bytes.emplace_back(from, from + m.bytes);
  sent.requests.emplace_back();
  MPI_Isend(sent.bytes.back().data(), static_cast<int>(m.bytes), MPI_BYTE, m.peer, m.tag,
            ranks.world, &sent.requests.back());
}

std::vector<char> receive(const SimulatedRanks& ranks, const Message& m) {
  MPI_Message message;
  MPI_Status status;
  MPI_Mprobe(m.peer, m.tag, ranks.world, &message, &status);
  int bytes = 0;
  MPI_Get_count(&status, MPI_BYTE, &bytes);
  std::vector<char> data(static_cast<size_t>(bytes));
  MPI_Mrecv(data.data(), bytes, MPI_BYTE, &message, MPI_STATUS_IGNORE);
  if (data.size() != m.bytes)
    simulator::library_fault(fmt::format("rank {} expects {} bytes of rank {}, which sends {}",
                                         ranks.rank, m.bytes, m.peer, bytes));
  return data;
}

void finish(Sent& sent) {
  if (sent.requests.empty()) return;
  MPI_Waitall(static_cast<int>(sent.requests.size()), sent.requests.data(), MPI_STATUSES_IGNORE);
}
#endif

ncclResult_t result(cudaError_t error) {
  return error == cudaSuccess ? ncclSuccess : ncclUnhandledCudaError;
}

/// The two tasks; `begin` runs at once where nothing is captured. The other waits for the messages
/// of other ranks.
ncclResult_t enqueue_pair(const std::string& what, ncclComm_t ranks, cudaStream_t stream,
                          std::vector<Message> receives, std::function<void()> begin,
                          std::function<void()> end) {
  if (++ranks->exchanges == simulator::options().failing_exchange) {
    ranks->failed = true;
    simulator::counts.launches_before_failure = simulator::counts.launches;
  }
  const auto arrived = [ranks, receives] {
    if (ranks->aborted || ranks->failed) return ranks->aborted;
#if SIMULATOR_WITH_MPI
    for (const Message& m : receives) {
      int there = 0;
      MPI_Iprobe(m.peer, m.tag, ranks->world, &there, MPI_STATUS_IGNORE);
      if (there == 0) return false;
    }
#endif
    return true;
  };
  const cudaError_t begun = simulator::enqueue(what + " (begins)", stream, std::move(begin));
  if (begun != cudaSuccess) return result(begun);
  {
    const std::lock_guard<std::recursive_mutex> hold(simulator::device_lock);
    if (stream->capture)
      stream->capture->communicates = true;
    else if (!ranks->failed)
      simulator::run_now(stream);
  }
  return result(simulator::enqueue(
      what + " (ends)", stream,
      [ranks, end = std::move(end)] {
        if (!ranks->aborted) end();
      },
      arrived));
}

ncclResult_t run(const Exchange& exchange) {
#if SIMULATOR_WITH_MPI
  const auto sent = std::make_shared<Sent>();
  return enqueue_pair(
      "NCCL exchange", exchange.ranks, exchange.stream, exchange.receives,
      [=] {
        *sent = {};
        for (const Message& m : exchange.sends) send(*exchange.ranks, m, *sent);
      },
      [=] {
        for (const Message& m : exchange.receives) {
          const std::vector<char> data = receive(*exchange.ranks, m);
          std::memcpy(simulator::written_bytes(m.to, m.bytes), data.data(), data.size());
        }
        finish(*sent);
      });
#else
  static_cast<void>(exchange);
  return ncclInvalidUsage;
#endif
}

Exchange& exchange_of(ncclComm_t ranks, cudaStream_t stream) {
  for (Exchange& e : group)
    if (e.ranks == ranks && e.stream == stream) return e;
  group.push_back({ranks, stream, {}, {}});
  return group.back();
}

/// A send or receive; outside of a group it is one of its own.
template <class Add>
ncclResult_t in_group(ncclComm_t ranks, int peer, const Add& add) {
  if (ranks == nullptr || peer < 0 || peer >= ranks->size) return ncclInvalidArgument;
  if (peer == ranks->rank) return ncclInvalidUsage;  // only in a group that has both ends
  static_cast<void>(ncclGroupStart());
  add();
  return ncclGroupEnd();
}

template <class T>
void add_up(const std::vector<std::vector<char>>& parts, void* out, size_t count) {
  std::vector<T> sum(count, T{});
  for (const std::vector<char>& part : parts)
    for (size_t i = 0; i < count; ++i) {
      T value;
      std::memcpy(&value, part.data() + i * sizeof(T), sizeof(T));
      sum[i] += value;
    }
  std::memcpy(out, sum.data(), count * sizeof(T));
}

}  // namespace

const char* ncclGetErrorString(ncclResult_t error) {
  switch (error) {
    case ncclSuccess:
      return "no error";
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    default:
      return "an error of NCCL's";
  }
}
ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  std::memset(id, kIdMark, sizeof(*id));
  return ncclSuccess;
}
ncclResult_t ncclCommInitRank(ncclComm_t* ranks, int size, ncclUniqueId id, int rank) {
  if (id.internal[0] != kIdMark || rank < 0 || rank >= size) return ncclInvalidArgument;
  auto made = std::make_unique<SimulatedRanks>();
  made->rank = rank;
  made->size = size;
  made->sent.resize(static_cast<size_t>(size));
  made->received.resize(static_cast<size_t>(size));
  if (size > 1) {
#if SIMULATOR_WITH_MPI
    int begun = 0, world = 0;
    MPI_Initialized(&begun);
    if (!begun) return ncclSystemError;
    MPI_Comm_size(MPI_COMM_WORLD, &world);
    if (world != size) return ncclInvalidUsage;
    MPI_Comm_dup(MPI_COMM_WORLD, &made->world);
#else
    return ncclInvalidUsage;
#endif
  }
  *ranks = made.release();
  return ncclSuccess;
}
ncclResult_t ncclCommDestroy(ncclComm_t ranks) {
#if SIMULATOR_WITH_MPI
  int over = 0;
  MPI_Finalized(&over);
  if (ranks->size > 1 && !over) MPI_Comm_free(&ranks->world);
#endif
  delete ranks;
  return ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t ranks) {
  static std::vector<std::unique_ptr<SimulatedRanks>> aborted;  // what waits in streams asks them
  ranks->aborted = true;
  aborted.emplace_back(ranks);
  return ncclSuccess;
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t ranks, ncclResult_t* error) {
  if (ranks == nullptr) return ncclInvalidArgument;
  if (ranks->failed) {
    *error = ncclRemoteError;
    return ncclSuccess;
  }
  *error = simulator::sticky_error() == cudaSuccess ? ncclSuccess : ncclUnhandledCudaError;
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  ++open_groups;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  if (open_groups == 0) return ncclInvalidUsage;
  if (--open_groups > 0) return ncclSuccess;
  for (const Exchange& exchange : std::exchange(group, {}))
    if (const ncclResult_t error = run(exchange); error != ncclSuccess) return error;
  return ncclSuccess;
}
ncclResult_t ncclSend(const void* from, size_t count, ncclDataType_t type, int peer,
                      ncclComm_t ranks, cudaStream_t stream) {
  return in_group(ranks, peer, [&] {
    exchange_of(ranks, stream)
        .sends.push_back({peer, next_tag(ranks->sent[peer]), from, nullptr, count * size_of(type)});
  });
}
ncclResult_t ncclRecv(void* to, size_t count, ncclDataType_t type, int peer, ncclComm_t ranks,
                      cudaStream_t stream) {
  return in_group(ranks, peer, [&] {
    exchange_of(ranks, stream)
        .receives.push_back(
            {peer, next_tag(ranks->received[peer]), nullptr, to, count * size_of(type)});
  });
}

/// Every rank adds up all ranks' parts in the same order: the same bits everywhere.
ncclResult_t ncclAllReduce(const void* in, void* out, size_t count, ncclDataType_t type,
                           ncclRedOp_t, ncclComm_t ranks, cudaStream_t stream) {
  if (ranks == nullptr) return ncclInvalidArgument;
  if (type != ncclFloat && type != ncclDouble) return ncclInvalidUsage;  // not simulated
  const size_t bytes = count * size_of(type);
  std::vector<Message> to, from;
  for (int r = 0; r < ranks->size; ++r) {
    if (r == ranks->rank) continue;
    to.push_back({r, next_tag(ranks->sent[r]), in, nullptr, bytes});
    from.push_back({r, next_tag(ranks->received[r]), nullptr, nullptr, bytes});
  }
  const auto mine = std::make_shared<std::vector<char>>();
#if SIMULATOR_WITH_MPI
  const auto sent = std::make_shared<Sent>();
#endif
  return enqueue_pair(
      "ncclAllReduce", ranks, stream, from,
      [=] {
        const auto* const begin = static_cast<const char*>(simulator::read_bytes(in, bytes));
        mine->assign(begin, begin + bytes);
#if SIMULATOR_WITH_MPI
        *sent = {};
        for (const Message& m : to) send(*ranks, m, *sent);
#endif
      },
      [=] {
        std::vector<std::vector<char>> parts(static_cast<size_t>(ranks->size));
        parts[ranks->rank] = *mine;
#if SIMULATOR_WITH_MPI
        for (const Message& m : from) parts[m.peer] = receive(*ranks, m);
        finish(*sent);
#endif
        void* const sums = simulator::written_bytes(out, bytes);
        if (type == ncclFloat)
          add_up<float>(parts, sums, count);
        else
          add_up<double>(parts, sums, count);
      });
}
