// Matrix products by cuBLAS.
//
// cublasSgemm in f32; TF32 and emulated modes are off, so that results stay within f32 rounding of
// the CPU's. Row-major out = a b is column-major out' = b' a', so the operands change places. 2 m n
// k flops. The handle and its scratch are made by the first product of a back end: a graph may be
// captured from the second step on. Any shapes; k = 0 is a sum of nothing.
//
// Weighed and left: TF32 (10 bits of mantissa); a product of our own (the shapes of the backbones
// are the library's home, or so small that their launch is what costs).
#include <limits>

#include "cuda/cuda_backend.cuh"

namespace mgqe {
namespace {

cublasOperation_t operation(const Operand& operand) {
  return operand.transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
}

int blas_int(int64_t side) {
  MGQE_CHECK(side <= std::numeric_limits<int>::max(), "a matrix side of ", side);
  return static_cast<int>(side);
}

}  // namespace

void CudaBackend::matmul(Operand a, Operand b, View<float> out, bool accumulate) {
  MGQE_CHECK(a.rows() == out.rows && b.cols() == out.cols && a.cols() == b.rows(), "(", a.rows(),
             ", ", a.cols(), ") times (", b.rows(), ", ", b.cols(), ") into (", out.rows, ", ",
             out.cols, ")");
  if (out.size() == 0) return;
  if (a.cols() == 0) {
    if (!accumulate) zero(out.data, sizeof(float) * static_cast<size_t>(out.size()));
    return;
  }
  const cudaStream_t current = stream();
  std::unique_ptr<Blas>& blas = lane_->blas;
  if (!blas) blas = std::make_unique<Blas>(current);
  const float one = 1.0f, beta = accumulate ? 1.0f : 0.0f;
  const int m = blas_int(out.rows), n = blas_int(out.cols), k = blas_int(a.cols());
  MGQE_CUBLAS(cublasSgemm(blas->handle(), operation(b), operation(a), n, m, k, &one, b.matrix.data,
                          blas_int(b.matrix.cols), a.matrix.data, blas_int(a.matrix.cols), &beta,
                          out.data, n),
              "m ", m, ", n ", n, ", k ", k);
  detail::count_launch();
}

}  // namespace mgqe
