// Helpers of the host/io tests: a scratch folder, refusals, and small artifacts.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "host/core/check.hpp"
#include "host/core/philox.hpp"
#include "host/io/artifact.hpp"

namespace mgqe::testing {

namespace fs = std::filesystem;

/// A new folder that goes when the test ends.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (fs::temp_directory_path() / "mgqe_test_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw Error("no scratch folder: " + name);
    path_ = name;
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() { fs::remove_all(path_); }

  fs::path operator/(const std::string& name) const { return path_ / name; }
  const fs::path& path() const { return path_; }
  /// How many entries it has; 1 after a write that left no temporary file.
  int64_t entries() const {
    return std::distance(fs::directory_iterator(path_), fs::directory_iterator());
  }

 private:
  fs::path path_;
};

inline std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_text(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// The message of the InputError that `action` must end with; it must be one line.
template <class Action>
std::string refusal(Action&& action) {
  try {
    action();
  } catch (const InputError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "accepted what it should refuse";
  return "";
}

#define EXPECT_CONTAINS(text, part)                          \
  EXPECT_NE(std::string(text).find(part), std::string::npos) \
      << "in: " << (text) << "\nlooked for: " << (part)

inline std::vector<float> some_floats(int64_t count, uint64_t key) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(random_normal(key, static_cast<uint64_t>(i)));
  return values;
}

inline PackedTable full_table(int64_t rows, int64_t dim) {
  PackedTable table;
  table.scheme = "full";
  table.rows = rows;
  table.dim = dim;
  table.arrays["table"] = HostArray(some_floats(rows * dim, 1), {rows, dim});
  return table;
}

/// Attributes only; enough for formula_bits.
inline PackedTable quantized_shape(int64_t dim, int subspaces, const std::vector<int64_t>& ends,
                                   const std::vector<int>& centroids) {
  PackedTable table;
  table.scheme = "mgqe";
  table.rows = ends.back();
  table.dim = dim;
  table.subspaces = subspaces;
  table.tiers.count = static_cast<int>(ends.size());
  for (size_t i = 0; i < ends.size(); ++i) {
    table.tiers.end[i] = ends[i];
    table.tiers.centroids[i] = centroids[i];
  }
  return table;
}

/// Random codes, packed bit by bit, independently of quant_math.hpp.
inline PackedTable quantized_table(int64_t dim, int subspaces, const std::vector<int64_t>& ends,
                                   const std::vector<int>& centroids) {
  PackedTable table = quantized_shape(dim, subspaces, ends, centroids);
  table.arrays["codebook"] = HostArray(some_floats(centroids[0] * dim, 2), {centroids[0], dim});
  int64_t begin = 0;
  for (size_t tier = 0; tier < ends.size(); ++tier) {
    int bits = 0;
    for (int k = centroids[tier] - 1; k > 0; k /= 2) ++bits;
    const int64_t row_bytes = (subspaces * bits + 7) / 8;
    const int64_t rows = ends[tier] - begin;
    std::vector<uint8_t> packed(static_cast<size_t>(rows * row_bytes));
    for (int64_t r = 0; r < rows; ++r)
      for (int j = 0; j < subspaces; ++j) {
        const auto code =
            random_u64(3, static_cast<uint64_t>((begin + r) * subspaces + j)) % centroids[tier];
        for (int b = 0; b < bits; ++b)
          packed[static_cast<size_t>(r * row_bytes + (j * bits + b) / 8)] |=
              static_cast<uint8_t>((code >> b & 1) << (j * bits + b) % 8);
      }
    table.arrays["codes." + std::to_string(tier)] = HostArray(packed, {rows, row_bytes});
    begin = ends[tier];
  }
  return table;
}

/// GMF with integer user ids and string item ids; odd sizes, so that rows need padding.
inline Artifact small_artifact() {
  Artifact artifact;
  artifact.model.backbone = "gmf";
  artifact.model.tables["user"] = full_table(3, 10);
  artifact.model.tables["item"] = quantized_table(10, 5, {2, 5, 9}, {200, 17, 1});
  artifact.model.dense["gmf.weights"] = HostArray(some_floats(11, 4), {11});
  artifact.ids["user"].integers = {70, -2, int64_t{1} << 40};
  artifact.ids["item"].strings = {"a", "", "b c", "\xC3\xA9", "4", "5", "6", "7", "88"};
  artifact.config = {{"data", {{"name", "ml-1m"}}}, {"embedding", {{"dim", 10}}}};
  artifact.seed = ~uint64_t{0};
  artifact.best_epoch = 7;
  artifact.data_fingerprint = 0xFEDCBA9876543210u;
  artifact.commit = "0123456789ab-dirty";
  artifact.device = "cpu";
  return artifact;
}

inline void expect_equal(const ArrayMap& a, const ArrayMap& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, array] : a) {
    ASSERT_TRUE(b.contains(name)) << name;
    EXPECT_EQ(array.dtype, b.at(name).dtype) << name;
    EXPECT_EQ(array.shape, b.at(name).shape) << name;
    EXPECT_EQ(array.bytes, b.at(name).bytes) << name;
  }
}

inline void expect_equal(const Artifact& a, const Artifact& b) {
  EXPECT_EQ(a.model.backbone, b.model.backbone);
  ASSERT_EQ(a.model.tables.size(), b.model.tables.size());
  for (const auto& [name, table] : a.model.tables) {
    ASSERT_TRUE(b.model.tables.contains(name)) << name;
    const PackedTable& other = b.model.tables.at(name);
    EXPECT_EQ(table.scheme, other.scheme);
    EXPECT_EQ(table.rows, other.rows);
    EXPECT_EQ(table.dim, other.dim);
    EXPECT_EQ(table.subspaces, other.subspaces);
    EXPECT_EQ(table.tiers.count, other.tiers.count);
    for (int i = 0; i < table.tiers.count; ++i) {
      EXPECT_EQ(table.tiers.end[i], other.tiers.end[i]);
      EXPECT_EQ(table.tiers.centroids[i], other.tiers.centroids[i]);
    }
    expect_equal(table.arrays, other.arrays);
  }
  expect_equal(a.model.dense, b.model.dense);
  EXPECT_EQ(a.ids, b.ids);
  EXPECT_EQ(a.config, b.config);
  EXPECT_EQ(a.seed, b.seed);
  EXPECT_EQ(a.best_epoch, b.best_epoch);
  EXPECT_EQ(a.data_fingerprint, b.data_fingerprint);
  EXPECT_EQ(a.commit, b.commit);
  EXPECT_EQ(a.device, b.device);
}

}  // namespace mgqe::testing
