// Who wrote each word of the arena last, and who read it since: two accesses that nothing orders,
// one of them a write, are a race, whatever order they happened to run in.
//
// Time on the device is numbered in segments: what a block does between two barriers is one, and
// numbers only grow. Within a segment, lanes of a warp are ordered by the collectives they meet in
// (a clock a lane). A record is 64 bits: segment, clock, thread, which bytes of the word, how
// widely it is shared, whether atomic. Of several reads that nothing orders only the last and the
// fact that there were several are kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace simulator {

void reserve_records();
void drop_records(uintptr_t offset, size_t bytes);  // of freed memory

// ---- the thread that runs -----------------------------------------------------------------------
void begin_segments_of_op(uint32_t first);  // no thread yet
uint32_t next_segment();                    // a number not used before
void begin_block(int warps);
void thread_runs(int thread);
void lanes_met(int warp, uint32_t mask);
void threads_met();

// ---- accesses -----------------------------------------------------------------------------------
enum class Access { kRead, kWrite, kAtomic };
/// Notes it. False: a race, described by last_race().
template <Access kind>
bool note(uintptr_t offset, size_t bytes);
extern template bool note<Access::kRead>(uintptr_t, size_t);
extern template bool note<Access::kWrite>(uintptr_t, size_t);
extern template bool note<Access::kAtomic>(uintptr_t, size_t);
/// "what was written by block 3, thread 5 of this kernel, ..."
std::string last_race();

}  // namespace simulator
