// DeviceBuffer owns a cudaMalloc; Workspace hands out scratch to one op at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <tuple>
#include <utility>

#include "cuda/check.cuh"

namespace mgqe {

/// Error where the stream is being captured into a graph: what follows can be no part of one, and
/// CUDA would only say so when the capture ends.
inline void refuse_in_capture(cudaStream_t stream, const char* what) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  MGQE_CUDA(cudaStreamIsCapturing(stream, &status), what);
  MGQE_CHECK(status == cudaStreamCaptureStatusNone, what,
             " inside a training step that is being recorded as a graph");
}

/// Device bytes aligned to 256. The only place that calls cudaMalloc and cudaFree.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(size_t bytes) : bytes_(bytes) {
    const cudaError_t status = cudaMalloc(&data_, bytes);
    if (status == cudaErrorMemoryAllocation) refuse(bytes);
    MGQE_CUDA(status, "cudaMalloc of ", bytes, " bytes");
  }
  /// Takes over what detach() gave away.
  static DeviceBuffer adopt(void* data) noexcept {
    DeviceBuffer buffer;
    buffer.data_ = data;
    return buffer;
  }
  DeviceBuffer(DeviceBuffer&& other) noexcept { *this = std::move(other); }
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  // A failure here belongs to an earlier kernel, and the next checked call reports it.
  ~DeviceBuffer() { static_cast<void>(cudaFree(data_)); }

  void* detach() noexcept { return std::exchange(data_, nullptr); }
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  [[noreturn]] static void refuse(size_t bytes) {
    static_cast<void>(cudaGetLastError());  // reported here
    size_t free = 0, total = 0;
    static_cast<void>(cudaMemGetInfo(&free, &total));
    throw DeviceError(detail::concat("the GPU has no room for ", bytes, " bytes more: ", free,
                                     " of its ", total, " are free"));
  }

  void* data_ = nullptr;
  size_t bytes_ = 0;
};

/// Scratch of the op that is being launched. Ops run in order in one stream, so the next op may
/// have the same bytes. Grows on the first calls of a size, after waiting for the stream; a
/// training step, whose sizes repeat, never allocates. Growing moves the bytes, so that whatever
/// holds their address across ops (a graph) must look at version().
class Workspace {
 public:
  /// Room for counts... elements of each T, until the next take. Uninitialised.
  template <class... T, class... Counts>
  std::tuple<T*...> take(cudaStream_t stream, Counts... counts) {
    static_assert(sizeof...(T) == sizeof...(Counts));
    reserve(stream, (bytes_of<T>(counts) + ... + 0));
    auto* next = static_cast<unsigned char*>(buffer_.data());
    return {carve<T>(next, counts)...};  // braces: left to right
  }
  /// How often the bytes have moved.
  uint64_t version() const { return version_; }
  /// How it waits for the stream, else as CUDA does.
  void wait_by(std::function<void(cudaStream_t)> wait) { wait_ = std::move(wait); }
  /// Leaves its bytes to the end of the process: a stream that never gets done uses them.
  void abandon() noexcept { static_cast<void>(buffer_.detach()); }

 private:
  static constexpr size_t kAlignment = 256;

  template <class T>
  static size_t bytes_of(int64_t count) {
    return (sizeof(T) * static_cast<size_t>(count) + kAlignment - 1) / kAlignment * kAlignment;
  }
  template <class T>
  static T* carve(unsigned char*& next, int64_t count) {
    return reinterpret_cast<T*>(std::exchange(next, next + bytes_of<T>(count)));
  }
  void reserve(cudaStream_t stream, size_t bytes) {
    if (bytes <= buffer_.bytes()) return;
    refuse_in_capture(stream, "scratch of an op grows");
    ++version_;
    if (wait_ != nullptr)
      wait_(stream);
    else
      MGQE_CUDA(cudaStreamSynchronize(stream));
    buffer_ = DeviceBuffer();
    buffer_ = DeviceBuffer(bytes);
  }

  DeviceBuffer buffer_;
  uint64_t version_ = 0;
  std::function<void(cudaStream_t)> wait_;
};

}  // namespace mgqe
