// What stand-ins of libraries (CUB, Thrust, cuBLAS, NCCL) need of the simulated device.
#pragma once

#include <functional>
#include <string>

#include "cuda_runtime.h"

namespace simulator {

/// `work` runs in the order of the stream. Device memory is reached through read() and written()
/// alone, in there.
/// ready: says when what it needs has come from outside of the device, until which it waits.
cudaError_t enqueue(const std::string& what, cudaStream_t, std::function<void()> work,
                    std::function<bool()> ready = nullptr);

/// The range, checked as one access: bounds, freed memory, uninitialised bytes, races.
const void* read_bytes(const void*, size_t bytes);
void* written_bytes(void*, size_t bytes);
template <class T>
const T* read(const T* data, size_t count) {
  return static_cast<const T*>(read_bytes(data, count * sizeof(T)));
}
template <class T>
T* written(T* data, size_t count) {
  return static_cast<T*>(written_bytes(data, count * sizeof(T)));
}
/// What a library leaves in scratch: nothing to be read again.
void clobber(void*, size_t bytes);

[[noreturn]] void library_fault(const std::string& what);
bool on_device(const void*);

inline bool overlap(const void* a, size_t a_bytes, const void* b, size_t b_bytes) {
  return static_cast<const char*>(a) < static_cast<const char*>(b) + b_bytes &&
         static_cast<const char*>(b) < static_cast<const char*>(a) + a_bytes;
}

/// The rules of scratch that CUB's device algorithms share: asked for its size by a null pointer, of
/// at least that size, and of no one else's bytes. True where the call was a question.
bool asked_for_scratch(const char* what, void* scratch, size_t& bytes, size_t needed);

}  // namespace simulator
