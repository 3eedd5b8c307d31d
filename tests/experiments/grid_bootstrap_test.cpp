// The bootstrap over users and seeds, on hits whose variance is known.
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "experiments/report/bootstrap.hpp"
#include "host/base/check.hpp"
#include "host/train/user_hits.hpp"
#include "tests/support/grid_testing.hpp"

namespace mgqe {
namespace {

/// What a user hits with our table is 1 + a u + b s + c e times what the other table's hit is, 1:
/// of a normal u of the user, s of the seed, and e of both.
struct Sizes {
  double user, seed, both;
};

struct Hits {
  HitsBySeed over, under;
};

Hits made_up(const Sizes& sizes, int seeds, int users, uint64_t number) {
  std::mt19937_64 random(number);
  std::normal_distribution<double> normal;
  std::vector<double> of_user;
  for (int user = 0; user < users; ++user) of_user.push_back(sizes.user * normal(random));
  Hits hits;
  for (int seed = 1; seed <= seeds; ++seed) {
    const double of_seed = sizes.seed * normal(random);
    for (int user = 0; user < users; ++user) {
      hits.over[seed].push_back(1.0 + of_user[user] + of_seed + sizes.both * normal(random));
      hits.under[seed].push_back(1.0);
    }
  }
  return hits;
}

BySeed means(const HitsBySeed& hits) {
  BySeed values;
  for (const auto& [seed, list] : hits)
    for (const double hit : list) values[seed] += hit / static_cast<double>(list.size());
  return values;
}

/// The half width of many worlds of this kind, without Student's t: the standard error, as the root
/// of its mean square.
double standard_error(const Sizes& sizes, int seeds, int users, bool count_users) {
  constexpr int kWorlds = 150;
  double squares = 0.0;
  for (int world = 1; world <= kWorlds; ++world) {
    const Hits hits = made_up(sizes, seeds, users, world);
    const auto interval = count_users ? ratio_over_users(hits.over, hits.under, 200)
                                      : paired_ratio(means(hits.over), means(hits.under));
    const double error =
        interval->half_width / student_t_quantile(0.975, static_cast<size_t>(seeds - 1));
    squares += error * error / kWorlds;
  }
  return std::sqrt(squares);
}

TEST(Bootstrap, HasTheVarianceOfUsersAndSeeds) {
  constexpr int kSeeds = 6, kUsers = 80;
  // The variance of the mean of a ratio: user^2 / users + seed^2 / seeds. The mean square of 150
  // estimates, of 5 degrees of freedom each, lies within 15% of it, so its root within 8%.
  for (const Sizes& sizes : {Sizes{0.5, 0.02, 0.0}, Sizes{0.1, 0.1, 0.0}, Sizes{0.3, 0.08, 0.0}}) {
    const double known =
        std::sqrt(sizes.user * sizes.user / kUsers + sizes.seed * sizes.seed / kSeeds);
    EXPECT_NEAR(standard_error(sizes, kSeeds, kUsers, true) / known, 1.0, 0.1);
    // Seeds alone cannot see that the users could have been others.
    EXPECT_NEAR(standard_error(sizes, kSeeds, kUsers, false) / (sizes.seed / std::sqrt(kSeeds)),
                1.0, 0.1);
  }
}

TEST(Bootstrap, IsTheSeedsIntervalWhereUsersDoNotVary) {
  const Hits hits = made_up({0.0, 0.1, 0.0}, 8, 50, 1);
  const auto by_users = ratio_over_users(hits.over, hits.under, 20000);
  const auto by_seeds = paired_ratio(means(hits.over), means(hits.under));
  EXPECT_NEAR(by_users->mean, by_seeds->mean, 1e-12);
  EXPECT_NEAR(by_users->half_width / by_seeds->half_width, 1.0, 0.02);
  EXPECT_EQ(by_users->seeds, 8u);
}

TEST(Bootstrap, PairsSeedsAndUsers) {
  // Users differ much, but both tables meet the same ones: their ratio is the same whoever comes.
  HitsBySeed over, under;
  for (uint64_t seed = 1; seed <= 4; ++seed)
    for (int user = 0; user < 40; ++user) {
      under[seed].push_back(user % 4 == 0 ? 1.0 : 0.01 * user);
      over[seed].push_back(0.9 * under[seed].back());
    }
  const auto steady = ratio_over_users(over, under);
  EXPECT_NEAR(steady->mean, 0.9, 1e-12);
  EXPECT_NEAR(steady->half_width, 0.0, 1e-9);
  under.erase(2);
  over[9] = over[1];
  EXPECT_EQ(ratio_over_users(over, under)->seeds, 3u);
  EXPECT_FALSE(ratio_over_users(over, {}));
  EXPECT_EQ(ratio_over_users({{1, {1.0, 0.0}}}, {{1, {1.0, 1.0}}})->half_width, 0.0);
  EXPECT_ANY_THROW(ratio_over_users({{1, {1.0, 0.0}}}, {{1, {1.0}}}));
}

TEST(Bootstrap, RefusesARunWhoseHitsAreNotThoseOfItsFigure) {
  Config config = default_config("gmf");
  config.data.name = "ml-1m";
  resolve(config);
  const auto run = [&](const std::vector<double>& hits, const RunRecord& figure, int users) {
    RunRecord result = testing::made_up_result(config, {});
    result["user_hits"] = hits_to_json(hits);
    result["test"]["full"]["hr@10"] = figure;
    result["test"]["full"]["users"] = users;
    return make_record(result, config);
  };
  const std::vector<double> hits = {1.0, 0.0, 1.0 / 3.0};
  EXPECT_EQ(hits_of_run(run(hits, 4.0 / 9.0, 3)).size(), 3u) << "but for six digits";
  for (const auto& [figure, users] : {std::pair(RunRecord(0.4445), 3), {4.0 / 9.0, 4}, {{}, 3}})
    try {
      hits_of_run(run(hits, figure, users));
      ADD_FAILURE() << figure << " of " << users;
    } catch (const InputError& error) {
      const std::string message = error.what();
      EXPECT_NE(message.find("ml-1m-gmf-mgqe-seed1-"), std::string::npos) << message;
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    }
}

}  // namespace
}  // namespace mgqe
