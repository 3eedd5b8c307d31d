#include "host/io/console/metrics_log.hpp"

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <nlohmann/json.hpp>

#include "host/base/check.hpp"
#include "host/io/atomic_file.hpp"
#include "host/io/bytes.hpp"

namespace mgqe {

namespace {

std::string lines_up_to(const std::filesystem::path& path, int epochs) {
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) return "";
  const Bytes bytes = Bytes::read(path);
  std::string kept;
  // Without its line end, the last line was cut short.
  std::string_view rest = bytes.text();
  for (size_t end; (end = rest.find('\n')) != std::string_view::npos; rest.remove_prefix(end + 1)) {
    const std::string_view line = rest.substr(0, end);
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    const auto epoch = json.is_object() ? json.find("epoch") : json.end();
    if (epoch == json.end() || !epoch->is_number() || *epoch > epochs) break;
    kept.append(line) += '\n';
  }
  return kept;
}

}  // namespace

MetricsLog::MetricsLog(const std::filesystem::path& path, int epochs) : path_(path) {
  if (epochs > 0) write_file_atomically(path, lines_up_to(path, epochs));
  file_ = Descriptor(path, O_WRONLY | O_CREAT | O_APPEND | (epochs > 0 ? 0 : O_TRUNC));
  if (!file_.is_open()) input_error(path.string(), " cannot be written: ", system_message(errno));
}

void MetricsLog::append(const nlohmann::ordered_json& line) {
  using ErrorHandler = nlohmann::ordered_json::error_handler_t;
  const std::string text = line.dump(-1, ' ', false, ErrorHandler::replace) + '\n';
  if (!file_.write(text.data(), text.size()))
    input_error(path_.string(), " could not be written: ", system_message(errno));
}

}  // namespace mgqe
