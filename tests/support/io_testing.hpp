// Helpers of the host/io tests: a scratch folder, refusals, and small artifacts.
#pragma once

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "host/base/check.hpp"
#include "host/base/philox.hpp"
#include "host/io/artifact.hpp"
#include "host/io/safetensors.hpp"

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

/// While it lives, files of this process end after so many bytes, as on a full disk.
class FileLimit {
 public:
  explicit FileLimit(rlim_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_ = {};
  void (*handler_)(int) = SIG_DFL;
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

inline PackedTable table_of(const std::string& scheme, int64_t rows, int64_t dim) {
  PackedTable table;
  table.scheme = scheme;
  table.rows = rows;
  table.dim = dim;
  return table;
}

// Tables of attributes only, enough for formula_bits; those with arrays follow.
inline PackedTable low_rank_shape(int64_t rows, int64_t dim, int64_t rank) {
  PackedTable table = table_of("low_rank", rows, dim);
  table.rank = rank;
  return table;
}
inline PackedTable scalar_shape(int64_t rows, int64_t dim, int64_t bits) {
  PackedTable table = table_of("scalar_quantized", rows, dim);
  table.bits = bits;
  return table;
}
inline PackedTable bucket_shape(const std::string& scheme, int64_t rows, int64_t dim,
                                int64_t buckets) {
  PackedTable table = table_of(scheme, rows, dim);
  table.buckets = buckets;
  return table;
}
inline PackedTable hashed_shape(int64_t rows, int64_t dim, int64_t buckets) {
  return bucket_shape("hashed", rows, dim, buckets);
}
inline PackedTable mixed_shape(int64_t dim, const std::vector<PackedBlock>& blocks) {
  PackedTable table = table_of("mixed_dim", blocks.back().end, dim);
  table.blocks = blocks;
  return table;
}
/// mgqe with a shared codebook; dpq_vq and dpq_sx where the scheme says so.
inline PackedTable quantized_shape(int64_t dim, int subspaces, const std::vector<int64_t>& ends,
                                   const std::vector<int>& centroids,
                                   const std::string& scheme = "mgqe") {
  PackedTable table = table_of(scheme, ends.back(), dim);
  for (size_t i = 0; i < ends.size(); ++i)
    table.tiers.push_back({ends[i], centroids[i], subspaces});
  return table;
}
inline PackedTable private_shape(int64_t dim, const std::vector<PackedTier>& tiers) {
  PackedTable table = table_of("mgqe", tiers.back().end, dim);
  table.tiers = tiers;
  table.private_codebooks = true;
  return table;
}

/// Random codes of a tier, packed bit by bit, independently of quant_math.hpp; `subspaces` a row.
inline HostArray some_codes(int64_t begin, const PackedTier& tier) {
  int bits = 0;
  for (int k = tier.centroids - 1; k > 0; k /= 2) ++bits;
  const int64_t row_bytes = (tier.subspaces * bits + 7) / 8, rows = tier.end - begin;
  std::vector<uint8_t> packed(static_cast<size_t>(rows * row_bytes));
  for (int64_t r = 0; r < rows; ++r)
    for (int j = 0; j < tier.subspaces; ++j) {
      const auto code =
          random_u64(3, static_cast<uint64_t>((begin + r) * tier.subspaces + j)) % tier.centroids;
      for (int b = 0; b < bits; ++b)
        packed[static_cast<size_t>(r * row_bytes + (j * bits + b) / 8)] |=
            static_cast<uint8_t>((code >> b & 1) << (j * bits + b) % 8);
    }
  return HostArray(packed, {rows, row_bytes});
}

inline HostArray some_matrix(int64_t rows, int64_t cols, uint64_t key) {
  return HostArray(some_floats(rows * cols, key), {rows, cols});
}

/// Orthogonal (d, d): random rows, each made orthogonal to those before it.
inline HostArray some_rotation(int64_t d, uint64_t key) {
  const std::vector<float> random = some_floats(d * d, key);
  std::vector<double> rows(random.begin(), random.end());
  for (int64_t i = 0; i < d; ++i) {
    double length = 0.0;
    for (int again = 0; again < 2; ++again)
      for (int64_t k = 0; k < i; ++k) {
        double along = 0.0;
        for (int64_t c = 0; c < d; ++c) along += rows[i * d + c] * rows[k * d + c];
        for (int64_t c = 0; c < d; ++c) rows[i * d + c] -= along * rows[k * d + c];
      }
    for (int64_t c = 0; c < d; ++c) length += rows[i * d + c] * rows[i * d + c];
    for (int64_t c = 0; c < d; ++c) rows[i * d + c] /= std::sqrt(length);
  }
  return HostArray(std::vector<float>(rows.begin(), rows.end()), {d, d});
}

/// Fills in the arrays of a table of tiers.
inline PackedTable with_codes(PackedTable table) {
  int64_t begin = 0;
  for (size_t i = 0; i < table.tiers.size(); ++i) {
    PackedTier tier = table.tiers[i];
    tier.subspaces *= static_cast<int>(table.stages);
    const std::string number = std::to_string(i);
    table.arrays["codes." + number] = some_codes(begin, tier);
    if (table.private_codebooks)
      table.arrays["codebook." + number] =
          some_matrix(tier.centroids, table.stages * table.dim, 20 + i);
    begin = tier.end;
  }
  if (!table.private_codebooks)
    table.arrays["codebook"] = some_matrix(table.tiers[0].centroids, table.stages * table.dim, 2);
  if (table.rotated) table.arrays["rotation"] = some_rotation(table.dim, 30);
  return table;
}

/// A table of tiers in stages.
inline PackedTable staged_table(PackedTable shape, int stages, bool rotated) {
  shape.scheme = "prq";
  shape.stages = stages;
  shape.rotated = rotated;
  return with_codes(std::move(shape));
}

/// The same table with codebooks of f16.
inline PackedTable with_half_codebooks(PackedTable table) {
  table.codebook_type = DType::kF16;
  for (auto& [name, array] : table.arrays)
    if (name.rfind("codebook", 0) == 0) array = narrowed_to_half(array);
  return table;
}

inline PackedTable full_table(int64_t rows, int64_t dim) {
  PackedTable table = table_of("full", rows, dim);
  table.arrays["table"] = some_matrix(rows, dim, 1);
  return table;
}
inline PackedTable low_rank_table(int64_t rows, int64_t dim, int64_t rank) {
  PackedTable table = low_rank_shape(rows, dim, rank);
  table.arrays["factor"] = some_matrix(rows, rank, 5);
  table.arrays["basis"] = some_matrix(rank, dim, 6);
  return table;
}
inline PackedTable scalar_table(int64_t rows, int64_t dim, int64_t bits) {
  PackedTable table = scalar_shape(rows, dim, bits);
  const int64_t row_bytes = (dim * bits + 7) / 8;
  std::vector<uint8_t> cells;
  for (int64_t i = 0; i < rows * row_bytes; ++i)
    cells.push_back(static_cast<uint8_t>(random_u64(7, static_cast<uint64_t>(i))));
  std::vector<float> low, high;
  for (const float x : some_floats(dim, 8)) {
    low.push_back(x);
    high.push_back(x + 2.0f);
  }
  table.arrays["cells"] = HostArray(cells, {rows, row_bytes});
  table.arrays["low"] = HostArray(low, {dim});
  table.arrays["high"] = HostArray(high, {dim});
  return table;
}
inline PackedTable hashed_table(int64_t rows, int64_t dim, int64_t buckets) {
  PackedTable table = hashed_shape(rows, dim, buckets);
  table.arrays["table"] = some_matrix(buckets, dim, 9);
  return table;
}
/// Whose arrays are floats, all of them.
inline PackedTable with_floats(PackedTable table) {
  uint64_t key = 20;
  for (const ArraySpec& spec : expected_arrays(table)) {
    int64_t count = 1;
    for (const int64_t length : spec.shape) count *= length;
    table.arrays[spec.name] = HostArray(some_floats(count, ++key), spec.shape);
  }
  return table;
}
inline PackedTable quantized_table(int64_t dim, int subspaces, const std::vector<int64_t>& ends,
                                   const std::vector<int>& centroids,
                                   const std::string& scheme = "mgqe") {
  return with_codes(quantized_shape(dim, subspaces, ends, centroids, scheme));
}

/// Of one that packs its arrays as another does.
inline PackedTable with_scheme(PackedTable table, const std::string& scheme) {
  table.scheme = scheme;
  return table;
}

/// One table of every scheme and variant, of 9 rows and odd sizes, so that rows need padding.
inline std::vector<PackedTable> table_of_every_scheme() {
  return {full_table(9, 10),
          low_rank_table(9, 10, 3),
          scalar_table(9, 10, 3),
          hashed_table(9, 10, 4),
          with_scheme(scalar_table(9, 10, 5), "lsq"),
          with_scheme(hashed_table(9, 10, 4), "multiplexed"),
          with_floats(bucket_shape("quotient_remainder", 9, 10, 4)),
          with_floats(bucket_shape("memcom", 9, 10, 4)),
          with_floats(mixed_shape(10, {{2, 10}, {5, 4}, {9, 1}})),
          quantized_table(10, 5, {9}, {200}, "dpq_vq"),
          quantized_table(10, 2, {9}, {17}, "dpq_sx"),
          quantized_table(10, 5, {2, 5, 9}, {200, 17, 1}),
          with_codes(private_shape(10, {{3, 100, 5}, {9, 9, 5}})),
          with_codes(private_shape(10, {{3, 33, 10}, {9, 33, 2}})),
          with_half_codebooks(quantized_table(10, 5, {2, 5, 9}, {200, 17, 1})),
          with_half_codebooks(with_codes(private_shape(10, {{3, 100, 5}, {9, 9, 5}})))};
}

/// Tables in stages, rotated or not, of 9 rows and odd sizes.
inline std::vector<PackedTable> staged_tables() {
  const PackedTable shared = quantized_shape(10, 5, {2, 5, 9}, {200, 17, 1});
  const PackedTable own = private_shape(10, {{3, 33, 10}, {9, 256, 2}});
  return {staged_table(shared, 1, false),
          staged_table(shared, 1, true),
          staged_table(shared, 2, false),
          staged_table(shared, 3, true),
          staged_table(own, 2, true),
          staged_table(own, 8, false),
          with_half_codebooks(staged_table(shared, 2, true))};
}

/// GMF with integer user ids and string item ids; odd sizes, so that rows need padding.
inline Artifact small_artifact() {
  Artifact artifact;
  artifact.model.backbone = "gmf";
  artifact.model.task = "ranking";
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

/// Lets `edit` change arrays and metadata of an artifact, and writes it aligned as it was.
template <class Edit>
void edit_artifact(const fs::path& path, const Edit& edit) {
  SafetensorsFile file = read_safetensors(path);
  std::erase_if(file.arrays, [](const auto& entry) { return is_pad(entry.first); });
  edit(file);
  std::vector<PlacedArray> placed;
  for (const auto& [name, array] : file.arrays) placed.push_back({name, &array, 64});
  write_safetensors(path, placed, file.metadata);
}

/// The arrays and metadata of an artifact as version 2 had them.
inline SafetensorsFile version_two(SafetensorsFile file) {
  std::erase_if(file.arrays, [](const auto& entry) {
    return is_pad(entry.first) || entry.first.ends_with(".order");
  });
  file.metadata.erase("entities");
  file.metadata["version"] = "2";
  return file;
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

inline void expect_equal(const PackedTable& a, const PackedTable& b) {
  EXPECT_EQ(a.scheme, b.scheme);
  EXPECT_EQ(a.rows, b.rows);
  EXPECT_EQ(a.dim, b.dim);
  EXPECT_EQ(a.rank, b.rank);
  EXPECT_EQ(a.bits, b.bits);
  EXPECT_EQ(a.buckets, b.buckets);
  EXPECT_EQ(a.private_codebooks, b.private_codebooks);
  ASSERT_EQ(a.tiers.size(), b.tiers.size());
  for (size_t i = 0; i < a.tiers.size(); ++i) {
    EXPECT_EQ(a.tiers[i].end, b.tiers[i].end);
    EXPECT_EQ(a.tiers[i].centroids, b.tiers[i].centroids);
    EXPECT_EQ(a.tiers[i].subspaces, b.tiers[i].subspaces);
  }
  expect_equal(a.arrays, b.arrays);
}

inline void expect_equal(const Artifact& a, const Artifact& b) {
  EXPECT_EQ(a.model.backbone, b.model.backbone);
  EXPECT_EQ(a.model.task, b.model.task);
  ASSERT_EQ(a.model.tables.size(), b.model.tables.size());
  for (const auto& [name, table] : a.model.tables) {
    ASSERT_TRUE(b.model.tables.contains(name)) << name;
    expect_equal(table, b.model.tables.at(name));
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
