#include "experiments/bench/plain_scans.hpp"

#include <algorithm>
#include <cstring>

#include "host/packed/decode_row.hpp"

// Compiled once for each level and chosen when the program is loaded.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define MGQE_EVERY_LEVEL \
  [[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), gnu::noinline]]
#else
#define MGQE_EVERY_LEVEL
#endif

namespace mgqe::bench {
namespace {

using Pair = std::pair<float, int32_t>;

bool before(const Pair& a, const Pair& b) {
  return a.first > b.first || (a.first == b.first && a.second < b.second);
}

/// The best by rough scores, more than are asked for by as many again and some.
class ShortList {
 public:
  explicit ShortList(int64_t k) : most_(static_cast<size_t>(2 * k + 32)) {
    pairs_.reserve(2 * most_);
  }

  void offer(float score, int64_t row) {
    if (score < bar_) return;
    pairs_.emplace_back(score, static_cast<int32_t>(row));
    if (pairs_.size() == 2 * most_) cut();
  }
  float bar() const { return bar_; }

  /// Those of the greatest ranking_score.
  void write(const PackedTiers& table, const float* query, int64_t k, TopKResult result) {
    std::vector<float> row(static_cast<size_t>(table.dim));
    for (auto& [score, id] : pairs_) {
      const int t = table.ranges.tier_of(id);
      decode_any_row(packed_row(table, t, id), table.tiers[t].codebook, table.dim, row.data());
      score = ranking_score(query, row.data(), table.dim);
    }
    std::sort(pairs_.begin(), pairs_.end(), before);
    const int64_t count = std::min(k, static_cast<int64_t>(pairs_.size()));
    for (int64_t i = 0; i < count; ++i) {
      result.scores.row(0)[i] = pairs_[static_cast<size_t>(i)].first;
      result.rows.row(0)[i] = pairs_[static_cast<size_t>(i)].second;
    }
    result.counts[0] = count;
  }

 private:
  void cut() {
    const auto last = pairs_.begin() + static_cast<int64_t>(most_) - 1;
    std::nth_element(pairs_.begin(), last, pairs_.end(), before);
    bar_ = last->first;
    pairs_.resize(most_);
  }

  size_t most_;
  float bar_ = -std::numeric_limits<float>::infinity();
  std::vector<Pair> pairs_;
};

/// (D, 2^bits) products of a query with a tier's centroids, which are 2^bits.
std::vector<float> products(const PackedTiers& table, int t, const float* query) {
  const CodedTier& tier = table.tiers[t];
  const int64_t codes = int64_t{1} << tier.bits, width = table.dim / tier.subspaces;
  std::vector<float> lut;
  lut.reserve(static_cast<size_t>(tier.subspaces * codes));
  for (int j = 0; j < tier.subspaces; ++j)
    for (int64_t c = 0; c < codes; ++c)
      lut.push_back(
          ranking_score(query + j * width, tier.codebook + c * table.dim + j * width, width));
  return lut;
}

/// kSubspaces and kBits 0: any number.
template <int kSubspaces, int kBits>
void scan_packed(const PackedTiers& table, int t, const float* lut, ShortList& list) {
  const int bits = kBits > 0 ? kBits : table.tiers[t].bits;
  const int subspaces = kSubspaces > 0 ? kSubspaces : table.tiers[t].subspaces;
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  const int64_t row_bytes = table.tiers[t].row_bytes(), first = table.ranges.begin(t);
  const uint8_t* codes = table.tiers[t].codes;
  const uint8_t* end = codes + table.ranges.rows(t) * row_bytes;
  for (int64_t r = 0; r < table.ranges.rows(t); ++r, codes += row_bytes) {
    float score = 0.0f;
    for (int j = 0; j < subspaces; j += kCodeGroup) {
      uint64_t word = load_word(codes + j / kCodeGroup * bits, end);
      const int group = kSubspaces % kCodeGroup == 0 && kSubspaces > 0
                            ? kCodeGroup
                            : std::min(kCodeGroup, subspaces - j);
      for (int i = 0; i < group; ++i, word >>= bits)
        score += lut[(static_cast<int64_t>(j + i) << bits) + static_cast<int64_t>(word & mask)];
    }
    list.offer(score, first + r);
  }
}

template <int kSubspaces>
void scan_bytes(const PackedTiers& table, int t, const uint8_t* codes, const float* lut,
                ShortList& list) {
  const int bits = table.tiers[t].bits;
  const int subspaces = kSubspaces > 0 ? kSubspaces : table.tiers[t].subspaces;
  const int64_t first = table.ranges.begin(t);
  codes += first * subspaces;
  for (int64_t r = 0; r < table.ranges.rows(t); ++r, codes += subspaces) {
    float score = 0.0f;
    for (int j = 0; j < subspaces; ++j) score += lut[(static_cast<int64_t>(j) << bits) + codes[j]];
    list.offer(score, first + r);
  }
}

/// Sixteen partial sums a row: what a compiler may vectorise without changing sums.
MGQE_EVERY_LEVEL void dot_rows(const float* rows, int64_t count, int64_t d, const float* query,
                               float* out) {
  constexpr int kLanes = 16;
  for (int64_t r = 0; r < count; ++r, rows += d) {
    float lanes[kLanes] = {};
    int64_t c = 0;
    for (; c + kLanes <= d; c += kLanes)
      for (int i = 0; i < kLanes; ++i) lanes[i] += rows[c + i] * query[c + i];
    float sum = 0.0f;
    for (; c < d; ++c) sum += rows[c] * query[c];
    for (int width = kLanes / 2; width > 0; width /= 2)
      for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
    out[r] = sum + lanes[0];
  }
}

MGQE_EVERY_LEVEL uint64_t sum_words(const uint8_t* bytes, int64_t words) {
  uint64_t sum = 0;
  for (int64_t i = 0; i < words; ++i) {
    uint64_t word;
    std::memcpy(&word, bytes + 8 * i, sizeof word);
    sum += word;
  }
  return sum;
}

}  // namespace

uint64_t read_sum(const uint8_t* bytes, int64_t count) { return sum_words(bytes, count / 8); }

uint64_t read_sum_of_codes(const PackedTiers& table) {
  uint64_t sum = 0;
  for (int t = 0; t < table.ranges.count; ++t)
    sum += read_sum(table.tiers[t].codes, table.ranges.rows(t) * table.tiers[t].row_bytes());
  return sum;
}

void packed_lut_top_k(const PackedTiers& table, View<const float> query, int64_t k,
                      TopKResult result) {
  ShortList list(k);
  for (int t = 0; t < table.ranges.count; ++t) {
    const std::vector<float> lut = products(table, t, query.data);
    const int subspaces = table.tiers[t].subspaces, bits = table.tiers[t].bits;
    const auto scan = subspaces == 8 && bits == 6    ? scan_packed<8, 6>
                      : subspaces == 8 && bits == 8  ? scan_packed<8, 8>
                      : subspaces == 32 && bits == 6 ? scan_packed<32, 6>
                      : subspaces == 32 && bits == 8 ? scan_packed<32, 8>
                                                     : scan_packed<0, 0>;
    scan(table, t, lut.data(), list);
  }
  list.write(table, query.data, k, result);
}

void byte_lut_top_k(const PackedTiers& table, const uint8_t* codes, View<const float> query,
                    int64_t k, TopKResult result) {
  ShortList list(k);
  for (int t = 0; t < table.ranges.count; ++t) {
    const std::vector<float> lut = products(table, t, query.data);
    const int subspaces = table.tiers[t].subspaces;
    const auto scan = subspaces == 8    ? scan_bytes<8>
                      : subspaces == 32 ? scan_bytes<32>
                                        : scan_bytes<0>;
    scan(table, t, codes, lut.data(), list);
  }
  list.write(table, query.data, k, result);
}

void matvec_top_k(const PackedTiers& table, const float* rows, View<const float> query, int64_t k,
                  TopKResult result) {
  constexpr int64_t kBlock = 1024;
  const int64_t n = table.ranges.end[table.ranges.count - 1];
  float scores[kBlock];
  ShortList list(k);
  for (int64_t first = 0; first < n; first += kBlock) {
    const int64_t count = std::min(kBlock, n - first);
    dot_rows(rows + first * table.dim, count, table.dim, query.data, scores);
    for (int64_t r = 0; r < count; ++r) list.offer(scores[r], first + r);
  }
  list.write(table, query.data, k, result);
}

void gather(const float* rows, int64_t dim, const int64_t* ids, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i)
    std::memcpy(out + i * dim, rows + ids[i] * dim, sizeof(float) * static_cast<size_t>(dim));
}

}  // namespace mgqe::bench
