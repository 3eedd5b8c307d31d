// `mgqe train --seeds`: the same run by several seeds at once, and the table of their means.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "host/config/config.hpp"

namespace mgqe {

class SeedsOptions {
 public:
  explicit SeedsOptions(CLI::App& train);

  /// Whether --seeds was given; refuses what does not go with it.
  bool given(const nlohmann::json& flags) const;

  /// resume: seeds that are finished are not run again, the others go on.
  void run(const Config& config, const std::vector<std::string>& words, bool resume) const;

 private:
  std::string seeds_;
  int jobs_ = 0;
  CLI::Option* seeds_option_;
  CLI::Option* jobs_option_;
};

}  // namespace mgqe
