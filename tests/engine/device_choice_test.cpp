// What --device means, by what GPUs that are not there answer.
#include "host/engine/device_choice.hpp"

#include "tests/support/testing.hpp"

namespace mgqe {
namespace {

constexpr const char* kNoCode =
    "Tesla T4 (sm_75) answers with cudaErrorNoKernelImageForDevice (no kernel image is available "
    "for "
    "execution on the device); this build has code for sm_80, sm_90";

AskGpu answers(int visible, const std::string& refusal) {
  return [=](int) { return GpuAnswer{visible, refusal}; };
}

std::string refusal_of(const std::string& device, const AskGpu& ask) {
  try {
    choose_device(device, ask);
  } catch (const InputError& error) {
    return error.what();
  }
  return "none";
}

TEST(DeviceChoice, TakesAGpuThatIsWilling) {
  for (const char* device : {"auto", "cuda", "cuda:0"}) {
    EXPECT_EQ(choose_device(device, answers(2, "")).gpu, 0) << device;
    EXPECT_EQ(choose_device(device, answers(2, "")).note, "") << device;
  }
  for (const char* device : {"auto:1", "cuda:1"}) {
    int asked = -1;
    const AskGpu ask = [&](int gpu) {
      asked = gpu;
      return GpuAnswer{2, ""};
    };
    EXPECT_EQ(choose_device(device, ask).gpu, 1) << device;
    EXPECT_EQ(asked, 1) << device;
  }
}

TEST(DeviceChoice, AutoFallsBackToTheCpu) {
  EXPECT_EQ(choose_device("auto", nullptr).gpu, DeviceChoice::kCpu);
  const DeviceChoice none = choose_device("auto", answers(0, ""));
  EXPECT_EQ(none.gpu, DeviceChoice::kCpu);
  EXPECT_EQ(none.note, "") << "there is no GPU to speak of";
  const DeviceChoice refused = choose_device("auto", answers(1, kNoCode));
  EXPECT_EQ(refused.gpu, DeviceChoice::kCpu);
  EXPECT_EQ(refused.note,
            std::string("GPU 0 is left alone: ") + kNoCode + "; this runs on the CPU");
  const DeviceChoice old_driver = choose_device("auto:1", answers(0, "an old driver"));
  EXPECT_EQ(old_driver.gpu, DeviceChoice::kCpu);
  EXPECT_EQ(old_driver.note, "GPU 1 is left alone: an old driver; this runs on the CPU");
}

TEST(DeviceChoice, RefusesAGpuThatIsNamedAndCannotBeUsed) {
  EXPECT_EQ(refusal_of("cuda:0", answers(1, kNoCode)),
            std::string("--device cuda:0 cannot be used: ") + kNoCode +
                "; choose another or --device cpu");
  EXPECT_EQ(refusal_of("cuda", answers(0, "an old driver")),
            "--device cuda cannot be used: an old driver; choose another or --device cpu");
  EXPECT_NE(refusal_of("cuda:2", answers(2, "")).find("is not there: 2 CUDA devices are visible"),
            std::string::npos);
  EXPECT_NE(refusal_of("cuda", nullptr).find("needs a build with CUDA"), std::string::npos);
}

TEST(DeviceChoice, TheCpuAsksNobody) {
  const AskGpu ask = [](int) -> GpuAnswer { throw Error("asked"); };
  EXPECT_EQ(choose_device("cpu", ask).gpu, DeviceChoice::kCpu);
}

TEST(DeviceChoice, KnowsNoOtherNames) {
  for (const char* device : {"", "gpu", "CPU", "cpu:0", "cuda:", "cuda:x", "cuda:-1", "cuda:1x",
                             "cuda1", "auto:", "auto:-1", "automatic", "cuda:99999999999"})
    EXPECT_EQ(refusal_of(device, answers(4, "")),
              std::string("--device ") + device + " is unknown: choose auto, cpu, cuda or cuda:N");
}

// What the machine at hand has: `auto` always finds something, `cuda` refuses with one line.
TEST(DeviceChoice, OfThisMachine) {
  EXPECT_NE(make_backend("auto"), nullptr);
  try {
    EXPECT_EQ(make_backend("cuda")->name(), "cuda:0");
  } catch (const InputError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace mgqe
