#include "experiments/serving/http/connection_stream.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/socket.h>

#include "experiments/serving/http/http_error.hpp"
#include "experiments/serving/http/request_head.hpp"

namespace mgqe {
namespace {

constexpr size_t kPiece = 16 * 1024;
constexpr size_t kSendAt = 64 * 1024;
constexpr auto kGlance = std::chrono::milliseconds(100);  // between looks at whether all ends
constexpr auto kGrace = std::chrono::seconds(1);          // for half a request when all ends

void describe(const sockaddr_storage& address, std::string& ip, int& port) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    port = ntohs(v4.sin_port);
  } else if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    port = ntohs(v6.sin6_port);
  }
  ip = text;
}

}  // namespace

ConnectionStream::ConnectionStream(int socket, Connections& all, const HttpLimits& limits,
                                   const std::atomic<bool>& ending, Refused refused)
    : socket_(socket),
      place_(all, socket),
      limits_(limits),
      ending_(ending),
      refused_(std::move(refused)) {}

bool ConnectionStream::wait(short events, Clock::time_point deadline) const {
  bool clipped = false;
  while (true) {
    if (ending_ && !std::exchange(clipped, true))
      deadline = std::min(deadline, Clock::now() + kGrace);
    const auto left = deadline - Clock::now();
    if (left <= Clock::duration::zero()) return false;
    const auto slice = std::min<Clock::duration>(left, kGlance);
    pollfd socket = {socket_, events, 0};
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(slice).count();
    if (::poll(&socket, 1, static_cast<int>(ms)) > 0) return true;
  }
}

bool ConnectionStream::wait_for_first() const {
  const auto deadline = Clock::now() + limits_.idle;
  pollfd socket = {socket_, POLLIN, 0};
  while (!ending_ && Clock::now() < deadline)
    if (::poll(&socket, 1, static_cast<int>(kGlance.count())) > 0) return true;
  return false;
}

bool ConnectionStream::receive_now() {
  const size_t before = received_.size();
  received_.resize(before + kPiece);
  const ssize_t count = ::recv(socket_, received_.data() + before, kPiece, 0);
  received_.resize(before + static_cast<size_t>(std::max<ssize_t>(count, 0)));
  return count > 0;
}

bool ConnectionStream::receive(Clock::time_point deadline) {
  return wait(POLLIN, deadline) && receive_now();
}

bool ConnectionStream::next_request() {
  constexpr std::string_view kEnd = "\r\n\r\n";
  if (received_.empty() && !(wait_for_first() && receive_now())) return false;
  read_deadline_ = Clock::now() + limits_.transfer;
  answering_ = false;
  try {
    size_t end;
    while ((end = received_.find(kEnd)) == std::string::npos) {
      if (received_.size() > limits_.head_bytes) break;
      if (!receive(read_deadline_)) {
        if (Clock::now() >= read_deadline_) throw HttpError(408, "the request came too slowly");
        return false;
      }
    }
    if (end == std::string::npos || end > limits_.head_bytes)
      throw HttpError(431,
                      fmt::format("the head of the request is over {} bytes", limits_.head_bytes));
    end += kEnd.size();
    RequestHead head = parse_head(std::string_view(received_).substr(0, end), limits_.body_bytes);
    received_.erase(0, end);
    head_ = std::move(head.text);
    head_read_ = 0;
    body_left_ = head.body_bytes;
  } catch (const HttpError& error) {
    refuse(error.status(), error.what());
    return false;
  }
  if (body_left_ == 0) place_.set_waiting(false);
  return true;
}

ssize_t ConnectionStream::read(char* to, size_t size) {
  if (head_read_ < head_.size()) {
    const size_t count = std::min(size, head_.size() - head_read_);
    std::memcpy(to, head_.data() + head_read_, count);
    head_read_ += count;
    return static_cast<ssize_t>(count);
  }
  if (body_left_ == 0) return 0;
  if (!flush()) return -1;  // "100 Continue", which the client waits for
  if (received_.empty() && !receive(read_deadline_)) return -1;
  const size_t count = std::min({size, received_.size(), body_left_});
  std::memcpy(to, received_.data(), count);
  received_.erase(0, count);
  body_left_ -= count;
  if (body_left_ == 0) place_.set_waiting(false);
  return static_cast<ssize_t>(count);
}

ssize_t ConnectionStream::write(const char* from, size_t size) {
  sending_.append(from, size);
  if (sending_.size() >= kSendAt && !flush()) return -1;
  return static_cast<ssize_t>(size);
}

bool ConnectionStream::flush() {
  if (broken_) return false;
  if (sending_.empty()) return true;
  if (!answering_) {
    write_deadline_ = Clock::now() + limits_.transfer;
    answering_ = body_left_ == 0;
    place_.set_waiting(true);
  }
  size_t sent = 0;
  while (sent < sending_.size()) {
    const ssize_t count = ::send(socket_, sending_.data() + sent, sending_.size() - sent,
                                 MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) {
      sent += static_cast<size_t>(count);
      continue;
    }
    const bool full = count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    if (!full || !wait(POLLOUT, write_deadline_)) {
      broken_ = true;
      return false;
    }
  }
  sending_.clear();
  return true;
}

bool ConnectionStream::finish_answer() {
  const bool sent = flush();
  if (!sent) return false;
  if (body_left_ > 0) linger();
  return body_left_ == 0 && !ending_;
}

void ConnectionStream::refuse(int status, const std::string& what) {
  refused_(status);
  const std::string body = nlohmann::json{{"error", what}}.dump();
  sending_ = fmt::format(
      "HTTP/1.1 {} {}\r\nConnection: close\r\nContent-Type: application/json\r\n"
      "Content-Length: {}\r\n\r\n{}",
      status, reason_of(status), body.size(), body);
  body_left_ = 0;
  if (flush()) linger();
}

void ConnectionStream::linger() {
  constexpr size_t kMost = 4 * 1024 * 1024;
  ::shutdown(socket_, SHUT_WR);
  const auto deadline = Clock::now() + kGrace;
  received_.clear();
  for (size_t drained = 0; drained < kMost && receive(deadline); received_.clear())
    drained += received_.size();
}

void ConnectionStream::get_remote_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0)
    describe(address, ip, port);
}

void ConnectionStream::get_local_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0)
    describe(address, ip, port);
}

}  // namespace mgqe
