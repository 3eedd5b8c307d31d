// Packed rows by range and by ids, as f32 and binary16, on every back end against single bits.
#include <gtest/gtest.h>

#include "tests/support/decode_reference.hpp"
#include "tests/support/scale.hpp"

namespace mgqe::testing {
namespace {

class Decode : public OnEveryBackend {
 protected:
  /// An example's arrays on the device.
  struct Table {
    std::vector<Tensor<uint8_t>> packed;
    std::vector<Tensor<float>> codebooks;
    PackedTiers view;
  };
  Table upload(const PackedExample& example) {
    Table table;
    std::vector<const uint8_t*> codes_at;
    std::vector<const float*> codebooks_at;
    for (const auto& packed : example.packed)
      codes_at.push_back(table.packed.emplace_back(tensor(packed)).data());
    for (const auto& codebook : example.codebooks)
      codebooks_at.push_back(table.codebooks.emplace_back(tensor(codebook)).data());
    table.view = example.view(codes_at, codebooks_at);
    return table;
  }
  /// Both types of rows, against the example's row of each id.
  void expect_rows(const PackedExample& example, const PackedTiers& table, RowSet rows,
                   const std::vector<int32_t>& ids) {
    const auto count = static_cast<int64_t>(ids.size());
    Tensor<float> out = poisoned<float>(count, example.dim);
    Tensor<Half> halves = poisoned<Half>(count, example.dim);
    backend().decode_rows(table, rows, out);
    backend().decode_rows(table, rows, halves);
    const auto got = out.to_host();
    const auto got_halves = halves.to_host();
    for (int64_t i = 0; i < count; ++i)
      for (int64_t c = 0; c < example.dim; ++c) {
        const float expected = example.expected(ids[i], c);
        ASSERT_EQ(got[i * example.dim + c], expected) << "row " << i << " column " << c;
        ASSERT_EQ(got_halves[i * example.dim + c].bits, to_half(expected).bits)
            << "row " << i << " column " << c;
      }
  }
};

std::vector<int32_t> range_of(int64_t first, int64_t count) {
  std::vector<int32_t> ids(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) ids[i] = static_cast<int32_t>(first + i);
  return ids;
}

TEST_P(Decode, EveryShapeByRangeAndByIds) {
  Random random(1);
  for (const PackedExample& example : packed_examples()) {
    SCOPED_TRACE(::testing::Message()
                 << "d " << example.dim << ", D " << example.shapes[0].subspaces << ", K "
                 << example.shapes[0].centroids << ", tiers " << example.shapes.size());
    const Table table = upload(example);
    const int64_t n = example.rows();
    expect_rows(example, table.view, RowSet::range(0, n), range_of(0, n));
    expect_rows(example, table.view, RowSet::range(5, n - 8), range_of(5, n - 8));
    for (const int64_t batch : {1, 50, 700}) {  // fewer and more rows than centroids
      const auto ids = random.integers<int32_t>(batch, 0, static_cast<int>(n) - 1);
      const Tensor<int32_t> on_device = tensor(ids);
      expect_rows(example, table.view, RowSet::of(on_device), ids);
    }
  }
}

TEST_P(Decode, TakesNoRows) {
  const PackedExample example(16, {{4, 8, 16}}, true, 2);
  const Table table = upload(example);
  expect_rows(example, table.view, RowSet::range(0, 0), {});
}

TEST_P(Decode, LeavesRowsPastTheCountAlone) {
  const PackedExample example(64, {{4, 8, 16}, {9, 8, 4}}, true, 3);
  const Table table = upload(example);
  const Tensor<int32_t> ids = tensor<int32_t>({12, 0, 3, 4, 99, 99}), count = tensor<int32_t>({4});
  Tensor<float> out = poisoned<float>(6, 64);
  backend().decode_rows(table.view, RowSet{ids.data(), count.data(), 0, 6}, out);
  const auto got = out.to_host();
  for (int64_t c = 0; c < 64; ++c) {
    EXPECT_EQ(got[0 * 64 + c], example.expected(12, c));
    EXPECT_EQ(got[3 * 64 + c], example.expected(4, c));
    EXPECT_TRUE(std::isnan(got[4 * 64 + c]) && std::isnan(got[5 * 64 + c]));
  }
}

// Several pieces for every thread, and on a GPU several rounds of its grid.
TEST_P(Decode, AMillionRows) {
  const int64_t rows = scaled((1 << 20) + 7, 1 << 16);
  const PackedExample example(8, {{rows / 10, 4, 256}, {rows - rows / 10, 4, 64}}, true, 4);
  const Table table = upload(example);
  expect_rows(example, table.view, RowSet::range(0, rows), range_of(0, rows));
}

TEST_P(Decode, RefusesShapesThatDoNotFit) {
  const PackedExample example(16, {{4, 8, 16}}, true, 5);
  Table table = upload(example);
  Tensor<float> narrow(backend(), 4, 8), out(backend(), 4, 16);
  EXPECT_THROW(backend().decode_rows(table.view, RowSet::range(0, 4), narrow), Error);
  table.view.tiers[0].subspaces = 3;
  EXPECT_THROW(backend().decode_rows(table.view, RowSet::range(0, 4), out), Error);
}

MGQE_ON_EVERY_BACKEND(Decode);

}  // namespace
}  // namespace mgqe::testing
