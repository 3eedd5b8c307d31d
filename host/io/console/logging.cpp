#include "host/io/console/logging.hpp"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>

#include <spdlog/sinks/base_sink.h>

#include "host/base/check.hpp"
#include "host/io/console/progress.hpp"

namespace mgqe {

namespace {

class StderrSink final : public spdlog::sinks::base_sink<std::mutex> {
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    clear_progress_line();
    std::fwrite(line.data(), 1, line.size(), stderr);
  }
  void flush_() override { std::fflush(stderr); }
};

spdlog::level::level_enum parse_level(const std::string& level) {
  for (const char* known : {"trace", "debug", "info", "warn", "error", "off"})
    if (level == known) return spdlog::level::from_str(level);
  input_error("MGQE_LOG_LEVEL ", level,
              " is unknown: choose trace, debug, info, warn, error or off");
}

std::unique_ptr<spdlog::logger> make_logger() {
  auto logger = std::make_unique<spdlog::logger>("mgqe", std::make_shared<StderrSink>());
  logger->set_pattern("%H:%M:%S %L %v");
  const char* level = std::getenv("MGQE_LOG_LEVEL");
  if (level != nullptr) logger->set_level(parse_level(level));
  return logger;
}

}  // namespace

spdlog::logger& log() {
  static const std::unique_ptr<spdlog::logger> logger = make_logger();
  return *logger;
}

}  // namespace mgqe
