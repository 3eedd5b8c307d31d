// Ops that are called to run side by side: in a second stream on a GPU, one after the other
// elsewhere.
#include <chrono>
#include <thread>

#include "host/cpu/cpu_backend.hpp"
#include "host/train/training_loop.hpp"
#include "models/optim/unique_buffer.hpp"
#include "tests/support/step_testing.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

class SideBySide : public OnEveryBackend {};

/// Each side sorts ids and multiplies matrices, with scratch and a library's handle; both read what
/// was written before, and what follows reads both. Eagerly, and recorded where steps are.
TEST_P(SideBySide, FollowsWhatWasCalledAndIsFollowed) {
  constexpr int64_t kLookups = 3000, kRows = 400, kSide = 96;
  Random random(1);
  const Tensor<float> a = tensor(random.normals(kSide * kSide), kSide);
  const Tensor<int32_t> ids[] = {tensor(random.integers<int32_t>(kLookups, 0, kRows - 1)),
                                 tensor(random.integers<int32_t>(kLookups, 0, kRows - 1))};
  Tensor<float> scaled(backend(), kSide, kSide), weights = tensor(std::vector<float>(kSide, 0.5f)),
                                                 sum(backend(), kSide, kSide);
  struct Side {
    Side(Backend& backend) : unique(backend, kLookups), product(backend, kSide, kSide) {}
    UniqueBuffer unique;
    Tensor<float> product;
    UniqueIds found;
  };
  Side sides[] = {Side(backend()), Side(backend())};
  const auto work = [&](int which) {
    sides[which].found = sides[which].unique.deduplicate(ids[which], kRows);
    backend().matmul(which == 0 ? Operand(scaled) : transposed(scaled), a, sides[which].product);
  };
  const auto step = [&](bool apart) {
    backend().scale_columns(a, weights, scaled);
    if (apart) {
      work(0);
      work(1);
    } else {
      backend().side_by_side([&] { work(0); }, [&] { work(1); });
    }
    backend().add(sides[0].product, sides[1].product, sum);
  };
  const auto results = [&] {
    std::vector<std::vector<int32_t>> distinct;
    for (const Side& side : sides) {
      std::vector<int32_t> inverse(kLookups);
      backend().download(inverse.data(), side.found.inverse.data, kLookups * sizeof(int32_t));
      distinct.push_back(inverse);
    }
    return std::pair(sum.to_host(), distinct);
  };
  step(true);
  const auto expected = results();
  const auto clear = [&] {
    sum.zero();
    for (Side& side : sides) side.product.zero();
  };
  clear();
  step(false);
  EXPECT_EQ(results(), expected);
  const auto runner = backend().make_step_runner();
  for (int round = 0; round < 4; ++round) {
    clear();
    runner->run({1, 0}, 1, [&] { step(false); });
    EXPECT_EQ(results(), expected) << "round " << round;
  }
}

TEST_P(SideBySide, MayStandWithinAnother) {
  const Tensor<float> x(backend(), 100), y(backend(), 100), z(backend(), 100);
  backend().side_by_side([&] { backend().fill(x, 1.0f); },
                         [&] {
                           backend().side_by_side([&] { backend().fill(y, 2.0f); },
                                                  [&] { backend().fill(z, 3.0f); });
                         });
  Tensor<float> sum(backend(), 100);
  backend().add(x, y, sum);
  backend().add(sum, z, sum);
  EXPECT_EQ(sum.to_host(), std::vector<float>(100, 6.0f));
}

TEST_P(SideBySide, AnErrorInASideLeavesTheBackEndInOrder) {
  const Tensor<float> x(backend(), 100);
  EXPECT_THROW(backend().side_by_side([&] { backend().fill(x, 1.0f); },
                                      [] { throw Error("of the second side"); }),
               Error);
  backend().fill(x, 2.0f);
  EXPECT_EQ(x.to_host(), std::vector<float>(100, 2.0f));
}

/// By the device's clock, which counts what the device does and, of a CPU, what the host does.
TEST_P(SideBySide, SecondsOfOps) {
  const Tensor<float> x(backend(), 1 << 22);
  const auto fills = [&](int calls) {
    return backend().seconds_of([&] {
      for (int i = 0; i < calls; ++i) backend().fill(x, 1.0f);
    });
  };
  fills(1);
  EXPECT_GT(fills(200), fills(1));
  if (backend().name() != "cpu") return;
  constexpr auto kNap = std::chrono::milliseconds(20);
  EXPECT_GE(backend().seconds_of([&] { std::this_thread::sleep_for(kNap); }), 0.02);
}

MGQE_ON_EVERY_BACKEND(SideBySide);

/// Sides that touch nothing of each other's may come in any order.
class Reversed final : public CpuBackend {
 public:
  int64_t pairs = 0;
  void side_by_side(const std::function<void()>& first,
                    const std::function<void()>& second) override {
    ++pairs;
    second();
    first();
  }
};

TEST(SidesOfAModel, ShareNothing) {
  for (const char* backbone : {"gmf", "neumf"})
    for (const char* scheme : {"full", "mgqe", "dpq_sx", "low_rank", "hashed", "lsq",
                               "quotient_remainder", "memcom", "mixed_dim"}) {
      SCOPED_TRACE(std::string(backbone) + " " + scheme);
      Config config = step_config(backbone, scheme);
      config.model.pretrain_epochs = 0;  // both halves from the first step
      CpuBackend plain;
      Reversed reversed;
      std::vector<std::vector<float>> arrays[2];
      for (const bool reverse : {false, true}) {
        Backend& backend = reverse ? static_cast<Backend&>(reversed) : plain;
        const auto task = make_task(backend, config);
        TrainingLoop loop(backend, *task, config);
        loop.begin_epoch(1);
        for (int step = 0; step < 5; ++step) loop.step();
        loop.model().visit([&](const std::string&, Tensor<float>& tensor) {
          arrays[reverse].push_back(tensor.to_host());
        });
      }
      EXPECT_EQ(arrays[0], arrays[1]);
      EXPECT_EQ(reversed.pairs, 5 * 3) << "a step prepares, looks up and updates both sides";
    }
}

}  // namespace
}  // namespace mgqe::testing
