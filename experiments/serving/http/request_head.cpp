#include "experiments/serving/http/request_head.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "experiments/serving/http/http_error.hpp"

namespace mgqe {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

std::string lower(std::string_view text) {
  std::string lowered(text);
  for (char& c : lowered) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lowered;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7F;
}

bool is_token(std::string_view name) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || kOthers.find(c) != std::string::npos;
  });
}

class HeadParser {
 public:
  explicit HeadParser(size_t most_body_bytes) : most_body_bytes_(most_body_bytes) {}

  RequestHead parse(std::string_view raw) {
    bool first = true;
    while (!raw.empty()) {
      const size_t end = raw.find(kLineEnd);
      const std::string_view line = raw.substr(0, end);
      raw.remove_prefix(end + kLineEnd.size());
      if (std::any_of(line.begin(), line.end(), is_control))
        throw HttpError(400, "the request has control characters in its head");
      if (first)
        request_line(line);
      else if (!line.empty())
        header(line);
      first = false;
    }
    finish();
    return std::move(head_);
  }

 private:
  /// Its method and target are the library's to look at.
  void request_line(std::string_view line) {
    const size_t method = line.find(' '), version = line.rfind(' ');
    if (method == std::string_view::npos || method == version ||
        !is_token(line.substr(0, method)) || !line.substr(version + 1).starts_with("HTTP/1."))
      throw HttpError(400, "the request is not HTTP/1.1");
    head_.text = std::string(line) + "\r\n";
  }

  void header(std::string_view line) {
    const size_t colon = line.find(':');
    const std::string name = lower(line.substr(0, colon));
    if (colon == std::string_view::npos || !is_token(name))
      throw HttpError(400, "the request has a header line that is none");
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (name == "transfer-encoding")
      throw HttpError(411, "a body of chunks is not taken: send it with its Content-Length");
    if (name == "content-encoding" && lower(value) != "identity")
      throw HttpError(415, "a compressed body is not taken: send it as it is");
    if (name == "content-length") length(value);
    if (name == "content-type") type_ = lower(trimmed(value.substr(0, value.find(';'))));
    if (name == "connection") connection(lower(value));
    // What else a library may read in a header (ranges, encodings, ...) is not for this service.
    constexpr std::array kept = {"host",   "content-type", "content-length", "expect",
                                 "origin", "forwarded",    "x-forwarded-for"};
    if (std::find(kept.begin(), kept.end(), name) != kept.end())
      head_.text += fmt::format("{}: {}\r\n", name, value);
  }

  void length(std::string_view value) {
    size_t bytes = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), bytes);
    const bool whole = end == value.data() + value.size() && !value.empty();
    if (length_ || !whole || error == std::errc::invalid_argument)
      throw HttpError(400, "the Content-Length is not one whole number");
    length_ = error == std::errc{} ? bytes : SIZE_MAX;
  }

  void connection(const std::string& value) {
    if (value.find("close") != std::string::npos)
      head_.text += "connection: close\r\n";
    else if (value.find("keep-alive") != std::string::npos)
      head_.text += "connection: Keep-Alive\r\n";
  }

  void finish() {
    head_.body_bytes = length_.value_or(0);
    if (head_.body_bytes > most_body_bytes_)
      throw HttpError(413, fmt::format("the body is over {} bytes", most_body_bytes_));
    if (head_.body_bytes > 0 && type_ != "application/json")
      throw HttpError(415, "a body is JSON here: say Content-Type: application/json");
    head_.text += "\r\n";
  }

  size_t most_body_bytes_;
  RequestHead head_;
  std::optional<size_t> length_;
  std::string type_;
};

}  // namespace

RequestHead parse_head(std::string_view raw, size_t most_body_bytes) {
  return HeadParser(most_body_bytes).parse(raw);
}

const char* reason_of(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 411:
      return "Length Required";
    case 413:
      return "Payload Too Large";
    case 415:
      return "Unsupported Media Type";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    default:
      return "Internal Server Error";
  }
}

}  // namespace mgqe
