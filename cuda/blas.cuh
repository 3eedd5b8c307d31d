// Blas owns a cuBLAS handle bound to one stream and to scratch of its own.
#pragma once

#include "cuda/device_memory.cuh"

namespace mgqe {

/// The scratch is ours, so that a captured graph holds an address that stays, and so that cuBLAS,
/// which is deterministic for one stream and one scratch, repeats to the bit.
class Blas {
 public:
  explicit Blas(cudaStream_t stream) : workspace_(bytes_outside_capture(stream)) {
    MGQE_CUBLAS(cublasCreate(&handle_));
    try {
      MGQE_CUBLAS(cublasSetStream(handle_, stream));
      // After the stream, which takes the scratch away.
      MGQE_CUBLAS(cublasSetWorkspace(handle_, workspace_.data(), workspace_.bytes()));
      MGQE_CUBLAS(cublasSetMathMode(handle_, CUBLAS_PEDANTIC_MATH));  // never TF32, never emulated
      MGQE_CUBLAS(cublasSetAtomicsMode(handle_, CUBLAS_ATOMICS_NOT_ALLOWED));
    } catch (...) {
      static_cast<void>(cublasDestroy(handle_));
      throw;
    }
  }
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;
  ~Blas() { static_cast<void>(cublasDestroy(handle_)); }

  cublasHandle_t handle() const { return handle_; }

 private:
  static constexpr size_t kWorkspaceBytes = size_t{32} << 20;  // what cuBLAS advises for sm_90

  static size_t bytes_outside_capture(cudaStream_t stream) {
    refuse_in_capture(stream, "cuBLAS starts");
    return kWorkspaceBytes;
  }

  DeviceBuffer workspace_;
  cublasHandle_t handle_ = nullptr;
};

}  // namespace mgqe
