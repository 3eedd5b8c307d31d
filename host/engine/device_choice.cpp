#include "host/engine/device_choice.hpp"

#include <charconv>
#include <string_view>

#include "host/base/check.hpp"

namespace mgqe {
namespace {

/// N of "NAME:N", 0 of "NAME"; -1 of anything else.
int ordinal_of(std::string_view device, std::string_view name) {
  if (device == name) return 0;
  if (!device.starts_with(name) || device[name.size()] != ':') return -1;
  int ordinal = 0;
  const char* const end = device.data() + device.size();
  const auto [stop, error] = std::from_chars(device.data() + name.size() + 1, end, ordinal);
  return error == std::errc() && stop == end ? ordinal : -1;
}

DeviceChoice choose_willing(int gpu, const AskGpu& ask) {
  if (ask == nullptr) return {};
  const GpuAnswer answer = ask(gpu);
  if (!answer.refusal.empty())
    return {DeviceChoice::kCpu, detail::concat("GPU ", gpu, " is left alone: ", answer.refusal,
                                               "; this runs on the CPU")};
  if (gpu >= answer.visible) return {};
  return {gpu, ""};
}

}  // namespace

DeviceChoice choose_device(const std::string& device, const AskGpu& ask) {
  if (device == "cpu") return {};
  if (const int gpu = ordinal_of(device, "auto"); gpu >= 0) return choose_willing(gpu, ask);
  const int gpu = ordinal_of(device, "cuda");
  if (gpu < 0) input_error("--device ", device, " is unknown: choose auto, cpu, cuda or cuda:N");
  if (ask == nullptr)
    input_error("--device cuda:", gpu,
                " needs a build with CUDA: install the CUDA toolkit and configure again, or use "
                "--device cpu");
  const GpuAnswer answer = ask(gpu);
  if (!answer.refusal.empty())
    input_error("--device ", device, " cannot be used: ", answer.refusal,
                "; choose another or --device cpu");
  if (gpu >= answer.visible)
    input_error("--device ", device, " is not there: ", answer.visible,
                " CUDA devices are visible; choose another or --device cpu");
  return {gpu, ""};
}

}  // namespace mgqe
