// What a served model recommends: the order its backbone's Ranker counts by, for every backbone and
// scheme; like items by loops in doubles; one clear line where it cannot.
#include "host/serve/recommender.hpp"

#include <thread>

#include <gtest/gtest.h>

#include "host/serve/decoded_top_k.hpp"
#include "models/packing/packed_share.hpp"
#include "models/scorers/history_tokens.hpp"
#include "tests/serve/served_model.hpp"

namespace mgqe {
namespace {

using testing::kServedItems;
using testing::kServedUsers;
using testing::refusal;
using testing::ScratchFolder;
using testing::served_config;
using testing::served_model;

const std::vector<std::string> kSchemes = {
    "full", "low_rank", "scalar_quantized",   "hashed", "dpq_vq",   "dpq_sx",
    "mgqe", "lsq",      "quotient_remainder", "memcom", "mixed_dim"};

std::vector<int32_t> history_of(int32_t user) {
  std::vector<int32_t> items;
  for (int i = 0; i < 3 + user % 17; ++i) items.push_back((user * 31 + i * 7) % kServedItems);
  return items;
}

struct Served {
  Served(const std::string& backbone, const std::string& scheme, TaskKind task = TaskKind::kRanking)
      : config(served_config(backbone, scheme, task)), model(served_model(config)) {
    testing::write_served(folder / "a", config, model);
    recommender = std::make_unique<Recommender>(ArtifactView::open(folder / "a"));
  }

  ScratchFolder folder;
  Config config;
  PackedModel model;
  std::unique_ptr<Recommender> recommender;
};

/// How the Ranker counts every item of one user: greater and ties.
std::vector<std::pair<int32_t, int32_t>> counts_of(Ranker& ranker, Backend& backend, int32_t user,
                                                   int64_t max_length) {
  std::vector<std::pair<int32_t, int32_t>> counts;
  const int64_t most = std::min<int64_t>(ranker.max_users(), 64);
  for (int64_t first = 0; first < kServedItems; first += most) {
    const int64_t m = std::min(most, kServedItems - first);
    HistoryTokens tokens(std::max<int64_t>(max_length, 1));
    std::vector<int32_t> positives;
    for (int64_t i = 0; i < m; ++i) {
      tokens.add(history_of(user));
      positives.push_back(static_cast<int32_t>(first + i));
    }
    const Tensor<int32_t> users(backend, std::vector<int32_t>(static_cast<size_t>(m), user)),
        items(backend, positives), none(backend, 0), candidates(backend, m, 1);
    const Tensor<int64_t> offsets(backend, m + 1);
    Tensor<int32_t> sampled_greater(backend, m), sampled_ties(backend, m), greater(backend, m),
        ties(backend, m);
    const UserHistories histories[] = {tokens.histories()};
    ranker.rank({users, items, candidates, {offsets.view(), none.view()}, histories},
                {sampled_greater, sampled_ties}, {greater, ties});
    for (int64_t i = 0; i < m; ++i) counts.emplace_back(greater.view()[i], ties.view()[i]);
  }
  return counts;
}

/// The list of all items counts as the Ranker does.
void expect_order_of_ranker(const Served& served, bool prepared) {
  const auto backend = make_backend("cpu");
  const auto ranker = make_ranker(*backend, served.model);
  const Recommender& recommender = *served.recommender;
  if (prepared) served.recommender->prepare(1);
  TopKBuffers lists(3, kServedItems);
  const std::vector<int32_t> users = {0, 17, kServedUsers - 1};
  std::vector<std::vector<int32_t>> histories;
  std::vector<Question> questions;
  for (const int32_t user : users) histories.push_back(history_of(user));
  for (size_t m = 0; m < users.size(); ++m) questions.push_back({users[m], histories[m]});
  recommender.recommend(questions, {.top = {.k = kServedItems}}, lists.result());
  for (size_t m = 0; m < users.size(); ++m) {
    ASSERT_EQ(lists.counts[m], kServedItems);
    const auto counts = counts_of(*ranker, *backend, users[m], recommender.max_length());
    const int32_t* rows = lists.rows.data() + m * kServedItems;
    const float* scores = lists.scores.data() + m * kServedItems;
    for (int64_t place = 0; place < kServedItems; ++place) {
      const auto equal =
          std::equal_range(scores, scores + kServedItems, scores[place], std::greater<float>());
      const auto& [greater, ties] = counts[static_cast<size_t>(rows[place])];
      ASSERT_EQ(greater, equal.first - scores) << "item " << rows[place] << " at place " << place;
      ASSERT_EQ(ties, equal.second - equal.first - 1) << "item " << rows[place];
      if (place > 0 && scores[place] == scores[place - 1]) {
        ASSERT_LT(rows[place - 1], rows[place]);
      }
    }
  }
}

TEST(Recommender, OrdersAsTheRankerCounts) {
  for (const char* backbone : {"gmf", "neumf", "sasrec"})
    for (const std::string& scheme : kSchemes) {
      SCOPED_TRACE(std::string(backbone) + " " + scheme);
      const Served served(backbone, scheme);
      expect_order_of_ranker(served, false);
      expect_order_of_ranker(served, true);
      if (HasFatalFailure()) return;
    }
}

TEST(Recommender, GivesAllScoresAndVectors) {
  for (const char* backbone : {"gmf", "neumf", "sasrec"}) {
    const Served served(backbone, "mgqe");
    const Recommender& recommender = *served.recommender;
    const std::vector<int32_t> history = history_of(3);
    const Question question{3, history};
    std::vector<float> scores(kServedItems);
    recommender.score_all(question, {scores.data(), kServedItems});
    TopKBuffers list(1, 20);
    recommender.recommend({&question, 1}, {.top = {.k = 20}}, list.result());
    for (size_t i = 0; i < 20; ++i)
      EXPECT_EQ(list.scores[i], scores[static_cast<size_t>(list.rows[i])]);
    if (!recommender.dot_product()) continue;
    const int64_t d = recommender.reader(recommender.item_table()).dim();
    std::vector<float> vector(static_cast<size_t>(d));
    recommender.vectors({&question, 1}, {vector.data(), 1, d});
    TopKBuffers again(1, 20);
    recommender.top_k(recommender.item_table(), {vector.data(), 1, d}, {.k = 20}, again.result());
    EXPECT_EQ(again.rows, list.rows) << backbone;
  }
}

/// NeuMF by shortlist: true scores, in order, of items that the shortlist has; all of them when it
/// is as long as the catalogue.
TEST(Recommender, ApproximatesByAShortlistWhenAsked) {
  const Served served("neumf", "mgqe");
  const Recommender& recommender = *served.recommender;
  const Question question{5, {}};
  std::vector<float> scores(kServedItems);
  recommender.score_all(question, {scores.data(), kServedItems});
  TopKBuffers exact(1, 10), all(1, 10), some(1, 10);
  recommender.recommend({&question, 1}, {.top = {.k = 10}}, exact.result());
  recommender.recommend({&question, 1}, {.top = {.k = 10}, .shortlist = kServedItems},
                        all.result());
  EXPECT_EQ(all.rows, exact.rows);
  EXPECT_EQ(all.scores, exact.scores);
  recommender.recommend({&question, 1}, {.top = {.k = 10}, .shortlist = 40}, some.result());
  EXPECT_EQ(some.counts[0], 10);
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(some.scores[i], scores[static_cast<size_t>(some.rows[i])]);
    if (i > 0) {
      EXPECT_LE(some.scores[i], some.scores[i - 1]);
    }
  }
}

TEST(Recommender, LeavesOutWhatIsBlocked) {
  for (const char* backbone : {"gmf", "neumf", "sasrec"}) {
    const Served served(backbone, "mgqe");
    const std::vector<int32_t> history = history_of(2);
    const Question question{2, history};
    TopKBuffers before(1, 30), after(1, 20);
    served.recommender->recommend({&question, 1}, {.top = {.k = 30}}, before.result());
    std::vector<int32_t> blocked(before.rows.begin(), before.rows.begin() + 10);
    std::sort(blocked.begin(), blocked.end());
    const RowFilter each{.sorted = blocked};
    served.recommender->recommend({&question, 1}, {.top = {.k = 20, .block_each = {&each, 1}}},
                                  after.result());
    EXPECT_TRUE(std::equal(after.rows.begin(), after.rows.end(), before.rows.begin() + 10))
        << backbone;
  }
}

/// A short list of allowed items gives what the list of all gives, but for the others.
template <class Ask>
void expect_few_allowed(const Ask& ask) {
  const std::vector<int32_t> allow = {0, 3, 8, 100, 350, 351, 698, 699}, block = {8, 351};
  TopKBuffers all(2, kServedItems), few(2, 5);
  ask(TopKOptions{.k = kServedItems}, all.result());
  ask(TopKOptions{.k = 5, .allow = {.sorted = allow}, .block = {.sorted = block}}, few.result());
  for (int64_t m = 0; m < 2; ++m) {
    int64_t count = 0;
    for (int64_t i = 0; i < all.counts[static_cast<size_t>(m)] && count < 5; ++i) {
      const auto at = static_cast<size_t>(m * kServedItems + i);
      const int32_t row = all.rows[at];
      if (!std::binary_search(allow.begin(), allow.end(), row) || row == 8 || row == 351) continue;
      EXPECT_EQ(few.rows[static_cast<size_t>(m * 5 + count)], row);
      EXPECT_EQ(few.scores[static_cast<size_t>(m * 5 + count++)], all.scores[at]);
    }
    EXPECT_EQ(few.counts[static_cast<size_t>(m)], count);
  }
}

TEST(Recommender, GoesThroughAShortListOfAllowedItems) {
  const std::vector<Question> questions = {{.user = 3}, {.user = 17}};
  for (const char* backbone : {"gmf", "neumf"})
    for (const char* scheme : {"full", "mgqe"}) {
      SCOPED_TRACE(std::string(backbone) + " " + scheme);
      const Served served(backbone, scheme);
      for (const int64_t shortlist : {0, 50})
        expect_few_allowed([&](TopKOptions options, TopKResult result) {
          served.recommender->recommend(
              questions, {.top = options, .shortlist = options.allow.given() ? shortlist : 0},
              result);
        });
      const std::vector<int32_t> items = {3, 250};
      for (const Likeness by : {Likeness::kCosine, Likeness::kDot})
        expect_few_allowed([&](const TopKOptions& options, TopKResult result) {
          served.recommender->similar(items, by, options, result);
        });
    }
  const Served relevance("gmf", "mgqe", TaskKind::kRelevance);
  const std::vector<int32_t> items = {3, 250};
  expect_few_allowed([&](const TopKOptions& options, TopKResult result) {
    relevance.recommender->similar(items, Likeness::kModel, options, result);
  });
}

TEST(Recommender, FindsItemsByCosineAndDot) {
  for (const std::string& scheme : kSchemes) {
    const Served served("gmf", scheme);
    const RowReader& reader = served.recommender->reader("item");
    std::vector<float> rows(static_cast<size_t>(kServedItems * reader.dim()));
    reader.range(0, {rows.data(), kServedItems, reader.dim()});
    const auto product = [&](int64_t a, int64_t b) {
      double sum = 0.0;
      for (int64_t c = 0; c < reader.dim(); ++c)
        sum += static_cast<double>(rows[static_cast<size_t>(a * reader.dim() + c)]) *
               rows[static_cast<size_t>(b * reader.dim() + c)];
      return sum;
    };
    for (const Likeness by : {Likeness::kCosine, Likeness::kDot}) {
      const std::vector<int32_t> items = {4, 650};
      TopKBuffers lists(2, kServedItems);
      served.recommender->similar(items, by, {.k = kServedItems}, lists.result());
      for (size_t m = 0; m < 2; ++m) {
        EXPECT_EQ(lists.counts[m], kServedItems - 1) << scheme;
        for (int64_t i = 0; i < lists.counts[m]; ++i) {
          const auto at = m * kServedItems + static_cast<size_t>(i);
          const int32_t row = lists.rows[at];
          EXPECT_NE(row, items[m]);
          const double norms = std::sqrt(product(row, row) * product(items[m], items[m]));
          const double wanted = by == Likeness::kDot ? product(items[m], row)
                                : norms > 0.0        ? product(items[m], row) / norms
                                                     : 0.0;
          ASSERT_NEAR(lists.scores[at], wanted, 1e-5) << scheme;
          if (i > 0) {
            ASSERT_LE(lists.scores[at], lists.scores[at - 1]);
          }
        }
      }
    }
  }
}

TEST(Recommender, FindsItemsByARelevanceModel) {
  for (const char* backbone : {"gmf", "neumf"}) {
    const Served served(backbone, "mgqe", TaskKind::kRelevance);
    EXPECT_FALSE(served.recommender->recommends());
    const auto backend = make_backend("cpu");
    const auto scorer = make_pair_scorer(*backend, served.model);
    std::vector<int32_t> left(kServedItems, 9), right(kServedItems);
    for (int32_t r = 0; r < kServedItems; ++r) right[static_cast<size_t>(r)] = r;
    std::vector<float> scores(kServedItems);
    scorer->score({left.data(), kServedItems}, {right.data(), kServedItems},
                  {scores.data(), kServedItems});
    TopKBuffers list(1, kServedItems);
    const int32_t item = 9;
    served.recommender->similar({&item, 1}, Likeness::kModel, {.k = kServedItems}, list.result());
    ASSERT_EQ(list.counts[0], kServedItems - 1);
    for (size_t i = 0; i + 1 < kServedItems; ++i)
      EXPECT_EQ(list.scores[i], scores[static_cast<size_t>(list.rows[i])]);
    const Question question{0, {}};
    EXPECT_CONTAINS(refusal([&] {
                      served.recommender->recommend({&question, 1}, {}, list.result());
                    }),
                    "it does not recommend");
  }
}

TEST(Recommender, ServesManyThreads) {
  for (const char* backbone : {"gmf", "neumf", "sasrec"}) {
    const Served served(backbone, "mgqe");
    std::vector<std::vector<int32_t>> wanted;
    const auto ask = [&](int32_t user) {
      const std::vector<int32_t> history = history_of(user);
      const Question question{user, history};
      TopKBuffers list(1, 15);
      served.recommender->recommend({&question, 1}, {.top = {.k = 15}}, list.result());
      return list.rows;
    };
    for (int32_t user = 0; user < 20; ++user) wanted.push_back(ask(user));
    std::vector<std::thread> threads;
    std::atomic<int> wrong = 0;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (int32_t i = 0; i < 20; ++i) {
          const int32_t user = (i + 5 * t) % 20;
          wrong += ask(user) != wanted[static_cast<size_t>(user)];
        }
      });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0) << backbone;
  }
}

TEST(Recommender, RefusesWhatCannotBe) {
  const Served gmf("gmf", "mgqe"), sasrec("sasrec", "mgqe");
  TopKBuffers list(1, 10);
  const auto refused = [&](const Served& served, const Question& question) {
    return refusal([&] { served.recommender->recommend({&question, 1}, {}, list.result()); });
  };
  EXPECT_CONTAINS(refused(gmf, {.user = -1}), "user row -1: the model has rows 0 to 39");
  EXPECT_CONTAINS(refused(gmf, {.user = 40}), "user row 40");
  EXPECT_CONTAINS(refused(sasrec, {.user = 1}), "question 0 has no history");
  const std::vector<int32_t> beyond = {1, 700};
  EXPECT_CONTAINS(refused(sasrec, {.history = beyond}), "item row 700");
  const Question fine{0, {}};
  EXPECT_CONTAINS(refusal([&] {
                    gmf.recommender->recommend({&fine, 1}, {.top = {.k = 0}}, list.result());
                  }),
                  "k is 0");
  const std::vector<float> query(3);
  EXPECT_CONTAINS(refusal([&] {
                    gmf.recommender->top_k("item", {query.data(), 1, 3}, {}, list.result());
                  }),
                  "queries of 3 columns for table item of dimension 16");
  EXPECT_CONTAINS(refusal([&] { gmf.recommender->reader("thing"); }), "thing");
  const int32_t item = 700;
  EXPECT_CONTAINS(refusal([&] {
                    gmf.recommender->similar({&item, 1}, Likeness::kDot, {}, list.result());
                  }),
                  "item row 700 is not in table item");
  EXPECT_CONTAINS(refusal([&] {
                    const int32_t known = 1;
                    gmf.recommender->similar({&known, 1}, Likeness::kModel, {}, list.result());
                  }),
                  "only a relevance model");
}

}  // namespace
}  // namespace mgqe
