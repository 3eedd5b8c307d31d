#include "host/engine/step_runner.hpp"

#include <cstdlib>
#include <string_view>

#include "host/base/check.hpp"

namespace mgqe {

int64_t RecordedSteps::run(const StepShape& shape, int64_t limit, const StepBody& body) {
  const auto [found, first] = shapes_.try_emplace(shape);
  if (first) {
    body();
    return 1;
  }
  if (recorded_version_ != scratch_version()) {
    for (auto& [other, recordings] : shapes_) recordings = {};
    recorded_version_ = scratch_version();
  }
  const int64_t times = limit >= kStepsPerRecording ? kStepsPerRecording : 1;
  std::unique_ptr<Recording>& recording = times == 1 ? found->second.one : found->second.many;
  if (!recording) recording = record(body, times);
  recording->repeat();
  return times;
}

bool steps_are_recorded() {
  const char* value = std::getenv("MGQE_GRAPHS");
  const std::string_view asked = value == nullptr ? "on" : value;
  if (asked != "on" && asked != "off")
    input_error("MGQE_GRAPHS ", asked, " is unknown: choose on or off");
  return asked == "on";
}

}  // namespace mgqe
