#include "tests/simulator/runtime/races.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include <fmt/format.h>
#include <sys/mman.h>

#include "tests/kernels/block.hpp"
#include "tests/simulator/runtime/memory.hpp"
#include "tests/simulator/runtime/order.hpp"

namespace simulator {
namespace {

using simt::kMaxWarps, simt::kWarp;

// A record: segment 32 | clock 15 | thread 10 | sharing 2 | atomic 1 | bytes of the word 4.
using Record = uint64_t;
constexpr int kSegmentShift = 32, kClockShift = 17, kThreadShift = 7, kSharingShift = 5;
constexpr uint32_t kMaxClock = (1u << 15) - 1;
constexpr Record kAtomicBit = 1u << 4, kBytes = 0xF;
constexpr Record kWho = ~Record{0} << kThreadShift;

enum Sharing : Record { kOneThread, kLanes, kThreads, kBlocks };  // who had it, at most

constexpr uint32_t segment_of(Record r) { return static_cast<uint32_t>(r >> kSegmentShift); }
constexpr uint32_t clock_of(Record r) { return r >> kClockShift & kMaxClock; }
constexpr int thread_of(Record r) { return static_cast<int>(r >> kThreadShift & 1023); }
constexpr Record sharing_of(Record r) { return r >> kSharingShift & 3; }

struct Cell {
  Record written, read;
};
Cell* cells = nullptr;  // of each 4 bytes of the arena

/// What the lanes of a warp know of one another since the last barrier.
struct WarpClock {
  uint32_t all_seen = 0;  // every lane has met every lane's clock up to here
  uint32_t clock[kWarp];
  uint32_t seen[kWarp][kWarp];  // by lane, of lane
  bool partly = false;          // some met without the others
};
WarpClock warp_clocks[kMaxWarps];
int block_warps = 0;

uint32_t op_first = 0, block_first = 0, segment = 0, last_segment = 0;
int running_thread = 0;
const WarpClock* running_warp = nullptr;
Record me = 0;  // segment, clock and thread of who runs

Record race_with = 0;
bool race_was_write = false;

void restart_clocks() {
  for (int w = 0; w < block_warps; ++w) {
    WarpClock& warp = warp_clocks[w];
    warp.all_seen = 0;
    std::fill(warp.clock, warp.clock + kWarp, 1);
    if (warp.partly) std::memset(warp.seen, 0, sizeof(warp.seen));
    warp.partly = false;
  }
}

void take_identity() {
  const uint32_t clock = running_warp != nullptr ? running_warp->clock[running_thread % kWarp] : 0;
  me = Record{segment} << kSegmentShift | Record{clock} << kClockShift |
       Record{static_cast<uint32_t>(running_thread)} << kThreadShift;
}

/// Of the segment that runs, or of others that a barrier does not put before it.
template <bool kShared>
[[gnu::noinline]] bool ordered_otherwise(Record r) {
  const uint32_t s = segment_of(r);
  if (s < block_first) {
    if (kShared) return true;  // of an earlier block, whose shared memory was another
    return s < op_first && has_happened(op_of(s));
  }
  const Record sharing = sharing_of(r);
  if (sharing == kThreads || sharing == kBlocks) return false;
  if (sharing == kOneThread && thread_of(r) == running_thread) return true;
  if (running_warp == nullptr || thread_of(r) / kWarp != running_thread / kWarp) return false;
  const uint32_t clock = clock_of(r);
  if (clock <= running_warp->all_seen) return true;
  return sharing == kOneThread && running_warp->partly &&
         clock <= running_warp->seen[running_thread % kWarp][thread_of(r) % kWarp];
}

/// Whether what the record tells of has happened before what the running thread does.
template <bool kShared>
bool ordered(Record r) {
  const uint32_t s = segment_of(r);
  if (s < ordered_below) return true;
  if (s >= block_first && s < segment && sharing_of(r) != kBlocks) return true;  // a barrier
  return ordered_otherwise<kShared>(r);
}

/// The record of an access that joins earlier ones which nothing puts before it.
Record joined(Record earlier, Record mine) {
  Record sharing = kBlocks;
  if (segment_of(earlier) >= block_first && sharing_of(earlier) != kBlocks) {
    sharing = thread_of(earlier) / kWarp == running_thread / kWarp &&
                      sharing_of(earlier) != kThreads && running_warp != nullptr
                  ? kLanes
                  : kThreads;
    if (sharing_of(earlier) == kOneThread && thread_of(earlier) == running_thread)
      sharing = kOneThread;
  }
  return mine | sharing << kSharingShift | (earlier & kBytes);
}

template <Access kind, bool kShared>
bool note_word(Cell& cell, Record bytes) {
  constexpr bool kWrites = kind != Access::kRead;
  const Record mine = me | bytes | (kind == Access::kAtomic ? kAtomicBit : 0);
  const auto conflicts = [&](Record r) {
    if ((r & bytes) == 0 || (kind == Access::kAtomic && (r & kAtomicBit) != 0)) return false;
    return !ordered<kShared>(r);
  };
  // Nothing new most of the time: the same thread again.
  const bool own_write = ((cell.written ^ mine) & (kWho | kAtomicBit)) == 0;
  if (!own_write && conflicts(cell.written)) {
    race_with = cell.written;
    race_was_write = true;
    return false;
  }
  if (!kWrites) {
    Record& r = cell.read;
    if (((r ^ mine) & kWho) == 0)
      r |= bytes;
    else if (segment_of(r) >= op_first && !(segment_of(r) >= block_first && ordered<kShared>(r)) &&
             !(kShared && segment_of(r) < block_first))
      r = joined(r, mine);
    else
      r = mine;
    return true;
  }
  const bool own_read = ((cell.read ^ mine) & kWho) == 0 && sharing_of(cell.read) == kOneThread;
  if (!own_read && conflicts(cell.read)) {
    race_with = cell.read;
    race_was_write = false;
    return false;
  }
  if (own_write)
    cell.written |= bytes;
  else if (kind == Access::kAtomic && (cell.written & kAtomicBit) != 0 &&
           segment_of(cell.written) >= op_first && !ordered<kShared>(cell.written))
    cell.written = joined(cell.written, mine);
  else
    cell.written = mine;
  return true;
}

template <Access kind, bool kShared>
bool note_words(uintptr_t offset, size_t bytes) {
  Cell* cell = cells + offset / 4;
  if ((bytes | offset) % 4 == 0) {
    for (; bytes > 0; bytes -= 4, ++cell)
      if (!note_word<kind, kShared>(*cell, kBytes)) return false;
    return true;
  }
  const uintptr_t end = offset + bytes;
  for (uintptr_t at = offset / 4 * 4; at < end; at += 4, ++cell) {
    const uintptr_t from = std::max(offset, at) - at, to = std::min(end, at + 4) - at;
    const Record mask = ((Record{1} << to) - 1) & ~((Record{1} << from) - 1);
    if (!note_word<kind, kShared>(*cell, mask)) return false;
  }
  return true;
}

}  // namespace

void reserve_records() {
  const size_t bytes = kArenaBytes / 4 * sizeof(Cell);
  void* const p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  cells = static_cast<Cell*>(p);
}

void drop_records(uintptr_t offset, size_t bytes) {
  constexpr uintptr_t kPage = 4096;
  const auto first = (reinterpret_cast<uintptr_t>(cells + offset / 4) + kPage - 1) / kPage * kPage;
  const auto last = reinterpret_cast<uintptr_t>(cells + (offset + bytes) / 4) / kPage * kPage;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

uint32_t next_segment() { return ++last_segment; }

void begin_segments_of_op(uint32_t first) {
  op_first = block_first = segment = first;
  running_thread = 0;
  running_warp = nullptr;
  take_identity();
}

void begin_block(int warps) {
  block_warps = warps;
  segment = block_first = next_segment();
  restart_clocks();
}

void thread_runs(int thread) {
  running_thread = thread;
  running_warp = &warp_clocks[thread / kWarp];
  take_identity();
}

void lanes_met(int w, uint32_t mask) {
  WarpClock& warp = warp_clocks[w];
  uint32_t latest = 0;
  if (mask == ~0u) {
    if (warp.partly)
      latest = *std::max_element(warp.clock, warp.clock + kWarp);
    else
      latest = warp.clock[0];
    warp.all_seen = latest;
    std::fill(warp.clock, warp.clock + kWarp, latest + 1);
  } else {
    warp.partly = true;
    uint32_t both[kWarp] = {};
    for (int l = 0; l < kWarp; ++l) {
      if (!(mask >> l & 1)) continue;
      warp.seen[l][l] = warp.clock[l];
      for (int o = 0; o < kWarp; ++o) both[o] = std::max(both[o], warp.seen[l][o]);
    }
    for (int l = 0; l < kWarp; ++l) {
      if (!(mask >> l & 1)) continue;
      std::memcpy(warp.seen[l], both, sizeof(both));
      latest = std::max(latest, ++warp.clock[l]);
    }
  }
  if (latest + 2 > kMaxClock) {  // clocks are full: as at a barrier, which sees a little less
    segment = next_segment();
    restart_clocks();
  }
}

void threads_met() {
  segment = next_segment();
  restart_clocks();
}

template <Access kind>
bool note(uintptr_t offset, size_t bytes) {
  return offset < kSharedBytes ? note_words<kind, true>(offset, bytes)
                               : note_words<kind, false>(offset, bytes);
}
template bool note<Access::kRead>(uintptr_t, size_t);
template bool note<Access::kWrite>(uintptr_t, size_t);
template bool note<Access::kAtomic>(uintptr_t, size_t);

std::string last_race() {
  const Record r = race_with;
  std::string text = race_was_write ? "what was written" : "what was read";
  if (r & kAtomicBit) text += " atomically";
  text += " by ";
  const uint32_t s = segment_of(r);
  if (s < op_first) {
    const Op& op = op_of(s);
    return text + *op.name +
           (op.graph_launch != 0 && op.graph_launch == running_op().graph_launch
                ? ", of another branch of the graph"
                : ", which no stream order or event puts before");
  }
  if (s < block_first || sharing_of(r) == kBlocks) return text + "another block";
  switch (sharing_of(r)) {
    case kOneThread:
      return text + fmt::format("thread {} of the block", thread_of(r));
    case kLanes:
      return text + fmt::format("lanes of warp {} of the block", thread_of(r) / kWarp);
    default:
      return text + "several threads of the block";
  }
}

}  // namespace simulator
