#include "experiments/report/bootstrap.hpp"

#include <cmath>
#include <numeric>
#include <random>

#include "host/base/check.hpp"
#include "host/train/user_hits.hpp"

namespace mgqe {
namespace {

constexpr double kRounding = 1e-6;  // of a stored figure below 1, which has six digits

/// One seed's hits on both sides, user by user.
struct Pair {
  const std::vector<double>*over, *under;
};

/// The ratio of the sums, each user counted `times` often.
double ratio(const Pair& pair, const std::vector<int>& times) {
  double over = 0.0, under = 0.0;
  for (size_t user = 0; user < times.size(); ++user) {
    over += times[user] * (*pair.over)[user];
    under += times[user] * (*pair.under)[user];
  }
  return over / under;
}

}  // namespace

std::vector<double> hits_of_run(const RunRecord& run) {
  std::vector<double> hits = hits_of_json(run.at("user_hits"));
  const RunRecord& full = run.at("test").at("full");
  const double mean =
      std::accumulate(hits.begin(), hits.end(), 0.0) / static_cast<double>(hits.size());
  const bool agrees = full.at("users") == hits.size() && full.at("hr@10").is_number() &&
                      std::abs(mean - full.at("hr@10").get<double>()) <= kRounding;
  if (!agrees)
    input_error(recorded_name(run), ": the hits of ", hits.size(), " users have a mean of ", mean,
                ", and hr@10 is ", full.at("hr@10").dump(), " of ", full.at("users").dump(),
                " users; remove the run");
  return hits;
}

std::optional<Estimate> ratio_over_users(const HitsBySeed& numerator, const HitsBySeed& denominator,
                                         int draws) {
  std::vector<Pair> pairs;
  for (const auto& [seed, hits] : numerator) {
    const auto other = denominator.find(seed);
    if (other != denominator.end()) pairs.push_back({&hits, &other->second});
  }
  if (pairs.empty()) return std::nullopt;
  const size_t users = pairs.front().over->size(), seeds = pairs.size();
  for (const Pair& pair : pairs)
    MGQE_CHECK(pair.over->size() == users && pair.under->size() == users,
               "runs that judged other users cannot be paired");
  Estimate result{0.0, 0.0, seeds};
  for (const Pair& pair : pairs)
    result.mean += ratio(pair, std::vector<int>(users, 1)) / static_cast<double>(seeds);
  if (seeds < 2) return result;

  std::mt19937_64 random(20260101);  // the same report from the same store
  std::uniform_int_distribution<size_t> any_user(0, users - 1), any_seed(0, seeds - 1);
  double sum = 0.0, squares = 0.0;
  for (int draw = 0; draw < draws; ++draw) {
    std::vector<int> times(users, 0);
    for (size_t i = 0; i < users; ++i) ++times[any_user(random)];
    std::map<size_t, double> of_seed;  // a seed that is drawn twice is summed once
    double mean = 0.0;
    for (size_t i = 0; i + 1 < seeds; ++i) {
      const size_t seed = any_seed(random);
      const auto [place, added] = of_seed.try_emplace(seed, 0.0);
      if (added) place->second = ratio(pairs[seed], times);
      mean += place->second / static_cast<double>(seeds - 1);
    }
    sum += mean;
    squares += mean * mean;
  }
  const double variance = (squares - sum * sum / draws) / (draws - 1);
  result.half_width = student_t_quantile(0.975, seeds - 1) * std::sqrt(std::max(0.0, variance));
  return result;
}

}  // namespace mgqe
