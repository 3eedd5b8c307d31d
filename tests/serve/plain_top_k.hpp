// Coded tables whose rows plain loops decode, score and sort, and lists compared with those: at
// every level, prepared or not, with one thread and several.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "host/serve/scan/kernels.hpp"
#include "host/serve/scan/top_k.hpp"

namespace mgqe::plain_top_k {

using Random = std::mt19937_64;

inline int64_t uniform(Random& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}

enum class Values { kNormal, kTies, kConstant, kHuge, kTiny, kOffset };
inline constexpr Values kAllValues[] = {Values::kNormal, Values::kTies, Values::kConstant,
                                        Values::kHuge,   Values::kTiny, Values::kOffset};

inline float value(Random& random, Values values) {
  const float x = std::normal_distribution<float>()(random);
  switch (values) {
    case Values::kNormal:
      return x;
    case Values::kTies:
      return static_cast<float>(uniform(random, -1, 1));
    case Values::kConstant:
      return 0.5f;
    case Values::kHuge:
      return x * 1e19f;
    case Values::kTiny:
      return x * 1e-22f;
    case Values::kOffset:
      return 1000.0f + x;
  }
  return x;
}

/// A table of tiers with codes as integers, and packed.
struct Table {
  struct Tier {
    int64_t rows;
    int centroids, subspaces;
  };

  Table(int64_t d, const std::vector<Tier>& shape, Values values, Random& random) : d(d) {
    packed.dim = d;
    packed.ranges.count = static_cast<int>(shape.size());
    codes.resize(shape.size());
    bytes.resize(shape.size());
    codebooks.resize(shape.size());
    int64_t end = 0;
    for (size_t t = 0; t < shape.size(); ++t) {
      const auto [rows, centroids, subspaces] = shape[t];
      for (int64_t i = 0; i < centroids * d; ++i) codebooks[t].push_back(value(random, values));
      for (int64_t i = 0; i < rows * subspaces; ++i)
        codes[t].push_back(static_cast<int>(uniform(random, 0, centroids - 1)));
      end += rows;
      packed.ranges.end[t] = end;
      packed.ranges.centroids[t] = centroids;
      int bits = 0;
      while ((1 << bits) < centroids) ++bits;
      pack(t, rows, subspaces, bits);
      packed.tiers[t] = {bytes[t].data(), codebooks[t].data(), bits, subspaces};
    }
  }

  void pack(size_t t, int64_t rows, int subspaces, int bits) {
    const int64_t row_bytes = (subspaces * bits + 7) / 8;
    bytes[t].assign(static_cast<size_t>(rows * row_bytes), 0);
    for (int64_t r = 0; r < rows; ++r)
      for (int bit = 0; bit < subspaces * bits; ++bit)
        if (codes[t][static_cast<size_t>(r * subspaces + bit / bits)] >> (bit % bits) & 1)
          bytes[t][static_cast<size_t>(r * row_bytes + bit / 8)] |=
              static_cast<uint8_t>(1 << (bit % 8));
  }

  int64_t rows() const { return packed.ranges.end[packed.ranges.count - 1]; }

  std::vector<float> decode(int64_t row) const {
    size_t t = 0;
    while (row >= packed.ranges.end[t]) ++t;
    const int64_t place = row - (t == 0 ? 0 : packed.ranges.end[t - 1]);
    const int subspaces = packed.tiers[t].subspaces;
    std::vector<float> out;
    for (int64_t i = 0; i < d; ++i) {
      const int64_t j = i / (d / subspaces);
      const int code = codes[t][static_cast<size_t>(place * subspaces + j)];
      out.push_back(codebooks[t][static_cast<size_t>(code * d + i)]);
    }
    return out;
  }

  int64_t d;
  std::vector<std::vector<int>> codes;      // (rows, D) of each tier
  std::vector<std::vector<uint8_t>> bytes;  // packed
  std::vector<std::vector<float>> codebooks;
  PackedTiers packed;
};

struct Scored {
  float score;
  int32_t row;
};

/// Every row's score by one query; a chain in floats, which a sum in doubles has to be close to.
inline std::vector<Scored> score_rows(const Table& table, const float* query) {
  std::vector<Scored> all;
  for (int64_t row = 0; row < table.rows(); ++row) {
    const std::vector<float> x = table.decode(row);
    float score = 0.0f;
    double sum = 0.0, magnitude = 0.0;
    for (int64_t i = 0; i < table.d; ++i) {
      const double term = static_cast<double>(query[i]) * x[static_cast<size_t>(i)];
      score = std::fma(query[i], x[static_cast<size_t>(i)], score);
      sum += term;
      magnitude += std::abs(term);
    }
    // gamma_d in floats and as much again for the sum in doubles and underflow
    if (std::isfinite(score) && magnitude < 1e38) {
      EXPECT_NEAR(score, sum, 0x1p-23 * static_cast<double>(table.d) * magnitude + 1e-43);
    }
    all.push_back({score, static_cast<int32_t>(row)});
  }
  return all;
}

inline std::vector<Scored> best_of(std::vector<Scored> all, int64_t k) {
  std::erase_if(all, [](const Scored& x) { return std::isnan(x.score); });
  std::sort(all.begin(), all.end(), [](const Scored& a, const Scored& b) {
    return a.score > b.score || (a.score == b.score && a.row < b.row);
  });
  if (static_cast<int64_t>(all.size()) > k) all.resize(static_cast<size_t>(k));
  return all;
}

struct Lists {
  Lists(int64_t queries, int64_t k)
      : k(k),
        rows(static_cast<size_t>(queries * k), -7),
        scores(static_cast<size_t>(queries * k), -7.0f),
        counts(static_cast<size_t>(queries), -7) {}
  TopKResult result() {
    const auto queries = static_cast<int64_t>(counts.size());
    return {{rows.data(), queries, k}, {scores.data(), queries, k}, counts};
  }
  void expect_line(int64_t m, const std::vector<Scored>& wanted) const {
    ASSERT_EQ(counts[static_cast<size_t>(m)], static_cast<int64_t>(wanted.size())) << "query " << m;
    for (int64_t i = 0; i < k; ++i) {
      const bool there = i < static_cast<int64_t>(wanted.size());
      const Scored is{scores[static_cast<size_t>(m * k + i)], rows[static_cast<size_t>(m * k + i)]};
      const Scored right = there ? wanted[static_cast<size_t>(i)]
                                 : Scored{-std::numeric_limits<float>::infinity(), -1};
      ASSERT_EQ(is.row, right.row)
          << "query " << m << ", place " << i << ", scores " << is.score << " and " << right.score;
      ASSERT_EQ(std::memcmp(&is.score, &right.score, sizeof(float)), 0)
          << "query " << m << ", place " << i << ": " << is.score << " and " << right.score;
    }
  }

  int64_t k;
  std::vector<int32_t> rows;
  std::vector<float> scores;
  std::vector<int64_t> counts;
};

inline constexpr ScanLevel kLevels[] = {ScanLevel::kScalar, ScanLevel::kAvx2, ScanLevel::kAvx512};

/// Every level, prepared and not, with one thread and several.
inline void expect_lists(const Table& table, View<const float> queries, TopKOptions options,
                         const std::vector<std::vector<Scored>>& wanted) {
  const PreparedTiers prepared(table.packed);
  for (const ScanLevel level : kLevels)
    for (const bool straight : {true, false})
      for (const int threads : {1, 3}) {
        SCOPED_TRACE("level " + std::to_string(static_cast<int>(level)) +
                     (straight ? ", straight, " : ", prepared, ") + std::to_string(threads));
        Lists lists(queries.rows, options.k);
        options.level = level;
        options.threads = threads;
        if (straight) {
          top_k(table.packed, queries, options, lists.result());
        } else {
          top_k(prepared, queries, options, lists.result());
        }
        for (int64_t m = 0; m < queries.rows; ++m) {
          lists.expect_line(m, wanted[static_cast<size_t>(m)]);
          if (testing::Test::HasFatalFailure()) return;
        }
      }
}

inline std::vector<float> random_queries(int64_t count, int64_t d, Values values, Random& random) {
  std::vector<float> queries;
  for (int64_t i = 0; i < count * d; ++i) queries.push_back(value(random, values));
  return queries;
}

}  // namespace mgqe::plain_top_k
