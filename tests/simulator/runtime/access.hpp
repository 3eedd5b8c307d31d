// Every load and store of kernels: the compiler's instrumentation for ThreadSanitizer and for
// alignment calls functions that are defined here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace simulator {

/// Whether this host thread runs a kernel, so that its accesses are a device's.
extern thread_local bool in_kernel;

/// What a launch passes: constant for its threads.
void set_arguments(const void* begin, size_t bytes);

/// Accesses of libraries and copies, within an op: what may not be is a fault.
enum class Range { kRead, kCopied, kWritten };  // kCopied: bytes never written may be copied
void check_range(const void*, size_t bytes, Range);

/// On the device; bytes never written stay so.
void copy_bytes(void* to, const void* from, size_t bytes);

}  // namespace simulator
