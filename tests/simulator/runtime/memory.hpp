// Device memory: one range of addresses, none of which is used twice, closed to the host except
// while device work runs. Of each byte it is known whether it is allocated and written, and on
// which device.
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

// The state of a byte: these, and the device above them; 0 where nothing is allocated.
inline constexpr uint8_t kAllocated = 1, kWritten = 2;
inline constexpr int kDeviceShift = 2, kMaxDevices = 1 << (8 - kDeviceShift);

extern uintptr_t arena;      // where it begins; 0 before reserve_memory()
extern uint8_t* byte_state;  // of each byte of the arena
/// What work may read: allocated on the device that runs it, and written.
extern uint8_t good_state;
inline void run_on_device(int device) {
  good_state = static_cast<uint8_t>(device << kDeviceShift | kAllocated | kWritten);
}
/// The bytes are now written, or not any more; by who may write them.
void set_written(const void*, size_t bytes, bool written);

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
