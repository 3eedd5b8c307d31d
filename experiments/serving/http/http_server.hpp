// HttpServer: the library's server, which parses requests and writes answers, upon connections that
// are bounded in time and bytes.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include <httplib.h>

#include "experiments/serving/http/connections.hpp"
#include "experiments/serving/http/limits.hpp"

namespace mgqe {

class HttpServer final : public httplib::Server {
 public:
  /// `refused` hears of requests that are answered before they are parsed.
  HttpServer(const HttpLimits& limits, std::function<void(int status)> refused);

  /// Binds to host and port, 0: any that is free; the port. InputError where that cannot be.
  int bind(const std::string& host, int port);
  /// Serves until end() is called, and those requests that are under way then.
  void serve();
  /// To be called while serve() runs in another thread, or is about to.
  void end();

 private:
  class Threads;

  bool process_and_close_socket(socket_t socket) override;
  template <class Self>
  bool process_one(Self& self, httplib::Stream& stream, bool& closed);

  HttpLimits limits_;
  std::function<void(int)> refused_;
  Connections connections_;
  std::atomic<bool> ending_{false}, served_{false};
};

}  // namespace mgqe
