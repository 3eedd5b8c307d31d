#include "experiments/serving/http/http_server.hpp"

#include <chrono>
#include <thread>
#include <type_traits>

#include <sys/socket.h>
#include <unistd.h>

#include "experiments/serving/http/connection_stream.hpp"
#include "host/base/check.hpp"
#include "host/io/atomic_file.hpp"

namespace mgqe {
namespace {

constexpr int kBacklog = 512;  // the library's own is 5, which a burst of clients overruns

}  // namespace

/// Later versions of the library want to know whether there was room.
class HttpServer::Threads final : public httplib::TaskQueue {
  using Enqueued = decltype(std::declval<httplib::TaskQueue&>().enqueue(nullptr));

 public:
  explicit Threads(Connections& connections) : connections_(connections) {}

  Enqueued enqueue(std::function<void()> connection) override {
    connections_.run(std::move(connection));
    return static_cast<Enqueued>(true);
  }
  void shutdown() override { connections_.join(); }

 private:
  Connections& connections_;
};

HttpServer::HttpServer(const HttpLimits& limits, std::function<void(int)> refused)
    : limits_(limits), refused_(std::move(refused)), connections_(limits.connections) {
  new_task_queue = [this] { return new Threads(connections_); };
  set_payload_max_length(limits_.body_bytes);
  set_tcp_nodelay(true);
  set_keep_alive_timeout(std::chrono::duration_cast<std::chrono::seconds>(limits_.idle).count());
  set_keep_alive_max_count(1'000'000);
  // Not SO_REUSEPORT, which is the library's choice: two services would share a port unnoticed.
  set_socket_options([](socket_t socket) {
    const int yes = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
}

int HttpServer::bind(const std::string& host, int port) {
  const int bound = port == 0 ? bind_to_any_port(host) : bind_to_port(host, port) ? port : -1;
  if (bound < 0)
    input_error("cannot listen on ", host, " port ", port, ": ", system_message(errno));
  ::listen(svr_sock_, kBacklog);
  return bound;
}

void HttpServer::serve() {
  listen_after_bind();
  served_ = true;
}

void HttpServer::end() {
  ending_ = true;
  // The library does not hear of an end before it has begun.
  while (!is_running() && !served_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  stop();
}

template <class Self>
bool HttpServer::process_one(Self& self, httplib::Stream& stream, bool& closed) {
  const bool close = ending_;
  const std::function<void(httplib::Request&)> nothing;
  if constexpr (requires { self.process_request(stream, close, closed, nothing); }) {
    return self.process_request(stream, close, closed, nothing);
  } else {
    std::string remote, local;
    int remote_port = 0, local_port = 0;
    stream.get_remote_ip_and_port(remote, remote_port);
    stream.get_local_ip_and_port(local, local_port);
    return self.process_request(stream, remote, remote_port, local, local_port, close, closed,
                                nothing);
  }
}

bool HttpServer::process_and_close_socket(socket_t socket) {
  {
    ConnectionStream stream(socket, connections_, limits_, ending_, refused_);
    bool closed = false;
    while (!closed && stream.next_request()) {
      const bool answered = process_one(*this, stream, closed);
      if (!stream.finish_answer() || !answered) break;
    }
  }
  ::close(socket);
  return true;
}

}  // namespace mgqe
