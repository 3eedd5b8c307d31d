// Training goes on from random steps, to the bit, as if it had never stopped.
#include <random>

#include "host/train/training_loop.hpp"
#include "tests/support/run_testing.hpp"
#include "tests/support/step_testing.hpp"

namespace mgqe::testing {
namespace {

constexpr int kSteps = 40;  // that a run is stopped at

struct Stop {
  TrainingLoop::Position position;
  ArrayMap arrays;
};

/// Trains to the end of the third epoch; `before` is called before each step.
template <class Before>
void train_to_end(TrainingLoop& loop, const Before& before) {
  while (loop.epoch() < 3 || loop.epoch_steps() < loop.steps_per_epoch()) {
    if (loop.epoch() == 0 || loop.epoch_steps() == loop.steps_per_epoch())
      loop.begin_epoch(loop.epoch() + 1);
    before();
    loop.step();
  }
}

Config config_of(const char* backbone, const char* scheme) {
  Config config = small_config(scheme, "");
  config.model = default_config(backbone).model;
  config.model.max_length = 6;
  config.data.synthetic_users = 60;
  config.data.synthetic_items = 50;
  config.data.synthetic_actions = 8;
  config.train.negatives = default_config(backbone).train.negatives;
  config.train.batch = config.model.name == "sasrec" ? 4 : 64;
  config.train.epochs = 3;
  return config;
}

TEST(ResumeProperty, GoesOnFromRandomStepsToTheBit) {
  const auto backend = make_backend("cpu");
  std::mt19937_64 random(6);
  for (Config config : {config_of("gmf", "mgqe"), config_of("sasrec", "mgqe")}) {
    const auto task = make_task(*backend, config);
    TrainingLoop whole(*backend, *task, config);
    const auto all = static_cast<uint64_t>(3 * whole.steps_per_epoch());
    std::vector<int> stops(all);
    for (int i = 0; i < kSteps; ++i) ++stops[random() % all];
    std::map<uint64_t, Stop> taken;
    train_to_end(whole, [&] {
      if (stops[whole.steps()] > 0)
        taken[whole.steps()] = {whole.position(), whole.checkpoint_arrays()};
    });
    ASSERT_GE(taken.size(), static_cast<size_t>(kSteps) / 3);
    const ArrayMap expected = whole.checkpoint_arrays();
    for (const auto& [step, stop] : taken) {
      TrainingLoop resumed(*backend, *task, config);
      resumed.restore(stop.position, stop.arrays);
      train_to_end(resumed, [] {});
      ASSERT_EQ(resumed.steps(), whole.steps());
      EXPECT_EQ(resumed.mean_loss(), whole.mean_loss()) << config.model.name << ", step " << step;
      for (const auto& [name, values] : resumed.checkpoint_arrays())
        EXPECT_EQ(values.bytes, expected.at(name).bytes)
            << config.model.name << ", step " << step << " of " << all << ", " << name;
    }
  }
}

}  // namespace
}  // namespace mgqe::testing
