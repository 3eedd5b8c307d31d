// `mgqe convert`: a float table that was trained anywhere becomes an artifact.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "experiments/serving/table_work.hpp"
#include "host/convert/convert.hpp"
#include "host/io/size_report.hpp"

namespace mgqe {

class ConvertCommand {
 public:
  explicit ConvertCommand(CLI::App& app);

  bool given() const { return command_->parsed(); }
  void run() const;

 private:
  nlohmann::json recorded(const FloatTable& source, const ConvertOptions& options) const;

  CLI::App* command_;
  std::string in_, out_, counts_, ids_, name_ = "item";
  std::string rotation_ = "none";
  std::string codebook_type_ = "f32";
  ConvertOptions options_;
  DeviceOptions device_;
  bool as_json_ = false;
};

}  // namespace mgqe
