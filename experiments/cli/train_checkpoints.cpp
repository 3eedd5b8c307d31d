#include "experiments/cli/train_checkpoints.hpp"

#include <csignal>
#include <cstdio>

#include <fmt/format.h>

#include "host/base/interruption.hpp"
#include "host/comm/launch.hpp"

namespace mgqe {

CheckpointFlags::CheckpointFlags(CLI::App& train) {
  const auto add = [&](const char* flag, auto& value, const char* help) {
    train.add_option(flag, value, help)
        ->group("checkpoints")
        ->default_str(fmt::format("{}", value));
  };
  train
      .add_flag("--resume", options_.resume,
                "go on from the newest checkpoint in --out, or begin where there is none; only "
                "--device, --out, --patience and more --epochs may differ from its run's options")
      ->group("checkpoints");
  add("--checkpoint-minutes", options_.minutes,
      "a checkpoint after so many minutes without one, at the next step; 0 for none by time. One "
      "is always left at the end, and on SIGTERM, SIGUSR1, SIGHUP or Ctrl-C");
  add("--checkpoint-every", options_.every, "a checkpoint every so many steps; 0 for none");
  add("--keep-checkpoints", options_.keep, "how many are kept, the newest ones");
}

void run_until_interrupted(const std::string& command, bool speaks,
                           const std::function<void()>& body) {
  try {
    body();
  } catch (const Interrupted& stopped) {
    // What is still to be printed has nobody to read it either.
    if (stopped.signal() == SIGPIPE) std::signal(SIGPIPE, SIG_IGN);
    const bool resumes = (command + " ").find(" --resume ") != std::string::npos;
    std::fflush(stdout);
    if (speaks)
      fmt::print(stderr, "mgqe: {}; go on with: {}{}\n", stopped.what(), command,
                 resumes ? "" : " --resume");
    if (stopped.signal() == SIGPIPE) throw SilentExit{0};
    end_as_interrupted(stopped.signal());
  }
}

}  // namespace mgqe
