// Random coded tables in memory, and what plain loops say of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "host/serve/scan/top_k.hpp"

namespace mgqe::testing {

struct CodedShape {
  int64_t width = 1;               // of a subspace
  int subspaces = 8;               // D
  std::vector<int64_t> tier_rows;  // n_i
  std::vector<int> centroids;      // K_i, falling
};

/// A table whose tiers share a codebook.
class CodedTable {
 public:
  /// levels > 0: codebooks of so many distinct whole numbers, so that scores tie.
  CodedTable(const CodedShape& shape, int levels, uint64_t seed) : shape_(shape) {
    std::mt19937_64 random(seed);
    std::normal_distribution<float> normal;
    const int64_t d = dim();
    codebook_.resize(static_cast<size_t>(shape.centroids[0] * d));
    for (float& value : codebook_)
      value = levels > 0 ? static_cast<float>(random() % static_cast<uint64_t>(levels)) - 1.0f
                         : normal(random);
    table_.dim = d;
    table_.ranges.count = static_cast<int>(shape.tier_rows.size());
    int64_t end = 0;
    for (int t = 0; t < table_.ranges.count; ++t) {
      const int k = shape.centroids[static_cast<size_t>(t)], bits = code_bits(k);
      const int64_t n = shape.tier_rows[static_cast<size_t>(t)];
      const int64_t row_bytes = packed_row_bytes(shape.subspaces, bits);
      std::vector<uint8_t>& packed = packed_[t];
      // Exactly as long as it has to be: what is read beyond is seen by a sanitizer.
      packed = std::vector<uint8_t>(static_cast<size_t>(n * row_bytes));
      std::vector<uint8_t> codes(static_cast<size_t>(shape.subspaces));
      for (int64_t r = 0; r < n; ++r) {
        for (uint8_t& code : codes)
          code = static_cast<uint8_t>(random() % static_cast<uint64_t>(k));
        codes_.insert(codes_.end(), codes.begin(), codes.end());
        for (int64_t b = 0; b < row_bytes; ++b)
          packed[static_cast<size_t>(r * row_bytes + b)] =
              packed_byte(codes.data(), shape.subspaces, bits, b);
      }
      table_.ranges.end[t] = end += n;
      table_.ranges.centroids[t] = k;
      table_.tiers[t] = {packed.data(), codebook_.data(), bits, shape.subspaces};
    }
  }
  CodedTable(const CodedTable&) = delete;

  int64_t dim() const { return shape_.width * shape_.subspaces; }
  int64_t rows() const { return table_.ranges.end[table_.ranges.count - 1]; }
  const PackedTiers& table() const { return table_; }
  std::vector<uint8_t>& packed(int tier) { return packed_[tier]; }

  /// Of the decoded row: a chain of floats, and in doubles.
  float score(const float* query, int64_t row) const {
    float sum = 0.0f;
    for (int64_t c = 0; c < dim(); ++c) sum = std::fma(query[c], value(row, c), sum);
    return sum;
  }
  double exact_score(const float* query, int64_t row) const {
    double sum = 0.0;
    for (int64_t c = 0; c < dim(); ++c) sum += static_cast<double>(query[c]) * value(row, c);
    return sum;
  }

  struct Ranked {
    float score;
    int32_t row;
    bool operator==(const Ranked&) const = default;
  };
  /// All rows that `admitted` lets in, sorted; the first k.
  template <class Admitted>
  std::vector<Ranked> top_k(const float* query, int64_t k, const Admitted& admitted) const {
    std::vector<Ranked> all;
    for (int64_t r = 0; r < rows(); ++r)
      if (const float s = score(query, r); admitted(static_cast<int32_t>(r)) && !std::isnan(s))
        all.push_back({s, static_cast<int32_t>(r)});
    std::stable_sort(all.begin(), all.end(),
                     [](const Ranked& a, const Ranked& b) { return a.score > b.score; });
    all.resize(std::min(all.size(), static_cast<size_t>(k)));
    return all;
  }

 private:
  float value(int64_t row, int64_t column) const {
    const int64_t j = column / shape_.width;
    const int code = codes_[static_cast<size_t>(row * shape_.subspaces + j)];
    return codebook_[static_cast<size_t>(code * dim() + column)];
  }

  CodedShape shape_;
  std::vector<float> codebook_;
  std::vector<uint8_t> packed_[kMaxTiers];
  std::vector<uint8_t> codes_;  // (n, D)
  PackedTiers table_;
};

}  // namespace mgqe::testing
