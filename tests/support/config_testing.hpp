// What a configuration is refused by.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "host/base/check.hpp"
#include "host/config/config.hpp"
#include "models/backbones/model.hpp"

namespace mgqe {

/// The message that ends a run of this Config, as the command line makes it; empty where there is
/// none.
inline std::string refusal(Config config) {
  try {
    resolve(config);
    validate(config);
    validate_backbone(config);
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

/// The same of the defaults of this backbone and task with a change.
inline std::string refusal(const std::function<void(Config&)>& change,
                           const std::string& backbone = "gmf",
                           TaskKind task = TaskKind::kRanking) {
  try {
    Config config = default_config(backbone, task);
    change(config);
    return refusal(std::move(config));
  } catch (const InputError& error) {
    return error.what();
  }
}

/// A refusal and what its message has to say: the flag with the value, and what is allowed.
struct Refusal {
  std::function<void(Config&)> change;
  std::vector<const char*> says;
  const char* backbone = "gmf";
  TaskKind task = TaskKind::kRanking;
};

inline void expect_refused(const std::vector<Refusal>& refusals) {
  for (const Refusal& wrong : refusals) {
    const std::string message = refusal(wrong.change, wrong.backbone, wrong.task);
    for (const char* text : wrong.says)
      EXPECT_NE(message.find(text), std::string::npos)
          << "\"" << message << "\" does not say \"" << text << "\"";
  }
}

}  // namespace mgqe
