// Bytes on 64, for loads and stores of whole registers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>

namespace mgqe {

inline constexpr std::align_val_t kRegisterAlign{64};

/// Uninitialised.
inline std::shared_ptr<uint8_t[]> aligned_bytes(int64_t size) {
  auto* bytes = static_cast<uint8_t*>(
      ::operator new(static_cast<size_t>(std::max<int64_t>(size, 1)), kRegisterAlign));
  return std::shared_ptr<uint8_t[]>(bytes,
                                    [](uint8_t* mine) { ::operator delete(mine, kRegisterAlign); });
}

}  // namespace mgqe
