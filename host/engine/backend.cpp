// The one place that knows which back ends are in the binary.
#include "host/engine/backend.hpp"

#include <charconv>

namespace mgqe {

std::unique_ptr<Backend> make_cpu_backend();
#if MGQE_WITH_CUDA
int cuda_device_count();  // 0 where there is no driver
std::unique_ptr<Backend> make_cuda_backend(int device);
#endif

namespace {

constexpr int kCpu = -1;

int parse_cuda_ordinal(const std::string& device) {
  int ordinal = 0;
  if (device == "cuda") return ordinal;
  const char* end = device.data() + device.size();
  const auto [stop, error] = std::from_chars(device.data() + 5, end, ordinal);
  if (error != std::errc() || stop != end || ordinal < 0)
    input_error("--device ", device, " is unknown: choose auto, cpu, cuda or cuda:N");
  return ordinal;
}

int visible_gpus() {
#if MGQE_WITH_CUDA
  return cuda_device_count();
#else
  return 0;
#endif
}

/// The GPU's number, or kCpu.
int resolve_device(const std::string& device) {
  if (device == "cpu") return kCpu;
  if (device == "auto") return visible_gpus() > 0 ? 0 : kCpu;
  if (device != "cuda" && !device.starts_with("cuda:"))
    input_error("--device ", device, " is unknown: choose auto, cpu, cuda or cuda:N");
  const int ordinal = parse_cuda_ordinal(device);
#if MGQE_WITH_CUDA
  const int present = visible_gpus();
  if (ordinal >= present)
    input_error("--device ", device, " is not there: ", present,
                " CUDA devices are visible; choose another or --device cpu");
  return ordinal;
#else
  input_error("--device cuda:", ordinal,
              " needs a build with CUDA: install the CUDA toolkit and configure again, or use "
              "--device cpu");
#endif
}

}  // namespace

bool runs_on_gpu(const std::string& device) { return resolve_device(device) != kCpu; }

std::unique_ptr<Backend> make_backend(const std::string& device) {
  const int gpu = resolve_device(device);
#if MGQE_WITH_CUDA
  if (gpu != kCpu) return make_cuda_backend(gpu);
#endif
  static_cast<void>(gpu);
  return make_cpu_backend();
}

}  // namespace mgqe
