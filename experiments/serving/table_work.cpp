#include "experiments/serving/table_work.hpp"

#include <csignal>

#include <fmt/format.h>

#include "host/base/check.hpp"
#include "host/base/parallel.hpp"

namespace mgqe {

namespace {

/// A run that is stopped leaves a checkpoint, and ends well; of this nothing is left.
[[noreturn]] void end_unfinished(int signal) {
  const Interrupted stopped(signal, "nothing was written");
  if (signal == SIGINT) throw stopped;  // the process then dies of it
  throw Error(stopped.what());
}

}  // namespace

WorkProgress TableWork::progress() {
  return [this](const std::string& task, int64_t step, int64_t steps) {
    if (const int signal = interruption_.signal(); signal != 0) end_unfinished(signal);
    if (task != task_) {
      bar_.reset();
      bar_.emplace(task, steps);
      task_ = task;
    }
    bar_->update(step);
  };
}

double TableWork::lap() {
  const Clock::time_point now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - last_).count();
  last_ = now;
  return seconds;
}

DeviceOptions::DeviceOptions(CLI::App& command) {
  command
      .add_option("--device", device_,
                  "auto, cpu, cuda or cuda:N; the result is the same to the bit on all")
      ->capture_default_str();
  command.add_option("--threads", threads_, "threads of the CPU; 0: as many as it has cores")
      ->capture_default_str();
}

std::unique_ptr<Backend> DeviceOptions::make() const {
  constexpr int kMostThreads = 4096;
  if (threads_ < 0 || threads_ > kMostThreads)
    input_error("--threads ", threads_, " is out of range: 0 to ", kMostThreads);
  if (threads_ > 0) set_thread_count(threads_);
  return make_backend(device_);
}

std::string error_text(double error) { return fmt::format("{:.4f}", error); }

}  // namespace mgqe
