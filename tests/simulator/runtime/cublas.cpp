// cuBLAS: products by plain loops, its scratch clobbered.
#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "tests/simulator/include/cublas_v2.h"
#include "tests/simulator/include/simulated_library.h"
#include "tests/simulator/runtime/fault.hpp"

struct SimulatedBlas {
  cudaStream_t stream = nullptr;
  void* workspace = nullptr;
  size_t workspace_bytes = 0;
};

namespace {

/// A column-major matrix, or its transpose.
struct Matrix {
  const float* data;
  int stride;
  bool transposed;
  float operator()(int row, int column) const {
    return transposed ? data[static_cast<size_t>(row) * stride + column]
                      : data[static_cast<size_t>(column) * stride + row];
  }
};

size_t span(int stride, int rows, int columns) {
  return static_cast<size_t>(stride) * (columns - 1) + rows;
}

/// sums (m) = a (m, k) times a column of b (k).
void multiply(const Matrix& a, const Matrix& b, int column, int m, int k, float* sums) {
  std::fill(sums, sums + m, 0.0f);
  if (!a.transposed) {
    for (int p = 0; p < k; ++p) {
      const float y = b(p, column);
      const float* const x = a.data + static_cast<size_t>(p) * a.stride;
      for (int i = 0; i < m; ++i) sums[i] += x[i] * y;
    }
    return;
  }
  for (int i = 0; i < m; ++i)
    for (int p = 0; p < k; ++p) sums[i] += a(i, p) * b(p, column);
}

}  // namespace

/// Takes device memory of its own, which no capture allows.
cublasStatus_t cublasCreate(cublasHandle_t* handle) {
  void* memory = nullptr;
  if (cudaMalloc(&memory, 16) != cudaSuccess) return CUBLAS_STATUS_ALLOC_FAILED;
  static_cast<void>(cudaFree(memory));
  *handle = new SimulatedBlas;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy(cublasHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  *handle = SimulatedBlas{.stream = stream};  // the workspace is taken away
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void* workspace, size_t bytes) {
  if (!simulator::on_device(workspace) || reinterpret_cast<uintptr_t>(workspace) % 256 != 0)
    return CUBLAS_STATUS_INVALID_VALUE;
  handle->workspace = workspace;
  handle->workspace_bytes = bytes;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasSetAtomicsMode(cublasHandle_t, cublasAtomicsMode_t) {
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSgemm(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,
                           int m, int n, int k, const float* alpha, const float* a, int lda,
                           const float* b, int ldb, const float* beta, float* c, int ldc) {
  const bool a_turned = op_a != CUBLAS_OP_N, b_turned = op_b != CUBLAS_OP_N;
  const int a_rows = a_turned ? k : m, a_columns = a_turned ? m : k;
  const int b_rows = b_turned ? n : k, b_columns = b_turned ? k : n;
  if (m < 0 || n < 0 || k < 0 || lda < std::max(1, a_rows) || ldb < std::max(1, b_rows) ||
      ldc < std::max(1, m))
    return CUBLAS_STATUS_INVALID_VALUE;
  const SimulatedBlas with = *handle;
  const float scale = *alpha, keep = *beta;
  const cudaError_t error =
      simulator::enqueue(fmt::format("cublasSgemm of {} x {} x {}", m, n, k), with.stream, [=] {
        if (m == 0 || n == 0) return;
        if (with.workspace == nullptr)
          simulator::library_fault("no workspace was given: the library's own is not repeatable");
        const size_t scratch = std::min<size_t>(with.workspace_bytes, 4096);
        simulator::clobber(with.workspace, scratch);
        const size_t c_size = span(ldc, m, n);
        if (k > 0) {
          simulator::read(a, span(lda, a_rows, a_columns));
          simulator::read(b, span(ldb, b_rows, b_columns));
        }
        if (keep != 0.0f) simulator::read(c, c_size);
        simulator::written(c, c_size);
        std::vector<float> sums(static_cast<size_t>(m));
        for (int j = 0; j < n; ++j) {
          multiply({a, lda, a_turned}, {b, ldb, b_turned}, j, m, k, sums.data());
          float* const out = c + static_cast<size_t>(j) * ldc;
          for (int i = 0; i < m; ++i)
            out[i] = keep == 0.0f ? scale * sums[i] : scale * sums[i] + keep * out[i];
        }
      });
  return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

const char* cublasGetStatusName(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
  }
  return "unknown";
}
const char* cublasGetStatusString(cublasStatus_t status) { return cublasGetStatusName(status); }
