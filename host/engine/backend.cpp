// The one place that knows which back ends are in the binary.
#include "host/engine/backend.hpp"

#include <cstdio>

#include "host/engine/coded_top_k.hpp"
#include "host/engine/device_choice.hpp"

namespace mgqe {

std::unique_ptr<Backend> make_cpu_backend();
#if MGQE_WITH_CUDA
int cuda_device_count();  // 0 where there is no driver
GpuAnswer ask_cuda_gpu(int gpu);
std::unique_ptr<Backend> make_cuda_backend(int gpu);
std::unique_ptr<CodedTopK> make_cuda_top_k(int gpu, const PackedTiers& table);
#endif

namespace {

AskGpu asks_in_earnest() {
#if MGQE_WITH_CUDA
  return ask_cuda_gpu;
#else
  return nullptr;
#endif
}

/// Which GPUs are there: an answer in earnest takes a context, which a GPU in exclusive mode would
/// then deny to the runs that a program starts as processes of their own.
AskGpu asks_for_presence() {
#if MGQE_WITH_CUDA
  return [](int) { return GpuAnswer{cuda_device_count(), ""}; };
#else
  return nullptr;
#endif
}

/// Says so where `auto` leaves a GPU alone.
int chosen_gpu(const std::string& device) {
  const DeviceChoice choice = choose_device(device, asks_in_earnest());
  if (!choice.note.empty()) std::fprintf(stderr, "%s\n", choice.note.c_str());
  return choice.gpu;
}

}  // namespace

bool runs_on_gpu(const std::string& device) {
  return choose_device(device, asks_for_presence()).gpu != DeviceChoice::kCpu;
}

std::unique_ptr<Backend> make_backend(const std::string& device) {
  [[maybe_unused]] const int gpu = chosen_gpu(device);
#if MGQE_WITH_CUDA
  if (gpu != DeviceChoice::kCpu) return make_cuda_backend(gpu);
#endif
  return make_cpu_backend();
}

std::unique_ptr<CodedTopK> make_coded_top_k(const std::string& device,
                                            [[maybe_unused]] const PackedTiers& table) {
  [[maybe_unused]] const int gpu = chosen_gpu(device);
#if MGQE_WITH_CUDA
  if (gpu != DeviceChoice::kCpu) return make_cuda_top_k(gpu, table);
#endif
  return nullptr;
}

}  // namespace mgqe
