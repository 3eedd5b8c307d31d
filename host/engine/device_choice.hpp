// Which device a name means, from what the GPUs of the machine say of this build. Apart from any
// GPU, so that it can be tested without one.
#pragma once

#include <functional>
#include <string>

namespace mgqe {

/// What stands between this build's kernels and a GPU.
struct GpuAnswer {
  int visible = 0;      // GPUs that the driver shows
  std::string refusal;  // why kernels of this build do not run on the one asked, in the driver's
                        // words; empty where they do, and where there is neither GPU nor driver
};
/// Asks GPU number `gpu`; null in a build without CUDA.
using AskGpu = std::function<GpuAnswer(int gpu)>;

struct DeviceChoice {
  static constexpr int kCpu = -1;
  int gpu = kCpu;
  std::string note;  // why `auto` leaves a GPU alone, in one line; else empty
};

/// device: as make_backend takes it. InputError for a name that is unknown, and for a GPU that is
/// named but is not there or refuses.
DeviceChoice choose_device(const std::string& device, const AskGpu& ask);

}  // namespace mgqe
