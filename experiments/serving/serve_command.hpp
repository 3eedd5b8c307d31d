// `mgqe serve`: the HTTP service.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "experiments/serving/http/service.hpp"

namespace mgqe {

class ServeCommand {
 public:
  explicit ServeCommand(CLI::App& app);

  bool given() const { return command_->parsed(); }
  void run() const;

 private:
  CLI::App* command_;
  ServiceOptions options_;
};

}  // namespace mgqe
