// Synthetic scores of item pairs at the scale of an app store (17,000,000 pairs of 290,000 apps:
// 0.04% of all pairs), with a structure to learn and a known noise.
//
//   Pairs   both items are drawn from a power law over n places, place floor(n u^4), u uniform:
//           density proportional to place^(-3/4). A pair is kept once, in either order, which
//           flattens the head: its pairs are soon all taken. Original ids are a keyed permutation
//           of the places.
//   Scores  z = 0.1 + b_i + b_j + g <v_i, v_j> with b ~ N(0, 0.18^2), v ~ N(0, I) of 8 dimensions
//           and g = 0.09, so that biases and interaction explain about as much as each other;
//           the noiseless score is 80 z / sqrt(1 + z^2), within -80 .. 80; noise N(0, 10^2) is
//           added, the sum rounded and clamped to -100 .. 100. Clamping needs two standard
//           deviations of noise at least, so it hardly moves the floor of 10.004 (noise and
//           rounding).
//
// Pair k is a pure function of (seed, k) and a score of (seed, pair); any number of threads gives
// the same data. Only + * / sqrt and fma are used, so every machine does too. About 30 bytes a pair
// and 36 an item are held at the most.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "host/base/check.hpp"
#include "host/base/parallel.hpp"
#include "host/base/philox.hpp"
#include "host/base/sampling.hpp"
#include "host/data/interactions/unique_pairs.hpp"
#include "host/data/relevance/relevance_source.hpp"

namespace mgqe {

namespace {

constexpr int64_t kMinItems = 32;
constexpr int64_t kMaxItems = 10'000'000;
constexpr int64_t kMaxPairs = 200'000'000;
// Denser than this, pairs of rare items would have to be drawn many times over.
constexpr double kMaxDensity = 0.25;

constexpr int64_t kGrain = 1024;  // items or pairs
constexpr int kFactors = 8;
constexpr float kMeanZ = 0.1f, kBiasStddev = 0.18f, kInteraction = 0.09f;
constexpr float kScale = 80.0f, kNoiseStddev = 10.0f, kMaxScore = 100.0f;

class PairGenerator {
 public:
  explicit PairGenerator(const DataConfig& config)
      : items_(config.synthetic_pair_items),
        endpoint_key_(key(config, 4)),
        noise_key_(key(config, 5)),
        side_key_(key(config, 6)),
        original_id_(static_cast<uint64_t>(items_), key(config, 7)),
        bias_(items_),
        factors_(items_ * kFactors) {
    const uint64_t bias_key = key(config, 8), factor_key = key(config, 9);
    parallel_pieces(items_, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) bias_[i] = kBiasStddev * random_normal(bias_key, i);
      for (int64_t f = begin * kFactors; f < end * kFactors; ++f)
        factors_[f] = random_normal(factor_key, f);
    });
  }

  /// A pair of places.
  uint64_t draw(int64_t k) const {
    const Philox4 random = philox(endpoint_key_, k, 0);
    const int32_t a = place(random.x[0]), b = place(random.x[1]);
    return a == b ? kNoPair : pair_key(a, b);
  }

  float noiseless(uint64_t pair) const {
    const int64_t i = pair_low(pair), j = pair_high(pair);
    float product = 0.0f;
    for (int f = 0; f < kFactors; ++f)
      product += factors_[i * kFactors + f] * factors_[j * kFactors + f];
    const float z = kMeanZ + bias_[i] + bias_[j] + kInteraction * product;
    return kScale * z / std::sqrt(1.0f + z * z);
  }

  float score(uint64_t pair, float noiseless) const {
    const float noisy = noiseless + kNoiseStddev * random_normal(noise_key_, pair);
    return std::clamp(std::round(noisy), -kMaxScore, kMaxScore);
  }

  /// Whether the more popular item stands on the right.
  bool swapped(uint64_t pair) const { return (random_u64(side_key_, pair) & 1) != 0; }
  int32_t original_id(int32_t place) const {
    return static_cast<int32_t>(original_id_(static_cast<uint64_t>(place)));
  }

 private:
  static uint64_t key(const DataConfig& config, uint64_t purpose) {
    return random_u64(stream_key(config.synthetic_seed, RandomStream::kSynthetic), purpose);
  }

  int32_t place(uint32_t bits) const {
    const double u = (bits + 0.5) * 0x1p-32, u2 = u * u;
    return static_cast<int32_t>(u2 * u2 * static_cast<double>(items_));
  }

  int64_t items_;
  uint64_t endpoint_key_, noise_key_, side_key_;
  Permutation original_id_;
  std::vector<float> bias_;     // (items)
  std::vector<float> factors_;  // (items, kFactors)
};

void check_config(const DataConfig& config) {
  const auto check_range = [](const char* flag, int64_t value, int64_t low, int64_t high) {
    if (value < low || value > high)
      input_error(flag, " ", value, " is out of range: ", low, " to ", high);
  };
  const int64_t items = config.synthetic_pair_items;
  check_range("--synthetic-pair-items", items, kMinItems, kMaxItems);
  check_range("--synthetic-pairs", config.synthetic_pairs, kMinScoredPairs, kMaxPairs);
  const double all = 0.5 * static_cast<double>(items) * static_cast<double>(items - 1);
  const auto most = static_cast<int64_t>(kMaxDensity * all);
  if (config.synthetic_pairs > most)
    input_error("--synthetic-pairs ", config.synthetic_pairs, " is over a quarter of all pairs of ",
                items, " items: give at most ", most, ", or more --synthetic-pair-items");
}

}  // namespace

RelevanceSource generate_relevance(const DataConfig& config) {
  check_config(config);
  const PairGenerator generator(config);
  const int64_t count = config.synthetic_pairs;
  constexpr int64_t kDrawsPerPair = 100;  // far over what kMaxDensity needs
  const std::vector<uint64_t> pairs =
      draw_unique_pairs(count, kDrawsPerPair * count, [&](int64_t k) { return generator.draw(k); });
  MGQE_CHECK(static_cast<int64_t>(pairs.size()) == count, "only ", pairs.size(), " pairs");

  RelevanceSource source;
  source.pairs.left.resize(count);
  source.pairs.right.resize(count);
  source.pairs.score.resize(count);
  source.noiseless.resize(count);
  parallel_pieces(count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const uint64_t pair = pairs[p];
      int32_t left = generator.original_id(pair_low(pair));
      int32_t right = generator.original_id(pair_high(pair));
      if (generator.swapped(pair)) std::swap(left, right);
      source.pairs.left[p] = left;
      source.pairs.right[p] = right;
      source.noiseless[p] = generator.noiseless(pair);
      source.pairs.score[p] = generator.score(pair, source.noiseless[p]);
    }
  });
  source.item_ids.integers.resize(config.synthetic_pair_items);
  std::iota(source.item_ids.integers.begin(), source.item_ids.integers.end(), int64_t{0});
  return source;
}

}  // namespace mgqe
