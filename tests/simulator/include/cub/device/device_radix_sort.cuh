// Stand-in for cub::DeviceRadixSort.
#pragma once

#include <numeric>
#include <vector>

#include "simulated_library.h"

namespace cub {

struct DeviceRadixSort {
  template <class K, class V>
  static cudaError_t SortPairs(void* scratch, size_t& scratch_bytes, const K* keys_in, K* keys_out,
                               const V* values_in, V* values_out, int n, int begin_bit = 0,
                               int end_bit = sizeof(K) * 8, cudaStream_t stream = nullptr) {
    static_assert(std::is_unsigned_v<K>, "only unsigned keys are simulated");
    constexpr int kBits = sizeof(K) * 8;
    const char* const name = "cub::DeviceRadixSort::SortPairs";
    if (n < 0 || begin_bit < 0 || begin_bit > end_bit || end_bit > kBits)
      return cudaErrorInvalidValue;
    const size_t count = static_cast<size_t>(n);
    // An odd number, so that rounding it down anywhere shows.
    const size_t needed = (count * (sizeof(K) + sizeof(V)) + 1279) / 256 * 256 + 1;
    if (simulator::asked_for_scratch(name, scratch, scratch_bytes, needed)) return cudaSuccess;
    const size_t bytes = scratch_bytes;
    return simulator::enqueue(name, stream, [=] {
      const size_t key_bytes = count * sizeof(K), value_bytes = count * sizeof(V);
      if (simulator::overlap(keys_in, key_bytes, keys_out, key_bytes) ||
          simulator::overlap(values_in, value_bytes, values_out, value_bytes) ||
          simulator::overlap(keys_out, key_bytes, values_out, value_bytes) ||
          simulator::overlap(keys_in, key_bytes, values_out, value_bytes) ||
          simulator::overlap(scratch, bytes, keys_in, key_bytes) ||
          simulator::overlap(scratch, bytes, keys_out, key_bytes) ||
          simulator::overlap(scratch, bytes, values_in, value_bytes) ||
          simulator::overlap(scratch, bytes, values_out, value_bytes))
        simulator::library_fault("arrays overlap");
      const K* const keys = simulator::read(keys_in, count);
      const V* const values = simulator::read(values_in, count);
      const int width = end_bit - begin_bit;
      const K mask = width >= kBits ? static_cast<K>(~K{0}) : static_cast<K>((K{1} << width) - 1);
      const auto digits = [&](size_t i) {
        return begin_bit >= kBits ? K{0} : (keys[i] >> begin_bit) & mask;
      };
      std::vector<size_t> order(count);
      std::iota(order.begin(), order.end(), size_t{0});
      std::stable_sort(order.begin(), order.end(),
                       [&](size_t a, size_t b) { return digits(a) < digits(b); });
      simulator::clobber(scratch, bytes);
      K* const sorted_keys = simulator::written(keys_out, count);
      V* const sorted_values = simulator::written(values_out, count);
      for (size_t i = 0; i < count; ++i) {
        sorted_keys[i] = keys[order[i]];
        sorted_values[i] = values[order[i]];
      }
    });
  }
};

}  // namespace cub
