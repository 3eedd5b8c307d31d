// Sizes: the formula against published figures, and the three sizes against each other.
#include <cmath>
#include <numeric>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "host/io/artifact.hpp"
#include "host/io/safetensors.hpp"
#include "host/io/size_report.hpp"
#include "tests/support/io_testing.hpp"

namespace mgqe {
namespace {

using testing::bucket_shape;
using testing::full_table;
using testing::hashed_shape;
using testing::low_rank_shape;
using testing::private_shape;
using testing::quantized_shape;
using testing::quantized_table;
using testing::scalar_shape;
using testing::ScratchFolder;
using testing::small_artifact;
using testing::table_of;
using testing::with_codes;

constexpr int64_t kDim = 64;

/// [256, 64] with a head of ceil(10%).
PackedTable mgqe_shape(int64_t rows, int subspaces) {
  return quantized_shape(kDim, subspaces, {(rows + 9) / 10, rows}, {256, 64});
}

std::string percent(const std::vector<PackedTable>& tables) {
  int64_t formula = 0, full = 0;
  for (const PackedTable& table : tables) {
    formula += table.formula_bits();
    full += table.full_bits();
  }
  return fmt::format("{:.2f}", 100.0 * static_cast<double>(formula) / static_cast<double>(full));
}

TEST(Size, TableOfMovieLens) {
  struct Line {
    int subspaces;
    const char *dpq, *mgqe, *users_and_items, *large;
    int64_t mgqe_bits;
  };
  const Line lines[] = {{4, "9.06", "8.71", "6.63", "1.30", 609'008},
                        {8, "10.62", "9.92", "7.84", "2.51", 693'728},
                        {16, "13.74", "12.34", "10.26", "4.93", 863'168},
                        {32, "19.99", "17.18", "15.10", "9.78", 1'202'048},
                        {64, "32.49", "26.87", "24.79", "19.46", 1'879'808}};
  for (const Line& line : lines) {
    const int D = line.subspaces;
    EXPECT_EQ(mgqe_shape(3416, D).formula_bits(), line.mgqe_bits) << D;
    EXPECT_EQ(percent({mgqe_shape(3416, D)}), line.mgqe) << D;
    EXPECT_EQ(percent({mgqe_shape(6040, D), mgqe_shape(3416, D)}), line.users_and_items) << D;
    EXPECT_EQ(percent({mgqe_shape(290'000, D)}), line.large) << D;
    for (const char* scheme : {"dpq_vq", "dpq_sx"})
      EXPECT_EQ(percent({quantized_shape(kDim, D, {3416}, {256}, scheme)}), line.dpq) << D;
  }
}

TEST(Size, BaselinesOfMovieLensItems) {
  constexpr int64_t kItems = 3416;
  const auto of_full = [&](const PackedTable& table) {
    return fmt::format("{:.2f}", 100.0 * static_cast<double>(table.formula_bits()) /
                                     static_cast<double>(32 * kItems * kDim));
  };
  const std::pair<int64_t, const char*> dims[] = {
      {4, "6.25"}, {8, "12.50"}, {16, "25.00"}, {32, "50.00"}};
  for (const auto& [dim, expected] : dims)
    EXPECT_EQ(of_full(table_of("full", kItems, dim)), expected) << "d = " << dim;
  const std::pair<int64_t, const char*> bits[] = {
      {1, "3.18"}, {2, "6.31"}, {4, "12.56"}, {8, "25.06"}};
  for (const auto& [b, expected] : bits)
    EXPECT_EQ(of_full(scalar_shape(kItems, kDim, b)), expected) << "b = " << b;
  const std::pair<int64_t, const char*> ranks[] = {
      {4, "6.37"}, {8, "12.73"}, {16, "25.47"}, {32, "50.94"}};
  for (const auto& [r, expected] : ranks)
    EXPECT_EQ(of_full(low_rank_shape(kItems, kDim, r)), expected) << "r = " << r;
  EXPECT_EQ(of_full(hashed_shape(kItems, kDim, 854)), "25.00");
}

// The table of schemes, one line each, in numbers small enough to check by hand. No code counts 32
// bits, and a shared codebook counts once.
TEST(Size, FormulaOfEveryScheme) {
  const auto expect_bits = [](const PackedTable& table, int64_t bits) {
    EXPECT_EQ(table.formula_bits(), bits) << table.scheme;
  };
  expect_bits(table_of("full", 9, 10), 32 * 9 * 10);
  expect_bits(low_rank_shape(9, 10, 3), 32 * (9 * 3 + 3 * 10));
  expect_bits(scalar_shape(9, 10, 3), 9 * 3 * 10 + 64 * 10);
  expect_bits(hashed_shape(9, 10, 4), 32 * 4 * 10);
  expect_bits(bucket_shape("multiplexed", 9, 10, 4), 32 * 4 * 10);
  expect_bits(bucket_shape("quotient_remainder", 9, 10, 4), 32 * (4 + 3) * 10);
  expect_bits(bucket_shape("memcom", 9, 10, 4), 32 * (4 * 10 + 9));
  expect_bits(mixed_shape(10, {{2, 10}, {5, 4}, {9, 1}}),
              32 * (2 * 10 + 3 * 4 + 4 * 10 + 4 * 1 + 1 * 10));
  PackedTable steps = scalar_shape(9, 10, 3);
  steps.scheme = "lsq";
  expect_bits(steps, 9 * 3 * 10 + 64 * 10);
  expect_bits(quantized_shape(10, 5, {9}, {200}, "dpq_vq"), 9 * 5 * 8 + 32 * 200 * 10);
  expect_bits(quantized_shape(10, 2, {9}, {17}, "dpq_sx"), 9 * 2 * 5 + 32 * 17 * 10);
  expect_bits(quantized_shape(10, 5, {2, 5, 9}, {200, 17, 1}),
              2 * 5 * 8 + 3 * 5 * 5 + 4 * 5 * 0 + 32 * 200 * 10);
  PackedTable half = quantized_shape(10, 5, {2, 9}, {200, 17});
  half.codebook_type = DType::kF16;
  expect_bits(half, 2 * 5 * 8 + 7 * 5 * 5 + 16 * 200 * 10);
  // Private codebooks, variable K; then variable D.
  expect_bits(private_shape(10, {{3, 100, 5}, {9, 9, 5}}),
              3 * 5 * 7 + 6 * 5 * 4 + 32 * (100 + 9) * 10);
  expect_bits(private_shape(10, {{3, 33, 10}, {9, 33, 2}}),
              3 * 10 * 6 + 6 * 2 * 6 + 2 * 32 * 33 * 10);
}

TEST(Size, ExpectedArraysHoldFormulaAndPadding) {
  for (const PackedTable& table : testing::table_of_every_scheme()) {
    const std::vector<ArraySpec> specs = expected_arrays(table);
    ASSERT_EQ(specs.size(), table.arrays.size()) << table.scheme;
    for (const ArraySpec& spec : specs) {
      ASSERT_TRUE(table.arrays.contains(spec.name)) << spec.name;
      EXPECT_EQ(table.arrays.at(spec.name).shape, spec.shape) << spec.name;
      EXPECT_EQ(table.arrays.at(spec.name).dtype, spec.dtype) << spec.name;
    }
    EXPECT_EQ(table.payload_bits(), table.formula_bits() + table.padding_bits()) << table.scheme;
  }
  EXPECT_EQ(testing::scalar_table(9, 10, 3).padding_bits(), 9 * 2);  // rows of 30 bits
}

/// An artifact with the quantized table for users and items both.
Artifact artifact_of(const PackedTable& table) {
  Artifact artifact = small_artifact();
  for (const char* entity : {"user", "item"}) {
    artifact.model.tables[entity] = table;
    artifact.ids[entity] = OriginalIds{std::vector<int64_t>(static_cast<size_t>(table.rows)), {}};
    std::iota(artifact.ids[entity].integers.begin(), artifact.ids[entity].integers.end(), 1);
  }
  return artifact;
}

TEST(Size, ThreeSizesReconcile) {
  struct Case {
    int64_t dim;
    int subspaces;
    std::vector<int64_t> ends;
    std::vector<int> centroids;
    int64_t padding_bits;  // of one table, counted by hand
  };
  const Case cases[] = {
      {10, 5, {7, 20, 33}, {200, 17, 1}, 13 * 7},   // rows of 40, 25 and 0 bits
      {9, 3, {11}, {5}, 11 * 7},                    // 9 bits
      {7, 7, {2, 2, 5}, {3, 2, 2}, 2 * 2 + 3 * 1},  // 14 and 7 bits, one tier empty
      {64, 32, {342, 3416}, {256, 64}, 0},
      {4, 1, {10}, {1}, 0},  // no bits at all
  };
  for (const Case& c : cases) {
    const ScratchFolder folder;
    const Artifact artifact = artifact_of(quantized_table(c.dim, c.subspaces, c.ends, c.centroids));
    const SizeReport size = write_artifact(folder / "x", artifact);
    EXPECT_EQ(size.padding_bits, 2 * c.padding_bits);
    EXPECT_EQ(size.payload_bits, size.formula_bits + size.padding_bits);
    EXPECT_EQ(size.file_bytes, size.payload_bits / 8 + size.dense_bytes + size.id_bytes +
                                   size.header_bytes + size.alignment_bytes);
    EXPECT_EQ(size.file_bytes, static_cast<int64_t>(std::filesystem::file_size(folder / "x")));
    EXPECT_EQ(size.full_bits, 2 * 32 * c.ends.back() * c.dim);
    EXPECT_EQ(size.dense_bytes, 11 * 4);
    EXPECT_EQ(size.id_bytes, 2 * (8 + 4) * c.ends.back());  // ids and their order
    EXPECT_DOUBLE_EQ(size.percent_of_full,
                     100.0 * static_cast<double>(size.formula_bits) / size.full_bits);

    // The formula once more, from its definition.
    double formula = 0;
    int64_t begin = 0;
    for (size_t i = 0; i < c.ends.size(); ++i) {
      formula += static_cast<double>(c.ends[i] - begin) * c.subspaces *
                 std::ceil(std::log2(c.centroids[i]));
      begin = c.ends[i];
    }
    EXPECT_EQ(static_cast<double>(size.formula_bits),
              2 * (formula + 32.0 * c.centroids[0] * c.dim));

    int64_t sum = 0;
    for (const SizeReport::Part& part : size.parts) sum += part.bytes;
    EXPECT_EQ(sum, size.file_bytes);
  }
}

// With everything a file needs besides the codes, and the artifact is all that is served.
TEST(Size, FileOfQuantizedTablesIsSmallerThanTheFullTable) {
  const ScratchFolder folder;
  const auto table = with_codes(mgqe_shape(3416, 32));
  const SizeReport quantized = write_artifact(folder / "mgqe", artifact_of(table));
  const SizeReport full = write_artifact(folder / "full", artifact_of(full_table(3416, kDim)));
  EXPECT_EQ(quantized.full_bits, full.formula_bits);
  EXPECT_LT(quantized.payload_bits, full.payload_bits / 5);
  EXPECT_LT(quantized.file_bytes, full.file_bytes / 4);
}

TEST(Size, FullTableIsAllOfItself) {
  const ScratchFolder folder;
  const SizeReport size = write_artifact(folder / "x", artifact_of(full_table(12, 5)));
  EXPECT_EQ(size.formula_bits, 2 * 32 * 12 * 5);
  EXPECT_EQ(size.payload_bits, size.formula_bits);
  EXPECT_DOUBLE_EQ(size.percent_of_full, 100.0);
}

TEST(Size, JsonBeginsWithTheSizesAndConverts) {
  const ScratchFolder folder;
  const SizeReport size = write_artifact(folder / "x", small_artifact());
  const nlohmann::ordered_json json = to_json(size);
  std::vector<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.push_back(key);
  EXPECT_EQ(keys, (std::vector<std::string>{"formula_bits", "payload_bits", "file_bytes",
                                            "full_bits", "percent_of_full", "breakdown"}));
  nlohmann::json result;
  result["size"] = json;
  EXPECT_EQ(result["size"]["file_bytes"], size.file_bytes);
  EXPECT_EQ(json["breakdown"]["part_bytes"]["header"], size.header_bytes);
}

TEST(Size, UnexplainedBytesAreCaught) {
  const ScratchFolder folder;
  write_artifact(folder / "x", small_artifact());
  SafetensorsHeader header = read_safetensors_header(folder / "x");
  const ArtifactDescription description = describe_artifact("x", header);
  size_report(description, header);
  header.file_bytes += 1;
  EXPECT_THROW(size_report(description, header), Error);
}

}  // namespace
}  // namespace mgqe
