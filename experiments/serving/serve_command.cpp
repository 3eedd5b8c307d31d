#include "experiments/serving/serve_command.hpp"

#include "experiments/serving/model_options.hpp"
#include "host/base/check.hpp"
#include "host/serve/scan/top_k.hpp"

namespace mgqe {
namespace {

constexpr const char* kExamples = R"(examples:
  mgqe serve --artifact runs/mgqe/model.safetensors --port 8080
  mgqe serve --artifact runs/mgqe/model.safetensors --histories runs/mgqe/histories.safetensors \
             --titles data/ml-1m/movies.dat --full runs/full/model.safetensors
  curl 'localhost:8080/recommend?user=42&k=5&exclude=seen'
  curl -H 'Content-Type: application/json' -d '{"users": [1, 2], "k": 5}' localhost:8080/recommend

endpoints: /recommend, /similar and /lookup (GET, or POST with JSON), /history, /health, /metrics
(Prometheus), POST /reload from this machine, and a page at /. Files that are replaced by rename are
taken over within a second or two, if they are good; SIGTERM and Ctrl-C end it once requests under
way are answered. It asks for no password: beyond this machine it belongs behind a proxy that does.)";

}  // namespace

ServeCommand::ServeCommand(CLI::App& app)
    : command_(app.add_subcommand("serve", "serve a model over HTTP")) {
  ServedFiles& files = options_.files;
  HttpLimits& limits = options_.limits;
  command_->footer(kExamples);
  command_->add_option("--artifact", files.artifact, "model.safetensors of a run")
      ->required()
      ->type_name("FILE");
  command_
      ->add_option("--histories", files.histories, "what users had, as `mgqe histories` writes it")
      ->type_name("FILE");
  command_
      ->add_option("--titles", files.titles,
                   "titles by the ids of the data trained on: lines of id, tab, title; movies.dat, "
                   "which goes "
                   "with ratings.dat; or CSV with a header")
      ->type_name("FILE");
  command_
      ->add_option("--full", files.full, "artifact of the full table, to compare with on the page")
      ->type_name("FILE");
  command_->add_option("--host", options_.host, "address to listen on")->capture_default_str();
  command_->add_option("--port", options_.port, "port; 0: any that is free")->capture_default_str();
  command_->add_option("--threads", options_.threads, "threads of one request")
      ->capture_default_str();
  add_device_option(*command_, files.device);
  command_->add_option("--max-k", limits.k, "the most items of one list")->capture_default_str();
  command_->add_option("--max-users", limits.users, "the most users of one request")
      ->capture_default_str();
  command_->add_option("--max-body", limits.body_bytes, "the most bytes of a request's body")
      ->capture_default_str();
  command_
      ->add_option("--max-concurrency", limits.concurrency,
                   "requests computed at once; more get 429")
      ->capture_default_str();
}

void ServeCommand::run() const {
  const HttpLimits& limits = options_.limits;
  const auto check = [](const char* flag, int64_t value, int64_t least, int64_t most) {
    if (value < least || value > most)
      input_error(flag, " ", value, " is out of range: ", least, " to ", most);
  };
  check("--port", options_.port, 0, 65535);
  check("--threads", options_.threads, 1, 1024);
  check("--max-k", limits.k, 1, kMaxTopK);
  check("--max-users", limits.users, 1, 65536);
  check("--max-body", static_cast<int64_t>(limits.body_bytes), 1024, int64_t{1} << 30);
  check("--max-concurrency", limits.concurrency, 1, 4096);
  ServiceOptions options = options_;
  options.limits.connections = std::max<size_t>(256, 2 * static_cast<size_t>(limits.concurrency));
  run_service(options);
}

}  // namespace mgqe
