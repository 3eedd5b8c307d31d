// A float table becomes the packed table it should: codes, tiers, ids, errors, artifact.
#include "host/convert/convert.hpp"

#include "host/base/parallel.hpp"
#include "host/convert/edit.hpp"
#include "host/convert/id_files.hpp"
#include "host/serve/artifact_view.hpp"
#include "host/serve/row_reader.hpp"
#include "tests/support/convert_testing.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

constexpr int64_t kDim = 8;

ConvertOptions options_of(const FloatTable& table, std::vector<int> centroids,
                          std::vector<double> cuts = {}, int subspaces = 4) {
  ConvertOptions options;
  options.embedding.subspaces = {subspaces};
  options.embedding.centroids = std::move(centroids);
  options.embedding.tiers = std::move(cuts);
  options.resolve(table);
  return options;
}

class ConvertTest : public OnEveryBackend {
 protected:
  Converted convert(const FloatTable& table, const ConvertOptions& options,
                    std::vector<int32_t> order = {}) {
    return convert_table(backend(), table, std::move(order), options, ignore_progress);
  }
};
MGQE_ON_EVERY_BACKEND(ConvertTest);

/// Every code of every `step`th row is a nearest centroid of its tier, up to the rounding of scores
/// in float, and, of all rows, errors are those of what decodes.
void expect_encoded(const Converted& converted, const std::vector<float>& x, int64_t step = 1) {
  const PackedTable& table = converted.table;
  const auto codebook = table.arrays.at("codebook").as<float>();
  std::vector<double> error(table.tiers.size()), norm(table.tiers.size());
  for (int64_t place = 0; place < table.rows; place += step) {
    const int64_t row = converted.order.empty() ? place : converted.order[place];
    const int t = tier_at(table, place);
    const int64_t width = table.dim / table.tiers[t].subspaces;
    const std::vector<float> decoded = decoded_row(table, place);
    for (int64_t c = 0; c < table.dim; c += width) {
      double best = INFINITY;
      for (int k = 0; k < table.tiers[t].centroids; ++k)
        best = std::min(
            best, squared_distance(&x[row * table.dim + c], &codebook[k * table.dim + c], width));
      ASSERT_LE(squared_distance(&x[row * table.dim + c], &decoded[c], width), best + 1e-4)
          << "place " << place << ", column " << c;
    }
    error[t] += squared_distance(&x[row * table.dim], decoded.data(), table.dim);
    for (int64_t c = 0; c < table.dim; ++c)
      norm[t] += static_cast<double>(x[row * table.dim + c]) * x[row * table.dim + c];
  }
  for (size_t t = 0; t < error.size() && step == 1; ++t) {
    EXPECT_EQ(converted.errors[t].rows, table.tier_rows(static_cast<int>(t)));
    EXPECT_NEAR(converted.errors[t].squared_error, error[t], 1e-5 * error[t] + 1e-9);
    EXPECT_NEAR(converted.errors[t].squared_norm, norm[t], 1e-9 * norm[t]);
  }
}

TEST_P(ConvertTest, TiersInRowOrder) {
  const std::vector<float> x = clustered(3000, kDim, 200, 1);
  const FloatTable source = table_in_memory(x, kDim);
  const Converted converted = convert(source, options_of(source, {100, 33, 5}, {0.1, 0.5}));
  ASSERT_EQ(converted.table.tiers.size(), 3U);
  EXPECT_EQ(converted.table.tiers[0].end, 300);
  EXPECT_EQ(converted.table.tiers[1].end, 1500);
  expect_encoded(converted, x);
  EXPECT_LT(converted.errors[0].relative(), converted.errors[1].relative());
  EXPECT_LT(converted.errors[1].relative(), converted.errors[2].relative());
  ASSERT_EQ(converted.learnt.size(), 3U);
  EXPECT_EQ(converted.learnt[0].centroids.last, 5);
  EXPECT_EQ(converted.learnt[0].population, 1500);
  EXPECT_EQ(converted.learnt[2].centroids.first, 33);
}

TEST_P(ConvertTest, HalfCentroidsAreWhatRowsAreEncodedBy) {
  const std::vector<float> x = clustered(3000, kDim, 200, 1);
  const FloatTable source = table_in_memory(x, kDim);
  for (const std::vector<int>& centroids : {std::vector{100}, std::vector{100, 33}}) {
    ConvertOptions options = options_of(source, centroids);
    const Converted floats = convert(source, options);
    options.embedding.codebook_type = CodebookType::kF16;
    Converted halves = convert(source, options);
    const HostArray codebook = halves.table.arrays.at("codebook");
    ASSERT_EQ(codebook.dtype, DType::kF16);
    EXPECT_EQ(floats.table.formula_bits() - halves.table.formula_bits(), 16 * 100 * kDim);
    // The head's are learnt beside those of the tail, so they are others where those are rounded.
    const auto unrounded = floats.table.arrays.at("codebook").as<float>();
    const int64_t same = centroids.back() * kDim;
    for (int64_t i = 0; i < same; ++i)
      ASSERT_EQ(codebook.as<Half>()[i].bits, to_half(unrounded[i]).bits) << i;
    // As of f32 centroids that happen to be halves.
    halves.table.arrays["codebook"] = HostArray(halves.table.codebook(0), codebook.shape);
    halves.table.codebook_type = DType::kF32;
    expect_encoded(halves, x);
  }
}

TEST_P(ConvertTest, HalfCentroidsMustBeHalves) {
  std::vector<float> x = clustered(300, kDim, 20, 1);
  for (float& value : x) value *= 1e6f;
  const FloatTable source = table_in_memory(x, kDim);
  ConvertOptions options = options_of(source, {16});
  options.embedding.codebook_type = CodebookType::kF16;
  EXPECT_CONTAINS(refusal([&] { convert(source, options); }), "binary16 ends at 65504");
}

TEST_P(ConvertTest, TiersByCount) {
  const std::vector<float> x = clustered(3000, kDim, 200, 1);
  std::vector<double> counts;
  for (int64_t r = 0; r < 3000; ++r) counts.push_back(static_cast<double>(r * 7919 % 100));
  const std::vector<int32_t> order = order_by_count(counts);
  for (size_t p = 1; p < order.size(); ++p) {
    ASSERT_GE(counts[order[p - 1]], counts[order[p]]);
    ASSERT_TRUE(counts[order[p - 1]] > counts[order[p]] || order[p - 1] < order[p]) << p;
  }
  const FloatTable source = table_in_memory(x, kDim);
  expect_encoded(convert(source, options_of(source, {64, 16}, {0.1}), order), x);
}

/// In the order of the file or sorted beforehand: the same codes, whatever the chunks.
TEST_P(ConvertTest, CountsAreAsASortedFile) {
  constexpr int64_t kRows = 300'000;  // more than a chunk
  const std::vector<float> x = some_floats(kRows * 8, 3);
  std::vector<double> counts;
  for (int64_t r = 0; r < kRows; ++r)
    counts.push_back(static_cast<double>(random_u64(4, static_cast<uint64_t>(r)) % 1000));
  const std::vector<int32_t> order = order_by_count(counts);
  std::vector<float> sorted;
  for (const int32_t row : order) sorted.insert(sorted.end(), &x[row * 8], &x[row * 8] + 8);
  const FloatTable source = table_in_memory(x, 8), other = table_in_memory(sorted, 8);
  ConvertOptions options = options_of(source, {32, 8}, {0.1}, 2);
  options.sample = kRows;  // else the samples' rows stand in another order
  options.iterations = 1;
  const Converted by_count = convert(source, options, order), in_order = convert(other, options);
  EXPECT_GT(kRows, RowEncoder::max_rows(8));
  for (size_t t = 0; t < 2; ++t)
    EXPECT_NEAR(by_count.errors[t].relative(), in_order.errors[t].relative(),
                0.05 * in_order.errors[t].relative());
  expect_encoded(by_count, x, 97);
  expect_encoded(in_order, sorted, 97);
}

TEST_P(ConvertTest, OneTierOfFewRowsIsExact) {
  const std::vector<float> x = some_floats(200 * kDim, 3);
  const FloatTable source = table_in_memory(x, kDim);
  const Converted converted = convert(source, options_of(source, {256}));
  for (int64_t r = 0; r < 200; ++r)
    EXPECT_EQ(decoded_row(converted.table, r),
              std::vector<float>(x.begin() + r * kDim, x.begin() + (r + 1) * kDim));
  EXPECT_EQ(converted.errors[0].squared_error, 0.0);
}

TEST_P(ConvertTest, OneCentroidAndEmptyTiers) {
  const std::vector<float> x = some_floats(3 * kDim, 3);
  const FloatTable source = table_in_memory(x, kDim);
  const Converted one = convert(source, options_of(source, {1}));
  expect_encoded(one, x);
  EXPECT_EQ(one.table.arrays.at("codes.0").shape[1], 0);  // no bits a code
  const Converted many = convert(source, options_of(source, {8, 4, 4, 2}, {0.1, 0.2, 0.3}));
  expect_encoded(many, x);
}

TEST_P(ConvertTest, ThreadsDoNotMatter) {
  const std::vector<float> x = clustered(5000, kDim, 200, 1);
  const FloatTable source = table_in_memory(x, kDim);
  const ConvertOptions options = options_of(source, {64, 16}, {0.1});
  const int threads = thread_count();
  set_thread_count(1);
  const Converted one = convert(source, options);
  set_thread_count(5);
  const Converted five = convert(source, options);
  set_thread_count(threads);
  expect_equal(five.table, one.table);
  EXPECT_EQ(five.errors[1].squared_error, one.errors[1].squared_error);
  EXPECT_EQ(five.errors[1].squared_norm, one.errors[1].squared_norm);
}

TEST_P(ConvertTest, ASampleIsEnough) {
  const std::vector<float> x = clustered(20'000, kDim, 50, 1);
  const FloatTable source = table_in_memory(x, kDim);
  ConvertOptions options = options_of(source, {32});
  const double all = convert(source, options).errors[0].relative();
  options.sample = 2000;
  const Converted sampled = convert(source, options);
  EXPECT_EQ(sampled.learnt[0].sample, 2000);
  EXPECT_LT(sampled.errors[0].relative(), 1.1 * all);
}

TEST_P(ConvertTest, ThroughTheFileAndBack) {
  const ScratchFolder folder;
  const std::vector<float> x = clustered(1000, kDim, 200, 1);
  const FloatTable source = table_in_memory(x, kDim);
  std::vector<double> counts;
  for (int64_t r = 0; r < 1000; ++r) counts.push_back(static_cast<double>(r % 37));
  const Converted converted =
      convert(source, options_of(source, {64, 16}, {0.1}), order_by_count(counts));
  const Artifact artifact =
      table_artifact("item", converted.table, in_order(row_numbers(1000), converted.order),
                     converted.errors, {{"source", "x"}});
  write_artifact(folder / "t.safetensors", artifact);
  expect_equal(read_artifact(folder / "t.safetensors"), artifact);
  const ArtifactView view = ArtifactView::open(folder / "t.safetensors");
  view.verify();
  EXPECT_EQ(view.task(), "lookup");
  const RowReader reader(view.table("item"));
  for (int64_t id = 0; id < 1000; ++id) {
    const int64_t place = view.ids("item").row_of(id);
    ASSERT_EQ(converted.order[place], id);
    std::vector<float> row(kDim);
    reader.range(place, {row.data(), 1, kDim});
    EXPECT_EQ(row, decoded_row(converted.table, place));
  }
  EXPECT_CONTAINS(untrained_defect(view.task(), view.config()), "no model");
}

// ---- stages and rotations -----------------------------------------------------------------------

ConvertOptions staged_options(const FloatTable& source, int stages, bool rotate) {
  ConvertOptions options = options_of(source, {64, 16}, {0.1});
  options.stages = stages;
  options.rotate = rotate;
  return options;
}

/// Errors are those of what decodes.
void expect_errors(const Converted& converted, const std::vector<float>& x) {
  const PackedTable& table = converted.table;
  std::vector<double> error(table.tiers.size());
  for (int64_t place = 0; place < table.rows; ++place)
    error[tier_at(table, place)] +=
        squared_distance(&x[place * table.dim], decoded_row(table, place).data(), table.dim);
  for (size_t t = 0; t < error.size(); ++t)
    EXPECT_NEAR(converted.errors[t].squared_error, error[t], 1e-5 * error[t] + 1e-9);
}

TEST_P(ConvertTest, EveryStageCodesWhatIsLeft) {
  const std::vector<float> x = clustered(3000, kDim, 200, 1);
  const FloatTable source = table_in_memory(x, kDim);
  const Converted one = convert(source, staged_options(source, 1, false));
  const Converted three = convert(source, staged_options(source, 3, false));
  EXPECT_EQ(one.table.scheme, "mgqe");
  EXPECT_EQ(three.table.scheme, "prq");
  expect_errors(three, x);
  // The first stage is all of the other table.
  const auto codebook = three.table.arrays.at("codebook").as<float>();
  for (int64_t place = 0; place < 3000; ++place) {
    const std::vector<float> stages = decoded_stages(three.table, place);
    ASSERT_TRUE(
        std::equal(stages.begin(), stages.begin() + kDim, decoded_row(one.table, place).begin()));
    // Further ones are nearest to what is left, of the centroids of their tier.
    const int t = tier_at(three.table, place);
    std::vector<float> left(&x[place * kDim], &x[place * kDim] + kDim);
    for (int64_t s = 0; s < 3; ++s)
      for (int64_t c = 0; c < kDim; c += 2) {
        double best = INFINITY;
        for (int k = 0; k < three.table.tiers[t].centroids; ++k)
          best = std::min(best, squared_distance(&left[c], &codebook[(k * 3 + s) * kDim + c], 2));
        ASSERT_LE(squared_distance(&left[c], &stages[s * kDim + c], 2), best + 1e-4);
        for (int64_t q = c; q < c + 2; ++q) left[q] -= stages[s * kDim + q];
      }
  }
  for (int t = 0; t < 2; ++t) EXPECT_LT(three.errors[t].relative(), 0.3 * one.errors[t].relative());
}

TEST_P(ConvertTest, RotatedRowsLoseLess) {
  std::vector<float> x;  // pairs of columns that are nearly equal, in different subspaces
  for (const float value : clustered(3000, kDim / 2, 200, 1)) x.push_back(value);
  std::vector<float> wide;
  for (int64_t r = 0; r < 3000; ++r)
    for (int64_t c = 0; c < kDim; ++c)
      wide.push_back(x[r * 4 + c % 4] + 0.05f * random_normal(9, r * kDim + c));
  const FloatTable source = table_in_memory(wide, kDim);
  const Converted plain = convert(source, staged_options(source, 1, false));
  for (const int stages : {1, 2}) {
    const Converted rotated = convert(source, staged_options(source, stages, true));
    EXPECT_EQ(rotated.table.scheme, "prq");
    expect_errors(rotated, wide);
    ASSERT_TRUE(rotated.rotation);
    EXPECT_LT(rotated.rotation->error, rotated.rotation->error_without);
    for (int t = 0; t < 2; ++t)
      EXPECT_LT(rotated.errors[t].relative(), 0.8 * plain.errors[t].relative());
    const ScratchFolder folder;
    write_artifact(folder / "t", table_artifact("item", rotated.table, row_numbers(3000),
                                                rotated.errors, {{"source", "x"}}));
    ArtifactView::open(folder / "t").verify();
  }
}

TEST(ConvertOptionsTest, Refusals) {
  const FloatTable source = table_in_memory(some_floats(64, 1), 8);
  const auto refused = [&](const std::function<void(ConvertOptions&)>& change) {
    ConvertOptions options;
    options.embedding.subspaces = {4};
    change(options);
    return refusal([&] { options.resolve(source); });
  };
  EXPECT_CONTAINS(refused([](auto& o) { o.embedding.subspaces = {3}; }),
                  "--subspaces 3 does not divide the table's dimension 8");
  EXPECT_CONTAINS(refused([](auto& o) { o.embedding.centroids = {300}; }), "--centroids 300");
  EXPECT_CONTAINS(refused([](auto& o) { o.embedding.centroids = {16, 64}; }), "largest first");
  EXPECT_CONTAINS(refused([](auto& o) { o.embedding.centroids = {64, 32, 16}; }), "--tiers");
  EXPECT_CONTAINS(refused([](auto& o) { o.embedding.tiers = {1.5}; }), "between 0 and 1");
  EXPECT_CONTAINS(refused([](auto& o) { o.iterations = 0; }), "--iterations 0");
  EXPECT_CONTAINS(refused([](auto& o) { o.sample = -1; }), "--sample -1");
  EXPECT_CONTAINS(refused([](auto& o) { o.stages = 0; }), "--stages 0");
  EXPECT_CONTAINS(refused([](auto& o) { o.stages = 9; }), "--stages 9");
}

}  // namespace
}  // namespace mgqe::testing
