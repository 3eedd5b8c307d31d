// Memory, stream, ranges and identity of the CUDA back end, and its elementwise ops.
//
// Streams that do not wait for the legacy default stream, so that several back ends (several runs
// on one GPU) overlap: one for all ops, and a second with scratch and a cuBLAS handle of its own
// for those that side_by_side calls second. In a capture the two are a fork and a join of the
// graph. cudaMallocAsync was weighed and left: nothing is allocated in a step, and plain
// allocations keep addresses that a captured graph may hold.
//
// Elementwise ops: a grid-stride loop over each functor of host/engine/functors. Bytes and flops
// are the functor's. Any size: 64-bit indices, and a grid of a few waves, because a grid of one
// element a thread pays the start of blocks it does not need on large arrays. Vectors of four
// elements were weighed and left: the functors index freely, and the ops that matter in bytes have
// kernels of their own. They stand here because whatever makes a CudaBackend has the kernels that
// its table of virtual functions leads to: a file of their own compiled all 50 a second time.
#include <exception>

#include <nvtx3/nvToolsExt.h>

#include "cuda/cuda_backend.cuh"
#include "host/base/host_name.hpp"
#include "host/engine/device_choice.hpp"

namespace mgqe {

template class Elementwise<CudaBackend>;

/// 0 where there is no driver, no device, or none that works.
int cuda_device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  static_cast<void>(cudaGetLastError());  // forget it: the process goes on without CUDA
  return 0;
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

std::string words_of(cudaError_t status) {
  static_cast<void>(cudaGetLastError());  // forget it: the process goes on without this GPU
  return detail::concat(cudaGetErrorName(status), " (", cudaGetErrorString(status), ")");
}

/// Why no GPU is to be seen; empty where there is none, or no driver.
std::string driver_refusal(cudaError_t status) {
  int driver = 0, runtime = 0;
  static_cast<void>(cudaDriverGetVersion(&driver));  // 0 where there is none
  static_cast<void>(cudaRuntimeGetVersion(&runtime));
  const std::string words = words_of(status);
  if (driver == 0 || status == cudaErrorNoDevice) return "";
  return detail::concat("the driver, of CUDA ", version_text(driver),
                        ", answers this build, of CUDA ", version_text(runtime), ", with ", words);
}

/// "sm_80, sm_90": what nvcc made code for.
std::string built_architectures() {
  std::string text;
  for (const int architecture : {__CUDA_ARCH_LIST__})
    text += (text.empty() ? "sm_" : ", sm_") + std::to_string(architecture / 10);
  return text;
}

/// What a kernel of this build and a stream need: the device's context, code for it, and room.
cudaError_t try_gpu(int gpu) {
  cudaFuncAttributes attributes{};
  cudaStream_t stream = nullptr;
  cudaError_t status = cudaSetDevice(gpu);
  if (status == cudaSuccess)
    status = cudaFuncGetAttributes(&attributes, for_each_kernel<BeginStep>);
  if (status == cudaSuccess) status = cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  if (status == cudaSuccess) status = cudaStreamDestroy(stream);
  return status;
}

}  // namespace

GpuAnswer ask_cuda_gpu(int gpu) {
  GpuAnswer answer;
  if (const cudaError_t status = cudaGetDeviceCount(&answer.visible); status != cudaSuccess)
    return {0, driver_refusal(status)};
  if (gpu >= answer.visible) return answer;
  if (const cudaError_t status = try_gpu(gpu); status != cudaSuccess) {
    const std::string words = words_of(status);
    cudaDeviceProp properties{};
    static_cast<void>(cudaGetDeviceProperties(&properties, gpu));
    answer.refusal = detail::concat(properties.name, " (sm_", properties.major, properties.minor,
                                    ") answers with ", words, "; this build has code for ",
                                    built_architectures());
  }
  return answer;
}

std::unique_ptr<Backend> make_cuda_backend(int gpu) { return std::make_unique<CudaBackend>(gpu); }

CudaBackend::CudaBackend(int device, Priority priority, CudaBackend* first)
    : device_(device), first_(first) {
  multiprocessors_ = attribute(cudaDevAttrMultiProcessorCount, device);
  threads_per_multiprocessor_ = attribute(cudaDevAttrMaxThreadsPerMultiProcessor, device);
  MGQE_CUDA(cudaSetDevice(device), "device ", device);
  int lowest = 0, highest = 0;
  MGQE_CUDA(cudaDeviceGetStreamPriorityRange(&lowest, &highest), "device ", device);
  for (Lane& lane : lanes_) {
    MGQE_CUDA(cudaStreamCreateWithPriority(&lane.stream, cudaStreamNonBlocking,
                                           priority == Priority::kHigh ? highest : lowest));
    lane.workspace.wait_by([this](cudaStream_t stream) { wait(stream); });
  }
  reached_.emplace();
}

CudaBackend::~CudaBackend() {
  static_cast<void>(cudaSetDevice(device_));
  static_cast<void>(come_to_rest());
  join(make_solo());  // what spoke to other ranks used the stream
  const bool rested = come_to_rest();
  for (Lane& lane : lanes_) {
    if (!rested) {
      static_cast<void>(lane.blas.release());
      lane.workspace.abandon();
      continue;
    }
    lane.blas.reset();  // bound to the stream
    static_cast<void>(cudaStreamDestroy(lane.stream));
  }
}

/// While an error is told, it waits but for a while, and gives up what other ranks will not come
/// to: the error would else never be read. Errors of the device belong to earlier work, and the
/// next checked call reports them.
bool CudaBackend::come_to_rest() noexcept {
  if (root().abandoned_) return false;
  DeviceWatch* const watch = this->watch();
  if (watch == nullptr) {
    for (const Lane& lane : lanes_) static_cast<void>(cudaStreamSynchronize(lane.stream));
    return true;
  }
  const bool unwinding = std::uncaught_exceptions() > 0;
  const auto done = [&] {
    for (const Lane& lane : lanes_)
      if (cudaStreamQuery(lane.stream) == cudaErrorNotReady) return false;
    return !unwinding || watch->exchanges_are_done();
  };
  const WatchedWait wait(watch);
  if (!unwinding) {
    poll(std::chrono::nanoseconds::max(), done, [&] {
      try {
        watch->check_device();
      } catch (const DeviceError&) {  // which ended what was waited for
      }
    });
  } else if (!poll(kUnwindingPatience, done, [] {})) {
    watch->give_up_exchanges();
    if (!poll(kUnwindingPatience, done, [] {})) abandon();
  }
  if (cudaPeekAtLastError() == cudaErrorNotReady) static_cast<void>(cudaGetLastError());
  return !root().abandoned_;
}

void* CudaBackend::allocate(size_t bytes) {
  refuse_in_capture(stream(), "an array is allocated");
  return DeviceBuffer(bytes).detach();
}

void CudaBackend::release(void* pointer) noexcept {
  if (!come_to_rest()) return;      // ops in flight may still use it
  const WatchedWait wait(watch());  // cudaFree waits for other streams as well
  DeviceBuffer::adopt(pointer);
}

namespace {

/// Copies from and to pageable memory wait for the stream in the call itself, where nobody sees it.
void wait_before_copy(cudaStream_t stream, DeviceWatch* watch) {
  if (watch != nullptr) wait_for_stream(stream, watch);
}

}  // namespace

void CudaBackend::upload(void* device, const void* host, size_t bytes) {
  refuse_in_capture(stream(), "a copy to the device");
  wait_before_copy(stream(), watch());
  MGQE_CUDA(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream()), bytes,
            " bytes");
  synchronize();
}

void CudaBackend::download(void* host, const void* device, size_t bytes) {
  refuse_in_capture(stream(), "a copy from the device");
  wait_before_copy(stream(), watch());
  MGQE_CUDA(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream()), bytes,
            " bytes");
  synchronize();
}

void CudaBackend::zero(void* device, size_t bytes) {
  MGQE_CUDA(cudaMemsetAsync(device, 0, bytes, stream()), bytes, " bytes");
  detail::count_launch();
}

// Small ops that the host waits for go before what fills the GPU.
std::unique_ptr<Backend> CudaBackend::make_second_stream() {
  return std::make_unique<CudaBackend>(device_, Priority::kHigh, &root());
}

void CudaBackend::wait_for(Backend& other) {
  auto& leader = dynamic_cast<CudaBackend&>(other);
  if (&leader == this) return;
  hold_back(stream(), leader.stream());
}

void CudaBackend::hold_back(cudaStream_t waiting, cudaStream_t leading) {
  reached_->record(leading);
  reached_->hold_back(waiting);
}

void CudaBackend::side_by_side(const std::function<void()>& first,
                               const std::function<void()>& second) {
  const auto& [main, side] = lanes_;
  if (lane_ == &side) {  // is itself beside another: in order
    first();
    return second();
  }
  hold_back(side.stream, stream());
  first();
  lane_ = &lanes_[1];
  try {
    second();
  } catch (...) {
    lane_ = &lanes_[0];
    throw;
  }
  lane_ = &lanes_[0];
  hold_back(main.stream, side.stream);
}

double CudaBackend::seconds_of(const std::function<void()>& work) {
  Event begin(cudaEventDefault), end(cudaEventDefault);
  begin.record(stream());
  work();
  end.record(stream());
  wait(stream());
  return end.seconds_since(begin);
}

void CudaBackend::synchronize() {
  refuse_in_capture(stream(), "a wait for the device");
  wait(stream());
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
  return host_name() + " " + address;
}

int64_t CudaBackend::cache_bytes() const { return attribute(cudaDevAttrL2CacheSize, device_); }

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
