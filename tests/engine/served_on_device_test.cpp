// A recommender whose items are searched on a device answers as one that searches by the CPU.
#include <thread>

#include <gtest/gtest.h>

#include "host/engine/coded_top_k.hpp"
#include "host/serve/decoded_top_k.hpp"
#include "tests/serve/served_model.hpp"

namespace mgqe::testing {
namespace {

class ServedOn : public ::testing::TestWithParam<const char*> {
 protected:
  /// False where the device is not there; the test is then skipped.
  bool open(const std::string& backbone) {
    const Config config = served_config(backbone, "mgqe");
    write_served(folder_ / backbone, config, served_model(config));
    cpu = std::make_unique<Recommender>(ArtifactView::open(folder_ / backbone));
    device = std::make_unique<Recommender>(ArtifactView::open(folder_ / backbone));
    try {
      device->search_on(make_coded_top_k(GetParam(), device->reader(device->item_table()).tiers()));
    } catch (const InputError& error) {
      no_device = error.what();
      return false;
    }
    return true;
  }

  static TopKBuffers ask(const Recommender& model, int32_t users, RecommendOptions options) {
    std::vector<int32_t> history;
    for (int32_t i = 0; i < 12; ++i) history.push_back(i * 31 % kServedItems);
    std::vector<Question> questions;
    for (int32_t user = 0; user < users; ++user)
      questions.push_back({user, std::span<const int32_t>(history).subspan(user % 9, 3)});
    TopKBuffers lists(users, options.top.k);
    model.recommend(questions, options, lists.result());
    return lists;
  }
  void expect_alike(const TopKBuffers& lists, const TopKBuffers& wanted) {
    EXPECT_EQ(lists.rows, wanted.rows);
    EXPECT_EQ(lists.scores, wanted.scores);
    EXPECT_EQ(lists.counts, wanted.counts);
  }

  ScratchFolder folder_;
  std::unique_ptr<Recommender> cpu, device;
  std::string no_device;
};

TEST_P(ServedOn, RecommendsTheSame) {
  for (const char* backbone : {"gmf", "sasrec", "neumf"}) {
    SCOPED_TRACE(backbone);
    if (!open(backbone)) GTEST_SKIP() << no_device;
    EXPECT_TRUE(device->on_device());
    const int64_t shortlist = std::string(backbone) == "neumf" ? 60 : 0;
    for (const int32_t users : {1, 40}) {
      const RecommendOptions options{.top = {.k = 15}, .shortlist = shortlist};
      expect_alike(ask(*device, users, options), ask(*cpu, users, options));
    }
  }
}

TEST_P(ServedOn, FindsTheSameItemsByDot) {
  if (!open("gmf")) GTEST_SKIP() << no_device;
  const std::vector<int32_t> items = {4, 650};
  TopKBuffers lists(2, 20), wanted(2, 20);
  device->similar(items, Likeness::kDot, {.k = 20}, lists.result());
  cpu->similar(items, Likeness::kDot, {.k = 20}, wanted.result());
  expect_alike(lists, wanted);
}

/// They take turns.
TEST_P(ServedOn, ManyThreads) {
  if (!open("gmf")) GTEST_SKIP() << no_device;
  const RecommendOptions options{.top = {.k = 15}};
  const TopKBuffers wanted = ask(*cpu, 3, options);
  std::vector<TopKBuffers> lists(3, TopKBuffers(3, 15));
  std::vector<std::thread> threads;
  for (TopKBuffers& own : lists) threads.emplace_back([&] { own = ask(*device, 3, options); });
  for (std::thread& thread : threads) thread.join();
  for (const TopKBuffers& own : lists) expect_alike(own, wanted);
}

INSTANTIATE_TEST_SUITE_P(Device, ServedOn, ::testing::Values("cuda"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace mgqe::testing
