// Ops of scalar quantization and hashing on every back end, against naive loops in double.
#include <cfloat>
#include <cmath>

#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

class ScalarQuantization : public OnEveryBackend {
 protected:
  struct Ranges {
    std::vector<float> low, high;
  };
  Ranges ranges_of(const std::vector<float>& values, int64_t cols) {
    const Tensor<float> table = tensor(values, cols);
    Tensor<float> partials = poisoned<float>(2 * range_chunks(table.rows()), cols);
    Tensor<float> low = poisoned<float>(cols), high = poisoned<float>(cols);
    backend().column_ranges(table, partials, low, high);
    return {low.to_host(), high.to_host()};
  }

  struct Packed {
    std::vector<uint8_t> bytes;
    std::vector<float> decoded;
  };
  Packed pack_and_decode(const std::vector<float>& values, const Ranges& ranges, int bits) {
    const auto cols = static_cast<int64_t>(ranges.low.size());
    const Tensor<float> rows = tensor(values, cols), low = tensor(ranges.low),
                        high = tensor(ranges.high);
    Tensor<uint8_t> bytes =
        poisoned<uint8_t>(rows.rows(), packed_row_bytes(static_cast<int>(cols), bits));
    Tensor<float> decoded = poisoned<float>(rows.rows(), cols);
    backend().pack_cells(rows, low, high, bits, bytes);
    backend().decode_cells(bytes, RowSet::range(0, bytes.rows()), bits, low, high, decoded);
    return {bytes.to_host(), decoded.to_host()};
  }
};

TEST_P(ScalarQuantization, RangesAreThoseOfTheFiniteValues) {
  Random random(1);
  for (const int64_t rows : {0, 1, 2, 1023, 1024, 1025, 3000})
    for (const int64_t cols : {1, 3, 64}) {
      auto values = random.normals(rows * cols);
      for (int64_t i = 0; i < rows * cols; i += 7)
        values[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -INFINITY;
      const Ranges got = ranges_of(values, cols);
      for (int64_t c = 0; c < cols; ++c) {
        double low = INFINITY, high = -INFINITY;
        for (int64_t r = 0; r < rows; ++r) {
          const double x = values[r * cols + c];
          if (!std::isfinite(x)) continue;
          low = std::min(low, x);
          high = std::max(high, x);
        }
        ASSERT_EQ(got.low[c], low <= high ? low : 0.0) << rows << " rows, column " << c;
        ASSERT_EQ(got.high[c], low <= high ? high : 0.0) << rows << " rows, column " << c;
      }
    }
}

TEST_P(ScalarQuantization, CellsAreTheBucketsAndDecodeToTheirMiddles) {
  Random random(2);
  for (int bits = 1; bits <= 16; ++bits)
    for (const int64_t cols : {1, 3, 5, 8, 13}) {
      const int64_t rows = 41, row_bytes = (cols * bits + 7) / 8;
      const auto values = random.normals(rows * cols, 0.01f);
      const Ranges ranges = ranges_of(values, cols);
      const Packed got = pack_and_decode(values, ranges, bits);
      const double cells = std::pow(2.0, bits);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < cols; ++c) {
          const double low = ranges.low[c], high = ranges.high[c], x = values[r * cols + c];
          const double expected =
              std::min(std::floor((x - low) / (high - low) * cells), cells - 1.0);
          double cell = 0.0;  // of the little-endian bit string
          for (int b = 0; b < bits; ++b) {
            const int64_t bit = c * bits + b;
            if (got.bytes[r * row_bytes + bit / 8] >> (bit % 8) & 1) cell += std::pow(2.0, b);
          }
          ASSERT_EQ(cell, expected) << bits << " bits, row " << r << ", column " << c;
          const double middle = low + (expected + 0.5) * (high - low) / cells;
          ASSERT_EQ(got.decoded[r * cols + c], static_cast<float>(middle));
          // Half a bucket off at most, and half an ulp of a value below 0.1.
          ASSERT_LE(std::fabs(got.decoded[r * cols + c] - x), 0.5 * (high - low) / cells + 4e-9);
        }
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t bit = cols * bits; bit < 8 * row_bytes; ++bit)
          ASSERT_EQ(got.bytes[r * row_bytes + bit / 8] >> (bit % 8) & 1, 0) << "padding";
    }
}

TEST_P(ScalarQuantization, ConstantColumnIsExact) {
  for (const int bits : {1, 4, 16}) {
    const std::vector<float> values = {0.1f, -3.7f, 0.0f, 0.1f, -3.7f, 0.0f};
    const Packed got = pack_and_decode(values, ranges_of(values, 3), bits);
    EXPECT_EQ(got.decoded, values) << bits;
    EXPECT_EQ(got.bytes, std::vector<uint8_t>(got.bytes.size(), 0));
  }
}

TEST_P(ScalarQuantization, WhatIsNoNumberGoesToAnEndBucket) {
  const std::vector<float> values = {NAN, INFINITY, -INFINITY, -8.0f, 0.0f, 8.0f};
  const Ranges ranges = {{-1.0f}, {1.0f}};
  const Packed got = pack_and_decode(values, ranges, 4);
  EXPECT_EQ(got.bytes, (std::vector<uint8_t>{0, 15, 0, 0, 8, 15}));
  for (const float value : got.decoded) EXPECT_TRUE(value > -1.0f && value < 1.0f) << value;
  const Ranges none = ranges_of({NAN, INFINITY}, 1);
  EXPECT_EQ(pack_and_decode({NAN, INFINITY}, none, 8).decoded, std::vector<float>(2, 0.0f));
}

TEST_P(ScalarQuantization, AnyRowsAreDecodedAlone) {
  Random random(8);
  const int64_t rows = 40, cols = 5;
  const Ranges ranges{std::vector<float>(cols, -2.0f), std::vector<float>(cols, 2.0f)};
  const auto values = random.normals(rows * cols);
  const std::vector<float> all = pack_and_decode(values, ranges, 5).decoded;
  const Tensor<float> x = tensor(values, cols), low = tensor(ranges.low),
                      high = tensor(ranges.high);
  Tensor<uint8_t> bytes = poisoned<uint8_t>(rows, packed_row_bytes(cols, 5));
  backend().pack_cells(x, low, high, 5, bytes);
  const std::vector<int32_t> ids = {39, 0, 7, 7};
  const Tensor<int32_t> ids_device = tensor(ids);
  Tensor<float> chosen = poisoned<float>(4, cols), range = poisoned<float>(3, cols);
  backend().decode_cells(bytes, RowSet::of(ids_device.view()), 5, low, high, chosen);
  backend().decode_cells(bytes, RowSet::range(11, 3), 5, low, high, range);
  const auto c = chosen.to_host(), r = range.to_host();
  for (int64_t i = 0; i < 4 * cols; ++i) EXPECT_EQ(c[i], all[ids[i / cols] * cols + i % cols]);
  for (int64_t i = 0; i < 3 * cols; ++i) EXPECT_EQ(r[i], all[11 * cols + i]);
}

TEST_P(ScalarQuantization, TheWidestRangeDoesNotOverflow) {
  const std::vector<float> values = {-FLT_MAX, 0.0f, FLT_MAX};
  const Packed got = pack_and_decode(values, ranges_of(values, 1), 8);
  EXPECT_EQ(got.bytes, (std::vector<uint8_t>{0, 128, 255}));
  for (const float value : got.decoded) EXPECT_TRUE(std::isfinite(value)) << value;
}

TEST_P(ScalarQuantization, HashesAreTheSameEverywhere) {
  Tensor<int32_t> rows = poisoned<int32_t>(6);
  backend().hash_ids(RowSet::range(0, 6), 1000, rows);
  // splitmix64 of 0 to 5, mod 1000: packed tables of other builds rely on these.
  EXPECT_EQ(rows.to_host(), (std::vector<int32_t>{535, 465, 110, 53, 978, 618}));
  Tensor<int32_t> one = poisoned<int32_t>(1);
  const Tensor<int32_t> last = tensor<int32_t>({2147483646});
  backend().hash_ids(RowSet::of(last.view()), 2147483647, one);
  EXPECT_EQ(one.to_host()[0], 230669536);
  backend().hash_ids(RowSet::range(77, 1), 1, one);
  EXPECT_EQ(one.to_host()[0], 0);
}

MGQE_ON_EVERY_BACKEND(ScalarQuantization);

// Popularity-ordered ids fall into buckets as if drawn at random: loads vary as Poisson's do (the
// ids themselves, mod m, would fill buckets evenly), and no distance between ids collides more
// often than the rest.
TEST(HashBucket, IdsCollideAtRandomOnly) {
  for (const int64_t buckets : {64, 1000, 1024}) {
    const int64_t ids = 16 * buckets;
    std::vector<double> loads(static_cast<size_t>(buckets));
    for (int64_t id = 0; id < ids; ++id) {
      const int64_t bucket = hash_bucket(id, buckets);
      ASSERT_TRUE(bucket >= 0 && bucket < buckets);
      loads[bucket] += 1.0;
    }
    double chi_squared = 0.0;  // mean buckets - 1, variance 2 (buckets - 1)
    for (const double load : loads) chi_squared += (load - 16.0) * (load - 16.0) / 16.0;
    const double freedom = static_cast<double>(buckets - 1);
    EXPECT_NEAR(chi_squared, freedom, 5.0 * std::sqrt(2.0 * freedom)) << buckets;

    for (const int64_t distance : {int64_t{1}, int64_t{2}, buckets / 2, buckets, 2 * buckets}) {
      int64_t collisions = 0;  // binomial: mean 16, variance below 16
      for (int64_t id = 0; id < ids; ++id)
        collisions += hash_bucket(id, buckets) == hash_bucket(id + distance, buckets);
      EXPECT_NEAR(static_cast<double>(collisions), 16.0, 5.0 * 4.0) << buckets << ", " << distance;
    }
  }
}

}  // namespace
}  // namespace mgqe::testing
