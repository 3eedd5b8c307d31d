// Stand-in for Thrust: what cuda/ uses of its algorithms on device memory, each of which waits for its
// stream.
#pragma once

#include <numeric>
#include <stdexcept>
#include <vector>

#include "simulated_library.h"

namespace thrust {

template <class T>
class device_ptr {
 public:
  explicit device_ptr(T* pointer) : pointer_(pointer) {}
  T* get() const { return pointer_; }
  device_ptr operator+(ptrdiff_t n) const { return device_ptr(pointer_ + n); }
  ptrdiff_t operator-(device_ptr other) const { return pointer_ - other.pointer_; }

 private:
  T* pointer_;
};

template <class T>
struct greater {
  bool operator()(const T& a, const T& b) const { return a > b; }
};

namespace cuda {
struct Policy {
  cudaStream_t stream;
};
struct Par {
  Policy on(cudaStream_t stream) const { return {stream}; }
};
inline constexpr Par par;
}  // namespace cuda

namespace detail {
inline void check(const char* what, cudaError_t error) {
  if (error != cudaSuccess)
    throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(error));
}
inline void run(const char* what, cudaStream_t stream, std::function<void()> work) {
  check(what, simulator::enqueue(what, stream, std::move(work)));
  check(what, cudaStreamSynchronize(stream));
}
}  // namespace detail

template <class T, class U>
device_ptr<U> copy_n(cuda::Policy policy, device_ptr<T> from, ptrdiff_t n, device_ptr<U> to) {
  const size_t count = static_cast<size_t>(n);
  detail::run("thrust::copy_n", policy.stream, [=] {
    const T* const values = simulator::read(from.get(), count);
    std::copy(values, values + n, simulator::written(to.get(), count));
  });
  return to + n;
}

template <class T>
void sequence(cuda::Policy policy, device_ptr<T> begin, device_ptr<T> end) {
  const size_t count = static_cast<size_t>(end - begin);
  detail::run("thrust::sequence", policy.stream, [=] {
    T* const out = simulator::written(begin.get(), count);
    std::iota(out, out + count, T{});
  });
}

/// Takes and gives back device memory of its own, as Thrust does.
template <class K, class V, class Compare>
void stable_sort_by_key(cuda::Policy policy, device_ptr<K> begin, device_ptr<K> end,
                        device_ptr<V> values, Compare compare) {
  const char* const name = "thrust::stable_sort_by_key";
  const size_t count = static_cast<size_t>(end - begin);
  void* scratch = nullptr;
  detail::check(name, cudaMalloc(&scratch, 16 + sizeof(K) * count));
  detail::run(name, policy.stream, [=] {
    const K* const keys = simulator::read(begin.get(), count);
    const V* const payload = simulator::read(values.get(), count);
    std::vector<size_t> order(count);
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return compare(keys[a], keys[b]); });
    std::vector<K> sorted_keys(count);
    std::vector<V> sorted_values(count);
    for (size_t i = 0; i < count; ++i) {
      sorted_keys[i] = keys[order[i]];
      sorted_values[i] = payload[order[i]];
    }
    std::copy(sorted_keys.begin(), sorted_keys.end(), simulator::written(begin.get(), count));
    std::copy(sorted_values.begin(), sorted_values.end(), simulator::written(values.get(), count));
  });
  detail::check(name, cudaFree(scratch));
}

}  // namespace thrust
