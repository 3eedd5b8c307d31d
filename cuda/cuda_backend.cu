// Memory, stream, ranges and identity of the CUDA back end, and its elementwise ops.
//
// One stream that does not wait for the legacy default stream, so that several back ends (several
// runs on one GPU) overlap. cudaMallocAsync was weighed and left: nothing is allocated in a step,
// and plain allocations keep addresses that a captured graph may hold.
//
// Elementwise ops: a grid-stride loop over each functor of host/engine/functors. Bytes and flops
// are the functor's. Any size: 64-bit indices, and a grid of a few waves, because a grid of one
// element a thread pays the start of blocks it does not need on large arrays. Vectors of four
// elements were weighed and left: the functors index freely, and the ops that matter in bytes have
// kernels of their own. They stand here because whatever makes a CudaBackend has the kernels that
// its table of virtual functions leads to: a file of their own compiled all 50 a second time.
#include <nvtx3/nvToolsExt.h>

#include "cuda/cuda_backend.cuh"

namespace mgqe {

template class Elementwise<CudaBackend>;

/// 0 where there is no driver, no device, or none that works.
int cuda_device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  static_cast<void>(cudaGetLastError());  // forget it: the process goes on without CUDA
  return 0;
}

std::unique_ptr<Backend> make_cuda_backend(int device) {
  return std::make_unique<CudaBackend>(device);
}

namespace {

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  MGQE_CUDA(cudaDeviceGetAttribute(&value, which, device), "device ", device);
  return value;
}

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

}  // namespace

CudaBackend::CudaBackend(int device, Priority priority) : device_(device) {
  multiprocessors_ = attribute(cudaDevAttrMultiProcessorCount, device);
  threads_per_multiprocessor_ = attribute(cudaDevAttrMaxThreadsPerMultiProcessor, device);
  MGQE_CUDA(cudaSetDevice(device), "device ", device);
  int lowest = 0, highest = 0;
  MGQE_CUDA(cudaDeviceGetStreamPriorityRange(&lowest, &highest), "device ", device);
  MGQE_CUDA(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking,
                                         priority == Priority::kHigh ? highest : lowest));
  MGQE_CUDA(cudaEventCreateWithFlags(&reached_, cudaEventDisableTiming));
}

CudaBackend::~CudaBackend() {
  join(make_solo());  // what spoke to other ranks used the stream
  static_cast<void>(cudaSetDevice(device_));
  static_cast<void>(cudaStreamSynchronize(stream_));
  blas_.reset();  // bound to the stream
  static_cast<void>(cudaEventDestroy(reached_));
  static_cast<void>(cudaStreamDestroy(stream_));
}

void* CudaBackend::allocate(size_t bytes) {
  refuse_in_capture(stream(), "an array is allocated");
  return DeviceBuffer(bytes).detach();
}

void CudaBackend::release(void* pointer) noexcept {
  static_cast<void>(cudaStreamSynchronize(stream_));  // ops in flight may still use it
  DeviceBuffer::adopt(pointer);
}

void CudaBackend::upload(void* device, const void* host, size_t bytes) {
  refuse_in_capture(stream(), "a copy to the device");
  MGQE_CUDA(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream()), bytes,
            " bytes");
  synchronize();
}

void CudaBackend::download(void* host, const void* device, size_t bytes) {
  refuse_in_capture(stream(), "a copy from the device");
  MGQE_CUDA(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream()), bytes,
            " bytes");
  synchronize();
}

void CudaBackend::zero(void* device, size_t bytes) {
  MGQE_CUDA(cudaMemsetAsync(device, 0, bytes, stream()), bytes, " bytes");
}

// Small ops that the host waits for go before what fills the GPU.
std::unique_ptr<Backend> CudaBackend::make_second_stream() {
  return std::make_unique<CudaBackend>(device_, Priority::kHigh);
}

void CudaBackend::wait_for(Backend& other) {
  auto& leader = dynamic_cast<CudaBackend&>(other);
  if (&leader == this) return;
  MGQE_CUDA(cudaEventRecord(leader.reached_, leader.stream()));
  MGQE_CUDA(cudaStreamWaitEvent(stream(), leader.reached_));
}

void CudaBackend::synchronize() {
  refuse_in_capture(stream(), "a wait for the device");
  MGQE_CUDA(cudaStreamSynchronize(stream()));
}

int64_t CudaBackend::free_bytes() const {
  size_t free = 0, total = 0;
  static_cast<void>(stream());  // makes the device current
  MGQE_CUDA(cudaMemGetInfo(&free, &total), "device ", device_);
  return static_cast<int64_t>(free);
}

// Header-only; without a profiler attached each is a call through a null pointer's check. Inside a
// captured step they mark the capture, not the replays.
void CudaBackend::begin_range(const char* name) { nvtxRangePushA(name); }
void CudaBackend::end_range() noexcept { nvtxRangePop(); }

std::string CudaBackend::name() const { return "cuda:" + std::to_string(device_); }

std::string CudaBackend::address() const {
  char address[32] = "";
  MGQE_CUDA(cudaDeviceGetPCIBusId(address, sizeof(address), device_), "device ", device_);
  return address;
}

std::string CudaBackend::description() const {
  cudaDeviceProp properties{};
  MGQE_CUDA(cudaGetDeviceProperties(&properties, device_), "device ", device_);
  int runtime = 0, driver = 0;
  MGQE_CUDA(cudaRuntimeGetVersion(&runtime));
  MGQE_CUDA(cudaDriverGetVersion(&driver));
  return detail::concat(properties.name, ", ", properties.multiProcessorCount, " SMs, ",
                        properties.totalGlobalMem >> 30, " GiB, sm_", properties.major,
                        properties.minor, ", CUDA ", version_text(runtime), " (driver ",
                        version_text(driver), ")");
}

}  // namespace mgqe
