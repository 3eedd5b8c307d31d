#include "host/data/ctr/ctr_synthetic.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "host/base/check.hpp"
#include "host/base/philox.hpp"
#include "host/data/hasher.hpp"

namespace mgqe {

namespace {

constexpr int64_t kMostRows = 2'147'483'647;
constexpr int kMostInBag = 4;

enum Purpose : uint64_t { kIds, kBags, kDenseValues, kLabels, kDenseWeights, kTables };

double unit(uint64_t bits) { return (static_cast<double>(bits >> 11) + 0.5) * 0x1p-53; }

/// P(id) = log((id + 2) / (id + 1)) / log(rows + 1): Zipf's law but for the first few.
int32_t zipf(uint64_t bits, int64_t rows) {
  const double id = std::exp(unit(bits) * std::log(static_cast<double>(rows) + 1.0)) - 1.0;
  return static_cast<int32_t>(std::clamp<int64_t>(static_cast<int64_t>(id), 0, rows - 1));
}

}  // namespace

std::vector<int64_t> criteo_field_rows(int64_t sum) {
  // Shares of the values of Criteo's fields, by its Kaggle set: a few hold nearly all.
  constexpr double kShares[] = {0.300, 0.246, 0.210, 0.162, 0.0422, 0.0276, 0.0085, 0.0025, 0.0017};
  constexpr int64_t kSmall[] = {5653, 3194, 2173, 1460, 633, 583, 305, 105, 105,
                                27,   24,   18,   15,   10,  4,   3,   3};
  int64_t small = 0;
  for (const int64_t rows : kSmall) small += rows;
  // Where there is little to share, the small ones shrink too.
  const double shrink =
      std::min(1.0, static_cast<double>(sum) / (2.0 * static_cast<double>(small)));
  std::vector<int64_t> fields;
  int64_t left = sum;
  for (const int64_t rows : kSmall) {
    fields.push_back(std::max<int64_t>(2, std::llround(static_cast<double>(rows) * shrink)));
    left -= fields.back();
  }
  for (const double share : kShares)
    fields.push_back(std::max<int64_t>(2, std::llround(share * static_cast<double>(left))));
  return fields;
}

CtrSynthetic::CtrSynthetic(CtrSyntheticConfig config) : config_(std::move(config)) {
  const auto add = [](const char* kind, const std::vector<int64_t>& sizes,
                      std::vector<CtrField>& fields) {
    for (const int64_t rows : sizes) {
      const std::string name = fmt::format("{}{}", kind, fields.size() + 1);
      if (rows < 1 || rows > kMostRows)
        input_error("synthetic field ", name, " of ", rows, " rows: expected 1 to ", kMostRows);
      fields.push_back({name, rows, -1});
    }
  };
  add("field", config_.field_rows, shape_.fields);
  add("bag", config_.bag_rows, shape_.bags);
  for (int64_t d = 1; d <= config_.dense; ++d) shape_.dense.push_back(fmt::format("x{}", d));
  std::copy(std::begin(config_.rows), std::end(config_.rows), std::begin(shape_.rows));
  const auto tables = static_cast<double>(shape_.fields.size() + shape_.bags.size());
  const double pairs = std::max(1.0, tables * (tables - 1.0) / 2.0);
  linear_scale_ = config_.linear / std::sqrt(std::max(1.0, tables));
  // A pair's part has the variance kFactors s^4.
  factor_scale_ = std::sqrt(config_.pairwise / std::sqrt(pairs * kFactors));
  Hasher hasher;
  hasher.add(config_.field_rows);
  hasher.add(config_.bag_rows);
  hasher.add(static_cast<uint64_t>(config_.dense));
  for (const int64_t rows : config_.rows) hasher.add(static_cast<uint64_t>(rows));
  hasher.add(config_.seed);
  for (const double part : {config_.bias, config_.linear, config_.pairwise, config_.dense_part})
    hasher.add(std::bit_cast<uint64_t>(part));
  fingerprint_ = hasher.value();
}

uint64_t CtrSynthetic::key(uint64_t purpose) const {
  return random_u64(stream_key(config_.seed, RandomStream::kSynthetic), purpose, 1);
}

void CtrSynthetic::gather(CtrSplit split, std::span<const int64_t> rows, CtrBatch& batch) const {
  batch.resize(shape_, static_cast<int64_t>(rows.size()));
  const uint64_t high = static_cast<uint64_t>(split) << 32;
  const uint64_t ids = key(kIds), in_bags = key(kBags), values = key(kDenseValues);
  const size_t count = rows.size();
  for (size_t i = 0; i < count; ++i) {
    const auto row = static_cast<uint64_t>(rows[i]);
    for (size_t f = 0; f < shape_.fields.size(); ++f)
      batch.ids[f * count + i] = zipf(random_u64(ids, row, high | f), shape_.fields[f].rows);
    for (size_t b = 0; b < shape_.bags.size(); ++b) {
      CtrBatch::Bag& bag = batch.bags[b];
      const uint64_t first = high | b * (kMostInBag + 1);
      const uint64_t length = random_below(random_u64(in_bags, row, first), kMostInBag + 1);
      for (uint64_t v = 1; v <= length; ++v)
        bag.ids.push_back(zipf(random_u64(in_bags, row, first + v), shape_.bags[b].rows));
      bag.offsets.push_back(static_cast<int32_t>(bag.ids.size()));
    }
    const auto dense = static_cast<uint64_t>(config_.dense);
    for (uint64_t d = 0; d < dense; ++d)
      batch.dense[i * dense + d] = random_normal(values ^ high, row * dense + d);
  }
  const uint64_t labels = key(kLabels);
  for (size_t i = 0; i < count; ++i) {
    const double probability = 1.0 / (1.0 + std::exp(-logit(batch, static_cast<int64_t>(i))));
    const double drawn = unit(random_u64(labels, static_cast<uint64_t>(rows[i]), high));
    batch.labels[i] = drawn < probability ? 1.0f : 0.0f;
  }
}

std::vector<int64_t> CtrSynthetic::counts(size_t field) const {
  const int64_t rows = shape_.with_ids(field).rows;
  const double all =
      static_cast<double>(this->rows(CtrSplit::kTrain)) / std::log(static_cast<double>(rows) + 1.0);
  std::vector<int64_t> counts(static_cast<size_t>(rows));
  for (int64_t id = 0; id < rows; ++id)
    counts[static_cast<size_t>(id)] =
        std::llround(all * std::log1p(1.0 / (1.0 + static_cast<double>(id))));
  return counts;
}

/// Over the ids of a row.
struct CtrSynthetic::Sums {
  double linear = 0.0;
  double factors[kFactors] = {}, squares = 0.0;  // their sums, and of the squares of each table's

  /// Of all pairs: half of (sum^2 - sum of squares).
  double pairs() const {
    double sum = -squares;
    for (const double factor : factors) sum += factor * factor;
    return sum / 2.0;
  }
};

void CtrSynthetic::add_id(int64_t table, int32_t id, double scale, Sums& sums) const {
  const uint64_t weights = key(kTables + static_cast<uint64_t>(table));
  const auto first = static_cast<uint64_t>(id) * (kFactors + 1);
  sums.linear += scale * random_normal(weights, first);
  for (int k = 0; k < kFactors; ++k) {
    const double factor =
        scale * factor_scale_ * random_normal(weights, first + 1 + static_cast<uint64_t>(k));
    sums.factors[k] += factor;
    sums.squares += factor * factor;
  }
}

double CtrSynthetic::logit(const CtrBatch& batch, int64_t row) const {
  Sums sums;
  const auto fields = static_cast<int64_t>(shape_.fields.size());
  for (int64_t f = 0; f < fields; ++f)
    add_id(f, batch.ids[static_cast<size_t>(f * batch.rows + row)], 1.0, sums);
  for (size_t b = 0; b < batch.bags.size(); ++b) {
    const CtrBatch::Bag& bag = batch.bags[b];
    const int32_t begin = bag.offsets[static_cast<size_t>(row)];
    const int32_t end = bag.offsets[static_cast<size_t>(row) + 1];
    const double scale = 1.0 / std::sqrt(std::max(1, end - begin));
    for (int32_t v = begin; v < end; ++v)
      add_id(fields + static_cast<int64_t>(b), bag.ids[static_cast<size_t>(v)], scale, sums);
  }
  double dense = 0.0;
  const uint64_t weights = key(kDenseWeights);
  for (int64_t d = 0; d < config_.dense; ++d)
    dense += random_normal(weights, static_cast<uint64_t>(d)) *
             batch.dense[static_cast<size_t>(row * config_.dense + d)];
  const double dense_scale =
      config_.dense_part / std::sqrt(std::max<double>(1.0, static_cast<double>(config_.dense)));
  return config_.bias + linear_scale_ * sums.linear + sums.pairs() + dense_scale * dense;
}

std::vector<float> CtrSynthetic::true_logits(const CtrBatch& batch) const {
  std::vector<float> logits(static_cast<size_t>(batch.rows));
  for (int64_t row = 0; row < batch.rows; ++row)
    logits[static_cast<size_t>(row)] = static_cast<float>(logit(batch, row));
  return logits;
}

}  // namespace mgqe
