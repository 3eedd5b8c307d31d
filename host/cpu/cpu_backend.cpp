#include "host/cpu/cpu_backend.hpp"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <numeric>

#include <sys/mman.h>

#include "host/base/host_name.hpp"

namespace mgqe {

SimdLevel simd_level() {
  static const SimdLevel level = [] {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
      return SimdLevel::kAvx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return SimdLevel::kAvx2;
#endif
    return SimdLevel::kBaseline;
  }();
  return level;
}

const char* simd_level_name(SimdLevel level) {
  switch (level) {
    case SimdLevel::kAvx512:
      return "AVX-512";
    case SimdLevel::kAvx2:
      return "AVX2";
    case SimdLevel::kBaseline:
      break;
  }
  return "baseline";
}

namespace {

constexpr size_t kAlignment = 256;
constexpr size_t kHugePage = size_t{1} << 21;

std::string processor_model() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "processor";
}

}  // namespace

std::unique_ptr<Backend> make_cpu_backend() { return std::make_unique<CpuBackend>(); }

void* CpuBackend::allocate(size_t bytes) {
  // Large tables are read at random: huge pages spare most of the misses in the address cache.
  const size_t alignment = bytes >= kHugePage ? kHugePage : kAlignment;
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* pointer = std::aligned_alloc(alignment, rounded);
  if (pointer == nullptr)
    throw DeviceError(detail::concat("no memory for an array of ", bytes, " bytes"));
  if (alignment == kHugePage) madvise(pointer, rounded, MADV_HUGEPAGE);  // a wish: may be refused
  return pointer;
}

void CpuBackend::release(void* pointer) noexcept { std::free(pointer); }

void CpuBackend::upload(void* device, const void* host, size_t bytes) {
  std::memcpy(device, host, bytes);
}

void CpuBackend::download(void* host, const void* device, size_t bytes) {
  std::memcpy(host, device, bytes);
}

void CpuBackend::zero(void* device, size_t bytes) { std::memset(device, 0, bytes); }

std::string CpuBackend::description() const {
  return processor_model() + ", " + std::to_string(thread_count()) + " threads, " +
         simd_level_name(simd_level());
}

std::string CpuBackend::address() const { return host_name(); }

int64_t CpuBackend::free_bytes() const {
  std::ifstream meminfo("/proc/meminfo");
  for (std::string word; meminfo >> word;) {
    int64_t kibibytes = 0;
    if (word == "MemAvailable:" && meminfo >> kibibytes) return kibibytes << 10;
  }
  return INT64_MAX;  // not known: allocation will tell
}

void CpuBackend::frequency_order(View<const int64_t> counts, View<int32_t> order) {
  std::iota(order.data, order.data + order.size(), 0);
  std::stable_sort(order.data, order.data + order.size(),
                   [&](int32_t a, int32_t b) { return counts[a] > counts[b]; });
}

void CpuBackend::count_codes(View<const uint8_t> codes, View<int32_t> counts) {
  const int64_t subspaces = codes.cols;
  // A thread has its subspaces alone, so that no two count into the same place.
  parallel_pieces(subspaces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = 0; r < codes.rows; ++r)
      for (int64_t j = begin; j < end; ++j)
        if (const uint8_t code = codes.row(r)[j]; code < counts.cols) ++counts.row(j)[code];
  });
}

void CpuBackend::accumulate(View<const float> x, View<double> sum) {
  double total = 0.0;
  for (int64_t i = 0; i < x.size(); ++i) total += x[i];
  sum[0] += total;
}

}  // namespace mgqe
