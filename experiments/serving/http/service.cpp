#include "experiments/serving/http/service.hpp"

#include <array>
#include <chrono>
#include <condition_variable>
#include <iostream>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "experiments/serving/http/endpoints.hpp"
#include "experiments/serving/http/gate.hpp"
#include "experiments/serving/http/http_error.hpp"
#include "experiments/serving/http/http_server.hpp"
#include "experiments/serving/http/metrics.hpp"
#include "experiments/serving/http/page.hpp"
#include "host/base/interruption.hpp"
#include "host/base/version.hpp"
#include "host/io/console/logging.hpp"

namespace mgqe {
namespace {

constexpr auto kLookAtFiles = std::chrono::seconds(1);

struct Endpoint {
  const char* path;
  bool get, post;
  Answer (*answer)(const Context&, const RequestValues&);  // null: made by the service itself
  bool computes;                                           // counted against the limit
};

constexpr std::array kEndpoints = {
    Endpoint{"/recommend", true, true, recommend_endpoint, true},
    Endpoint{"/similar", true, true, similar_endpoint, true},
    Endpoint{"/lookup", true, true, lookup_endpoint, true},
    Endpoint{"/history", true, false, history_endpoint, true},
    Endpoint{"/health", true, false, health_endpoint, false},
    Endpoint{"/metrics", true, false, nullptr, false},
    Endpoint{"/reload", false, true, nullptr, false},
    Endpoint{"/", true, false, nullptr, false},
};

const Endpoint* find_endpoint(const std::string& path) {
  for (const Endpoint& endpoint : kEndpoints)
    if (path == endpoint.path) return &endpoint;
  return nullptr;
}

void set_json(httplib::Response& response, int status, const Answer& answer) {
  response.status = status;
  response.set_content(to_text(answer) + "\n", "application/json");
}

void set_error(httplib::Response& response, int status, const std::string& what) {
  set_json(response, status, {{"error", what}});
}

/// Whoever asks is on this machine, and no page of some other site made a browser ask.
bool from_here(const httplib::Request& request) {
  std::string peer = request.remote_addr;
  if (peer.starts_with("::ffff:")) peer = peer.substr(7);
  return (peer.starts_with("127.") || peer == "::1") && !request.has_header("origin") &&
         !request.has_header("x-forwarded-for") && !request.has_header("forwarded");
}

class Service {
 public:
  explicit Service(const ServiceOptions& options)
      : options_(options),
        models_(options.files, options.threads),
        server_(options_.limits, [this](int status) { metrics_.count("refused", status); }) {
    server_.set_pre_routing_handler(
        [this](const auto& request, auto& response) { return route(request, response); });
    const auto handle = [this](const auto& request, auto& response) { answer(request, response); };
    server_.Get(R"(/.*)", handle);
    server_.Post(R"(/.*)", handle);
    server_.set_error_handler(httplib::Server::Handler([](const auto&, auto& response) {
      if (response.body.empty()) set_error(response, response.status, "the request is not HTTP");
    }));
    server_.set_logger([this](const auto& request, const auto& response) {
      const Endpoint* const known = find_endpoint(request.path);
      metrics_.count(known ? known->path : "other", response.status);
    });
  }

  void run() {
    const Interruption interruption;
    const int port = server_.bind(options_.host, options_.port);
    std::cout << "serving " << options_.files.artifact << " on http://"
              << (options_.host.find(':') == std::string::npos ? options_.host
                                                               : "[" + options_.host + "]")
              << ":" << port << std::endl;
    std::thread watching([this] { watch(); });
    std::thread serving([this] { server_.serve(); });
    while (interruption.signal() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    log().info("{}: requests under way are answered, then it ends",
               signal_name(interruption.signal()));
    server_.end();
    serving.join();
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    watching.join();
  }

 private:
  using Routed = httplib::Server::HandlerResponse;

  /// Before a body is read: whether there is such a place, and such a way to ask it.
  Routed route(const httplib::Request& request, httplib::Response& response) const {
    const Endpoint* const endpoint = find_endpoint(request.path);
    if (endpoint == nullptr) {
      set_error(response, 404,
                "there is no such path: /recommend, /similar, /lookup, /history, /health and "
                "/metrics are served");
      return Routed::Handled;
    }
    const bool get = request.method == "GET" || request.method == "HEAD";
    if ((get && endpoint->get) || (request.method == "POST" && endpoint->post))
      return Routed::Unhandled;
    response.set_header("Allow", !endpoint->post ? "GET" : endpoint->get ? "GET, POST" : "POST");
    set_error(response, 405, fmt::format("{} is not for {}", endpoint->path, request.method));
    return Routed::Handled;
  }

  void answer(const httplib::Request& request, httplib::Response& response) {
    const Endpoint& endpoint = *find_endpoint(request.path);
    try {
      if (endpoint.answer != nullptr) return compute(endpoint, request, response);
      if (request.path == std::string_view("/")) return page(response);
      if (request.path == std::string_view("/metrics")) return metrics(response);
      reload(request, response);
    } catch (const HttpError& error) {
      set_error(response, error.status(), error.what());
    } catch (const NotFound& error) {
      set_error(response, 404, error.what());
    } catch (const InputError& error) {
      set_error(response, 400, error.what());
    } catch (const std::bad_alloc&) {
      set_error(response, 500, "no memory is left for this request");
    } catch (const std::exception& error) {
      log().error("{}: {}", request.path, error.what());
      set_error(response, 500, "a defect of the service; its log says more");
    }
  }

  void compute(const Endpoint& endpoint, const httplib::Request& request,
               httplib::Response& response) {
    if (!endpoint.computes) return respond(endpoint, request, response);
    const Gate gate(metrics_.in_flight, options_.limits.concurrency);
    if (!gate.entered()) {
      response.set_header("Retry-After", "1");
      throw HttpError(429, fmt::format("{} requests are under way, which is the most at once",
                                       options_.limits.concurrency));
    }
    const auto start = std::chrono::steady_clock::now();
    respond(endpoint, request, response);
    metrics_.observe(
        endpoint.path,
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }

  void respond(const Endpoint& endpoint, const httplib::Request& request,
               httplib::Response& response) const {
    const bool post = request.method == "POST";
    if (post && !request.params.empty())
      throw HttpError(400, "parameters of a POST belong in its body, as JSON");
    const RequestValues values =
        post ? RequestValues::of_body(request.body) : RequestValues::of_url(request.params);
    const Context context = {models_.current(), options_.limits, options_.threads};
    set_json(response, 200, endpoint.answer(context, values));
  }

  static void page(httplib::Response& response) {
    response.set_header("Content-Security-Policy",
                        "default-src 'none'; style-src 'unsafe-inline'; script-src "
                        "'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'");
    response.set_header("X-Content-Type-Options", "nosniff");
    response.set_content(kPage, "text/html; charset=utf-8");
  }

  void metrics(httplib::Response& response) const {
    const Models models = models_.current();
    std::vector<Metrics::Gauge> gauges;
    for (const auto& [name, model] :
         {std::pair("served", models.served), std::pair("full", models.full)}) {
      if (model == nullptr) continue;
      for (const std::string& table : model->artifact().table_names())
        gauges.push_back({"mgqe_table_rows", "Rows of a table.",
                          fmt::format(R"(model="{}",table="{}")", name, table),
                          static_cast<double>(model->artifact().table(table).rows())});
    }
    for (const auto& [name, model] :
         {std::pair("served", models.served), std::pair("full", models.full)})
      if (model != nullptr)
        gauges.push_back({"mgqe_artifact_bytes", "Bytes of an artifact.",
                          fmt::format(R"(model="{}")", name),
                          static_cast<double>(model->artifact().sizes().file_bytes)});
    gauges.push_back({"mgqe_build_info", "The version of the program.",
                      fmt::format(R"(commit="{}")", build_commit()), 1});
    response.set_content(metrics_.text(gauges), "text/plain; version=0.0.4; charset=utf-8");
  }

  void reload(const httplib::Request& request, httplib::Response& response) {
    if (!from_here(request)) throw HttpError(403, "a reload is asked for on the machine itself");
    if (const std::string failure = open_anew([this] { models_.reload(); }); !failure.empty())
      throw HttpError(500, "what was served goes on: " + failure);
    set_json(response, 200, {{"reloaded", true}});
  }

  /// Runs one of models_' reloads; what went wrong, or nothing.
  template <class Reload>
  std::string open_anew(const Reload& reload) {
    try {
      reload();
    } catch (const std::exception& error) {
      metrics_.count_reload(false);
      log().error("what was served goes on: {}", error.what());
      return error.what();
    }
    metrics_.count_reload(true);
    log().info("serving {} anew", options_.files.artifact);
    return "";
  }

  void watch() {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kLookAtFiles, [this] { return ending_; })) {
      lock.unlock();
      if (models_.replaced()) open_anew([this] { models_.reload(); });
      lock.lock();
    }
  }

  const ServiceOptions options_;
  LiveModels models_;
  Metrics metrics_;
  HttpServer server_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;  // guarded by mutex_
};

}  // namespace

void run_service(const ServiceOptions& options) { Service(options).run(); }

}  // namespace mgqe
