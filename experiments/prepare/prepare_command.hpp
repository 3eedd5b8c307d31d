// `mgqe prepare`: a cache of labelled rows with many fields, out of text.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "host/data/ctr/prepare.hpp"

namespace mgqe {

class PrepareCommand {
 public:
  explicit PrepareCommand(CLI::App& app);

  bool given() const { return command_->parsed(); }
  void run() const;

 private:
  /// Refuses what the flags alone show to be wrong.
  PrepareOptions options() const;
  void add_fields(PrepareOptions& options) const;
  /// Whether `out` is already the cache that would be written; InputError where it is another file.
  bool up_to_date(const PrepareOptions& options) const;

  CLI::App* command_;
  PrepareOptions given_;
  std::vector<std::string> in_, train_, valid_, test_;
  std::vector<std::string> categorical_, log_, quantile_, dense_, bag_, ignore_;
  std::string label_, split_ = "random:0.1,0.1";
  uint64_t seed_ = 1;
  bool overwrite_ = false, as_json_ = false;
  CLI::Option* split_option_ = nullptr;
  std::vector<const CLI::Option*> defaults_options_;  // of fields that do not say
};

}  // namespace mgqe
