#include "host/io/metrics_log.hpp"

#include <cerrno>
#include <string>

#include <nlohmann/json.hpp>

#include "host/core/check.hpp"
#include "host/io/atomic_file.hpp"

namespace mgqe {

MetricsLog::MetricsLog(const std::filesystem::path& path)
    : path_(path), file_(std::fopen(path.c_str(), "w")) {
  if (file_ == nullptr) input_error(path.string(), " cannot be written: ", system_message(errno));
}

void MetricsLog::append(const nlohmann::ordered_json& line) {
  using ErrorHandler = nlohmann::ordered_json::error_handler_t;
  const std::string text = line.dump(-1, ' ', false, ErrorHandler::replace) + '\n';
  if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size() ||
      std::fflush(file_.get()) != 0)
    input_error(path_.string(), " could not be written: ", system_message(errno));
}

}  // namespace mgqe
