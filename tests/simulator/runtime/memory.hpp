// Device memory: one range of addresses, none of which is used twice, closed to the host except while
// device work runs. Two bits a byte say whether it is allocated and whether it was written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace simulator {

/// Shared memory of the block that runs comes first, then allocations.
inline constexpr size_t kSharedBytes = 1 << 20;
inline constexpr size_t kArenaBytes = size_t{1} << 38;
inline constexpr size_t kDeviceBytes = size_t{8} << 30;  // what a device says it has

inline constexpr uint8_t kAllocated = 1, kWritten = 2;

extern uintptr_t arena;      // where it begins; 0 before reserve_memory()
extern uint8_t* byte_state;  // of each byte of the arena

inline bool in_arena(const void* p) { return reinterpret_cast<uintptr_t>(p) - arena < kArenaBytes; }

void reserve_memory();
/// Aligned to 256 and filled with 0xFF bytes; null where the device has no room.
void* allocate(size_t bytes, int device);
/// False where nothing was allocated there.
bool release(void*);
size_t bytes_in_use(int device);

/// To code without checks: copies, libraries, kernels. Nested.
class OpenMemory {
 public:
  OpenMemory();
  OpenMemory(const OpenMemory&) = delete;
  OpenMemory& operator=(const OpenMemory&) = delete;
  ~OpenMemory();
};

/// "byte 400 of allocation 12 of 400 bytes, made by ...", or what else the address is.
std::string describe(const void*);
/// Why these bytes may not be read or written; null where they may.
const char* refusal(const void*, size_t bytes, bool write);

/// Allocations that were never freed, described.
std::vector<std::string> leaks();

}  // namespace simulator
