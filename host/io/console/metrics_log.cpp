#include "host/io/console/metrics_log.hpp"

#include <cerrno>
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "host/base/check.hpp"
#include "host/io/atomic_file.hpp"

namespace mgqe {

namespace {

std::string lines_up_to(const std::filesystem::path& path, int epochs) {
  std::ifstream stream(path);
  std::string kept;
  // Without its line end, the last line was cut short.
  for (std::string line; std::getline(stream, line) && !stream.eof();) {
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    const auto epoch = json.is_object() ? json.find("epoch") : json.end();
    if (epoch == json.end() || !epoch->is_number() || *epoch > epochs) break;
    kept += line + '\n';
  }
  return kept;
}

}  // namespace

MetricsLog::MetricsLog(const std::filesystem::path& path, int epochs) : path_(path) {
  if (epochs > 0) write_file_atomically(path, lines_up_to(path, epochs));
  file_.reset(std::fopen(path.c_str(), epochs > 0 ? "a" : "w"));
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
