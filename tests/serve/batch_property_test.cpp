// What is asked beside a question, and in which order, changes no bit of its answer.
#include <algorithm>
#include <numeric>
#include <random>

#include "host/serve/decoded_top_k.hpp"
#include "tests/serve/served_model.hpp"

namespace mgqe::testing {
namespace {

constexpr int64_t kAsked = 13;

struct Answer {
  std::vector<int32_t> rows;
  std::vector<float> scores;
  bool operator==(const Answer&) const = default;
};

std::vector<Answer> answers(const Recommender& recommender, const std::vector<Question>& questions,
                            int64_t k, int threads) {
  const auto count = static_cast<int64_t>(questions.size());
  TopKBuffers lists(count, k);
  recommender.recommend(questions, {.top = {.k = k, .threads = threads}}, lists.result());
  std::vector<Answer> all;
  for (int64_t m = 0; m < count; ++m)
    all.push_back({{lists.rows.begin() + m * k, lists.rows.begin() + (m + 1) * k},
                   {lists.scores.begin() + m * k, lists.scores.begin() + (m + 1) * k}});
  return all;
}

TEST(BatchProperty, APermutedBatchHasThePermutedAnswersToTheBit) {
  std::mt19937_64 random(5);
  for (const char* const backbone : {"gmf", "neumf", "sasrec"})
    for (const char* const scheme : {"full", "mgqe", "scalar_quantized"}) {
      const ScratchFolder folder;
      const Config config = served_config(backbone, scheme);
      write_served(folder / "a", config, served_model(config));
      const Recommender recommender(ArtifactView::open(folder / "a"));
      std::vector<std::vector<int32_t>> histories(kAsked);
      std::vector<Question> questions;
      for (auto& history : histories) {
        for (uint64_t left = 1 + random() % 14; left > 0; --left)
          history.push_back(static_cast<int32_t>(random() % kServedItems));
        questions.push_back({static_cast<int32_t>(random() % kServedUsers), history});
      }
      const std::vector<Answer> expected = answers(recommender, questions, 20, 1);
      for (int round = 0; round < 6; ++round) {
        std::vector<size_t> order(questions.size());
        std::iota(order.begin(), order.end(), size_t{0});
        std::shuffle(order.begin(), order.end(), random);
        order.resize(1 + random() % order.size());  // some of them, one alone too
        if (round == 0) order.resize(1);
        std::vector<Question> asked;
        for (const size_t m : order) asked.push_back(questions[m]);
        const int threads = 1 + static_cast<int>(random() % 3);
        const auto k = static_cast<int64_t>(1 + random() % 20);  // a shorter list is a prefix
        const std::vector<Answer> got = answers(recommender, asked, k, threads);
        for (size_t m = 0; m < order.size(); ++m) {
          Answer prefix = expected[order[m]];
          prefix.rows.resize(static_cast<size_t>(k));
          prefix.scores.resize(static_cast<size_t>(k));
          EXPECT_EQ(got[m], prefix) << backbone << " " << scheme << ", case " << round
                                    << ", question " << order[m] << " at place " << m;
        }
      }
    }
}

}  // namespace
}  // namespace mgqe::testing
