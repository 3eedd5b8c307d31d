// The one place that knows which back ends are in the binary.
#include "host/core/backend.hpp"

#include <charconv>

namespace mgqe {

std::unique_ptr<Backend> make_cpu_backend();
#if MGQE_WITH_CUDA
int cuda_device_count();  // 0 where there is no driver
std::unique_ptr<Backend> make_cuda_backend(int device);
#endif

namespace {

int parse_cuda_ordinal(const std::string& device) {
  int ordinal = 0;
  if (device == "cuda") return ordinal;
  const char* end = device.data() + device.size();
  const auto [stop, error] = std::from_chars(device.data() + 5, end, ordinal);
  if (error != std::errc() || stop != end || ordinal < 0)
    input_error("--device ", device, " is unknown: choose auto, cpu, cuda or cuda:N");
  return ordinal;
}

}  // namespace

std::unique_ptr<Backend> make_backend(const std::string& device) {
  if (device == "cpu") return make_cpu_backend();
  if (device == "auto") {
#if MGQE_WITH_CUDA
    if (cuda_device_count() > 0) return make_cuda_backend(0);
#endif
    return make_cpu_backend();
  }
  if (device != "cuda" && !device.starts_with("cuda:"))
    input_error("--device ", device, " is unknown: choose auto, cpu, cuda or cuda:N");
  const int ordinal = parse_cuda_ordinal(device);
#if MGQE_WITH_CUDA
  const int present = cuda_device_count();
  if (ordinal >= present)
    input_error("--device ", device, " is not there: ", present,
                " CUDA devices are visible; choose another or --device cpu");
  return make_cuda_backend(ordinal);
#else
  input_error("--device cuda:", ordinal,
              " needs a build with CUDA: install the CUDA toolkit and configure again, or use "
              "--device cpu");
#endif
}

}  // namespace mgqe
