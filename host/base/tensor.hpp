// View<T>: a pointer and a shape, passed by value, also into kernels.
// Tensor<T>: the owner of a device allocation; it frees through the Memory that made it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "host/base/check.hpp"

namespace mgqe {

/// Row-major (rows, cols); a vector is (n, 1). Never owns.
template <class T>
struct View {
  T* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 1;

  View() = default;
  MGQE_HD View(T* data, int64_t rows, int64_t cols = 1) : data(data), rows(rows), cols(cols) {}
  /// View<float> converts to View<const float>.
  template <class U>
  requires(std::is_same_v<const U, T> && !std::is_const_v<U>) MGQE_HD View(View<U> other)
      : data(other.data), rows(other.rows), cols(other.cols) {}

  MGQE_HD int64_t size() const { return rows * cols; }
  MGQE_HD T& operator[](int64_t i) const { return data[i]; }
  MGQE_HD T* row(int64_t r) const { return data + r * cols; }
  /// Rows [first, first + count).
  MGQE_HD View slice(int64_t first, int64_t count) const {
    return View(data + first * cols, count, cols);
  }
};

/// Whether the two share memory.
template <class T, class U>
bool overlap(View<T> x, View<U> y) {
  const auto* const a = reinterpret_cast<const unsigned char*>(x.data);
  const auto* const b = reinterpret_cast<const unsigned char*>(y.data);
  return a < b + y.size() * static_cast<int64_t>(sizeof(U)) &&
         b < a + x.size() * static_cast<int64_t>(sizeof(T));
}

/// What a Tensor needs from its device. Backend implements it.
class Memory {
 public:
  virtual ~Memory() = default;
  /// Uninitialised device bytes, aligned to 256; throws Error naming the size when there is no
  /// room.
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* pointer) noexcept = 0;
  /// Copies are complete when they return.
  virtual void upload(void* device, const void* host, size_t bytes) = 0;
  virtual void download(void* host, const void* device, size_t bytes) = 0;
  /// Sets bytes to zero, in stream order.
  virtual void zero(void* device, size_t bytes) = 0;
};

template <class T>
class Tensor {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Tensor() = default;
  /// Zero-filled (rows, cols).
  Tensor(Memory& memory, int64_t rows, int64_t cols = 1) : memory_(&memory) {
    MGQE_CHECK(rows >= 0 && cols >= 1, "shape (", rows, ", ", cols, ")");
    T* data = rows == 0 ? nullptr : static_cast<T*>(memory.allocate(bytes_of(rows, cols)));
    view_ = View<T>(data, rows, cols);
    zero();
  }
  Tensor(Memory& memory, std::span<const T> host, int64_t cols = 1)
      : Tensor(memory, static_cast<int64_t>(host.size()) / cols, cols) {
    assign(host);
  }
  Tensor(Tensor&& other) noexcept { swap(other); }
  Tensor& operator=(Tensor&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Tensor() {
    if (view_.data != nullptr) memory_->release(view_.data);
  }

  View<T> view() const { return view_; }
  operator View<T>() const { return view_; }
  operator View<const T>() const requires(!std::is_const_v<T>) { return view_; }
  T* data() const { return view_.data; }
  int64_t rows() const { return view_.rows; }
  int64_t cols() const { return view_.cols; }
  int64_t size() const { return view_.size(); }
  size_t bytes() const { return bytes_of(view_.rows, view_.cols); }

  void zero() {
    if (view_.data != nullptr) memory_->zero(view_.data, bytes());
  }
  void assign(std::span<const T> host) {
    MGQE_CHECK(static_cast<int64_t>(host.size()) == size(), "host has ", host.size(),
               " values, tensor ", size());
    if (!host.empty()) memory_->upload(view_.data, host.data(), bytes());
  }
  std::vector<T> to_host() const {
    std::vector<T> host(static_cast<size_t>(size()));
    if (!host.empty()) memory_->download(host.data(), view_.data, bytes());
    return host;
  }

 private:
  static size_t bytes_of(int64_t rows, int64_t cols) {
    return static_cast<size_t>(rows) * static_cast<size_t>(cols) * sizeof(T);
  }
  void swap(Tensor& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(view_, other.view_);
  }

  Memory* memory_ = nullptr;
  View<T> view_;
};

}  // namespace mgqe
