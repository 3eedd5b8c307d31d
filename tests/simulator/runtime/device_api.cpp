// The CUDA runtime's calls about devices.
#include <cstdio>
#include <cstring>

#include "tests/simulator/runtime/call.hpp"
#include "tests/simulator/runtime/limits.hpp"
#include "tests/simulator/runtime/memory.hpp"
#include "tests/simulator/runtime/options.hpp"

namespace simulator {
namespace {

thread_local int device = 0;

bool is_device(int number) { return number >= 0 && number < options().devices; }

}  // namespace

int current_device() { return device; }

}  // namespace simulator

using namespace simulator;

cudaError_t cudaGetDeviceCount(int* count) {
  return call([&] {
    *count = 0;
    switch (options().broken) {
      case Options::Broken::kNoDriver:
      case Options::Broken::kOldDriver:
        return cudaErrorInsufficientDriver;
      case Options::Broken::kNoDevice:
        return cudaErrorNoDevice;
      default:
        break;
    }
    *count = options().devices;
    return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
  });
}
cudaError_t cudaSetDevice(int number) {
  return call([&] {
    if (!is_device(number)) return cudaErrorInvalidDevice;
    if (options().broken == Options::Broken::kBusy) return cudaErrorDevicesUnavailable;
    device = number;
    return cudaSuccess;
  });
}
cudaError_t cudaGetDevice(int* number) {
  *number = device;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int number) {
  return call([&] {
    if (!is_device(number)) return cudaErrorInvalidDevice;
    switch (which) {
      case cudaDevAttrMultiProcessorCount:
        *value = options().multiprocessors;
        return cudaSuccess;
      case cudaDevAttrMaxThreadsPerMultiProcessor:
        *value = kThreadsPerMultiprocessor;
        return cudaSuccess;
      case cudaDevAttrL2CacheSize:
        *value = 1 << 20;
        return cudaSuccess;
      case cudaDevAttrMaxThreadsPerBlock:
        *value = 1024;
        return cudaSuccess;
      case cudaDevAttrComputeCapabilityMajor:
        *value = options().architecture / 10;
        return cudaSuccess;
      case cudaDevAttrComputeCapabilityMinor:
        *value = options().architecture % 10;
        return cudaSuccess;
      case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = static_cast<int>(shared_opt_in());
        return cudaSuccess;
    }
    return cudaErrorInvalidValue;
  });
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int number) {
  return call([&] {
    if (!is_device(number)) return cudaErrorInvalidDevice;
    *properties = {};
    std::strcpy(properties->name, "Simulated device");
    properties->totalGlobalMem = kDeviceBytes;
    properties->multiProcessorCount = options().multiprocessors;
    properties->major = options().architecture / 10;
    properties->minor = options().architecture % 10;
    return cudaSuccess;
  });
}
cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int number) {
  return call([&] {
    if (!is_device(number)) return cudaErrorInvalidDevice;
    std::snprintf(text, static_cast<size_t>(length), "0000:%02x:00.0", number + 1);
    return cudaSuccess;
  });
}
cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = options().broken == Options::Broken::kNoDriver    ? 0
             : options().broken == Options::Broken::kOldDriver ? 11040
                                                               : 13000;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  return call([&] {
    *total = kDeviceBytes;
    *free = kDeviceBytes - bytes_in_use(device);
    return cudaSuccess;
  });
}
