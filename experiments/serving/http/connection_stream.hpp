// ConnectionStream: a socket as the HTTP library reads and writes it, within bounds: so many bytes,
// so much time for a whole request and for its answer, however slowly they come and go.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <string>

#include <httplib.h>
#include <sys/types.h>

#include "experiments/serving/http/connections.hpp"
#include "experiments/serving/http/limits.hpp"

namespace mgqe {

class ConnectionStream final : public httplib::Stream {
 public:
  using Refused = std::function<void(int status)>;

  /// `refused` hears of requests that are answered here, as no library need parse them.
  ConnectionStream(int socket, Connections& all, const HttpLimits& limits,
                   const std::atomic<bool>& ending, Refused refused);

  /// Waits for the next request, until its head is there; false where none comes.
  bool next_request();
  /// Sends what is left of the answer; whether another request may follow.
  bool finish_answer();

  // ---- for the library; those of several versions of it ----
  ssize_t read(char* to, size_t size);
  ssize_t write(const char* from, size_t size);
  bool is_readable() const { return true; }
  bool is_writable() const { return !broken_; }
  bool wait_readable() const { return true; }
  bool wait_writable() const { return !broken_; }
  void get_remote_ip_and_port(std::string& ip, int& port) const;
  void get_local_ip_and_port(std::string& ip, int& port) const;
  socket_t socket() const { return socket_; }
  time_t duration() const { return 0; }

 private:
  using Clock = std::chrono::steady_clock;

  /// Whether poll(2) saw `events` by the deadline, or soon after the service is told to end.
  bool wait(short events, Clock::time_point deadline) const;
  /// The same for a request that has not begun, which an end does not wait for.
  bool wait_for_first() const;
  /// More bytes into received_; false at the end of them, or of time.
  bool receive(Clock::time_point deadline);
  bool receive_now();
  bool flush();
  void refuse(int status, const std::string& what);
  /// Lets the client read what was sent last before the connection goes.
  void linger();

  int socket_;
  Connections::Place place_;
  const HttpLimits& limits_;
  const std::atomic<bool>& ending_;
  Refused refused_;
  std::string received_;  // not yet read by the library
  std::string head_;      // what it is given of the head
  size_t head_read_ = 0, body_left_ = 0;
  std::string sending_;
  Clock::time_point read_deadline_, write_deadline_;
  bool answering_ = false;  // something of the answer was written
  bool broken_ = false;
};

}  // namespace mgqe
