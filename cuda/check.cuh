// Every CUDA, CUB and cuBLAS call goes through here: a failure throws DeviceError with what the
// library says, the call, the values named, and file:line. Launches: cuda/launch.cuh.
#pragma once

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include "host/base/check.hpp"

namespace mgqe::detail {

template <class... Parts>
void check_cuda(cudaError_t status, const char* file, int line, const char* call,
                const Parts&... parts) {
  if (status == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());  // reported here: the next launch must not report it again
  throw DeviceError(concat("the GPU or its driver has failed: ", cudaGetErrorName(status), " (",
                           cudaGetErrorString(status), ") in ", call, parts..., " at ", file, ":",
                           line));
}

template <class... Parts>
void check_cublas(cublasStatus_t status, const char* file, int line, const char* call,
                  const Parts&... parts) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw DeviceError(concat("cuBLAS has failed: ", cublasGetStatusName(status), " (",
                           cublasGetStatusString(status), ") in ", call, parts..., " at ", file,
                           ":", line));
}

}  // namespace mgqe::detail

/// MGQE_CUDA(call, values...) throws Error unless the call returns cudaSuccess.
#define MGQE_CUDA(call, ...) \
  ::mgqe::detail::check_cuda((call), __FILE__, __LINE__, #call __VA_OPT__(, ": ", ) __VA_ARGS__)

/// MGQE_CUBLAS(call, values...) throws Error unless the call returns CUBLAS_STATUS_SUCCESS.
#define MGQE_CUBLAS(call, ...) \
  ::mgqe::detail::check_cublas((call), __FILE__, __LINE__, #call __VA_OPT__(, ": ", ) __VA_ARGS__)
