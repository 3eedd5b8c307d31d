// Tables in stages and rotated ones: rows, scores and lists as plain loops have them, to the bit;
// files that are not what they say.
#include "host/packed/code_space.hpp"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "host/packed/packed_scheme.hpp"
#include "host/serve/c/mgqe.h"
#include "host/serve/decoded_top_k.hpp"
#include "host/serve/recommender.hpp"
#include "tests/support/convert_testing.hpp"

namespace mgqe {
namespace {

using testing::decoded_row;
using testing::decoded_stages;
using testing::edit_artifact;
using testing::quantized_shape;
using testing::refusal;
using testing::ScratchFolder;
using testing::some_floats;
using testing::staged_table;

void write_table(const std::filesystem::path& path, const PackedTable& table) {
  Artifact artifact;
  artifact.model.backbone = kTableBackbone;
  artifact.model.task = kLookupTask;
  artifact.model.tables["item"] = table;
  for (int64_t r = 0; r < table.rows; ++r) artifact.ids["item"].integers.push_back(r);
  write_artifact(path, artifact);
}

/// Big enough to be scanned in tiles: d = 12.
PackedTable large_table(int stages, bool rotated) {
  return staged_table(quantized_shape(12, 4, {100, 3000}, {100, 20}), stages, rotated);
}

/// The query where codes are, by loops: rotated in doubles, then repeated.
std::vector<float> scored_query(const PackedTable& table, const float* query) {
  std::vector<float> one;
  for (int64_t i = 0; i < table.dim; ++i) {
    if (!table.rotated) {
      one.push_back(query[i]);
      continue;
    }
    const auto rotation = table.arrays.at("rotation").as<float>();
    double sum = 0.0;
    for (int64_t c = 0; c < table.dim; ++c)
      sum += static_cast<double>(rotation[i * table.dim + c]) * query[c];
    one.push_back(static_cast<float>(sum));
  }
  std::vector<float> all;
  for (int64_t s = 0; s < table.stages; ++s) all.insert(all.end(), one.begin(), one.end());
  return all;
}

float plain_score(const PackedTable& table, const float* query, int64_t row) {
  const std::vector<float> q = scored_query(table, query), stages = decoded_stages(table, row);
  float sum = 0.0f;
  for (size_t i = 0; i < q.size(); ++i) sum = std::fma(q[i], stages[i], sum);
  return sum;
}

TEST(CodeSpace, RowsAreStagesAddedAndRotatedBack) {
  const ScratchFolder folder;
  std::vector<PackedTable> tables = testing::staged_tables();
  tables.push_back(large_table(2, true));
  for (const PackedTable& table : tables) {
    write_table(folder / "a", table);
    const ArtifactView view = ArtifactView::open(folder / "a");
    view.verify();
    testing::expect_equal(read_artifact(folder / "a").model.tables.at("item"), table);
    const RowReader reader(view.table("item"));
    std::vector<int64_t> wanted;
    for (int64_t i = 0; i < 80; ++i) wanted.push_back((i * 7 + 3) % table.rows);
    const int64_t d = table.dim;
    std::vector<float> all(static_cast<size_t>(table.rows * d)), some(80 * (d + 1), 7.0f);
    std::vector<Half> halves(80 * d);
    reader.range(0, {all.data(), table.rows, d});
    reader.look_up(wanted, some.data(), d + 1, 3);
    reader.look_up(wanted, halves.data(), d);
    for (int64_t r = 0; r < table.rows; ++r)
      ASSERT_EQ(std::vector<float>(&all[r * d], &all[r * d] + d), decoded_row(table, r)) << r;
    for (int64_t i = 0; i < 80; ++i) {
      const std::vector<float> row = decoded_row(table, wanted[i]);
      for (int64_t c = 0; c < d; ++c) {
        ASSERT_EQ(some[i * (d + 1) + c], row[c]);
        ASSERT_EQ(halves[i * d + c].bits, to_half(row[c]).bits);
      }
      ASSERT_EQ(some[i * (d + 1) + d], 7.0f);
    }
  }
}

/// A row comes back from the codes of itself, but for rounding: R^T R x.
TEST(CodeSpace, RotatesThereAndBack) {
  for (const int64_t d : {1, 7, 64, 65, 200}) {
    PackedTable form = testing::table_of("prq", 1, d);
    form.rotated = true;
    const HostArray rotation = testing::some_rotation(d, 3);
    const CodeSpace space(form, rotation.as<float>());
    const std::vector<float> x = some_floats(d, 4);
    std::vector<float> y(d), back(d);
    space.rotate(x.data(), y.data());
    double length = 0.0, rotated = 0.0;
    for (int64_t c = 0; c < d; ++c) {
      length += static_cast<double>(x[c]) * x[c];
      rotated += static_cast<double>(y[c]) * y[c];
    }
    EXPECT_NEAR(rotated, length, 1e-5 * length);
    space.row_of(y.data(), back.data());
    for (int64_t c = 0; c < d; ++c) EXPECT_NEAR(back[c], x[c], 1e-5) << d;
  }
}

TEST(CodeSpace, ScoresAndListsAreThoseOfPlainLoops) {
  const ScratchFolder folder;
  for (const int stages : {1, 2, 5})
    for (const bool rotated : {false, true}) {
      SCOPED_TRACE(stages);
      const PackedTable table = large_table(stages, rotated);
      write_table(folder / "a", table);
      Recommender serving(ArtifactView::open(folder / "a"));
      const std::vector<float> queries = some_floats(3 * 12, 9);
      std::vector<std::vector<float>> scores(3);
      for (int m = 0; m < 3; ++m)
        for (int64_t r = 0; r < table.rows; ++r)
          scores[m].push_back(plain_score(table, &queries[m * 12], r));

      for (int m = 0; m < 3; ++m) {
        const View<const float> query(&queries[m * 12], 1, 12);
        std::vector<float> found(table.rows), some(2);
        decoded_scores(serving.reader("item"), query, {found.data(), table.rows}, 2);
        EXPECT_EQ(found, scores[m]);
        const std::vector<int64_t> rows = {2999, 0};
        decoded_scores(serving.reader("item"), query, rows, {some.data(), 2});
        EXPECT_EQ(some, (std::vector<float>{scores[m][2999], scores[m][0]}));
        double exact = 0.0;  // and they are products with the rows themselves
        const std::vector<float> row = decoded_row(table, 2999);
        for (int c = 0; c < 12; ++c) exact += static_cast<double>(row[c]) * queries[m * 12 + c];
        EXPECT_NEAR(scores[m][2999], exact, 1e-4);
      }
      for (const ScanLevel level : {ScanLevel::kScalar, ScanLevel::kAvx2, ScanLevel::kBest})
        for (const bool prepared : {false, true}) {
          if (prepared && level == ScanLevel::kScalar) serving.prepare(1);
          TopKBuffers best(3, 40);
          const std::vector<int32_t> block = {0, 5, 700};
          serving.top_k("item", {queries.data(), 3, 12},
                        {.k = 40, .threads = 2, .block = {.sorted = block}, .level = level},
                        best.result());
          for (int m = 0; m < 3; ++m) {
            std::vector<int32_t> order;
            for (int32_t r = 0; r < table.rows; ++r)
              if (r != 0 && r != 5 && r != 700) order.push_back(r);
            std::stable_sort(order.begin(), order.end(),
                             [&](int32_t a, int32_t b) { return scores[m][a] > scores[m][b]; });
            order.resize(40);
            EXPECT_EQ(std::vector<int32_t>(&best.rows[m * 40], &best.rows[m * 40] + 40), order);
            for (int i = 0; i < 40; ++i) EXPECT_EQ(best.scores[m * 40 + i], scores[m][order[i]]);
          }
        }
    }
}

TEST(CodeSpace, SimilarRowsAndTheCAbi) {
  const ScratchFolder folder;
  const PackedTable table = large_table(2, true);
  write_table(folder / "a", table);
  const Recommender serving(ArtifactView::open(folder / "a"));
  const std::vector<float> own = decoded_row(table, 17);
  TopKBuffers similar(1, 5);
  const int32_t item = 17;
  serving.similar({&item, 1}, Likeness::kDot, {.k = 5}, similar.result());
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(similar.scores[i], plain_score(table, own.data(), similar.rows[i]));
  serving.similar({&item, 1}, Likeness::kCosine, {.k = 5}, similar.result());
  for (int i = 0; i < 5; ++i) {
    const std::vector<float> other = decoded_row(table, similar.rows[i]);
    double dot = 0.0, a = 0.0, b = 0.0;
    for (int c = 0; c < 12; ++c) {
      dot += static_cast<double>(own[c]) * other[c];
      a += static_cast<double>(own[c]) * own[c];
      b += static_cast<double>(other[c]) * other[c];
    }
    EXPECT_NEAR(similar.scores[i], dot / std::sqrt(a * b), 1e-5);
  }

  mgqe_model* model = nullptr;
  ASSERT_EQ(mgqe_open((folder / "a").c_str(), nullptr, &model), MGQE_OK) << mgqe_last_error();
  mgqe_table_info info = MGQE_TABLE_INFO_INIT;
  ASSERT_EQ(mgqe_table(model, "item", &info), MGQE_OK);
  EXPECT_STREQ(info.scheme, "prq");
  EXPECT_EQ(info.dim, 12);
  EXPECT_EQ(info.stages, 2);
  EXPECT_EQ(info.rotated, 1);
  int32_t subspaces[2];
  ASSERT_EQ(mgqe_tiers(model, "item", nullptr, nullptr, subspaces), MGQE_OK);
  EXPECT_EQ(subspaces[0], 4);
  mgqe_array_info array = MGQE_ARRAY_INFO_INIT;
  ASSERT_EQ(mgqe_array(model, "item.rotation", &array), MGQE_OK);
  EXPECT_EQ(array.shape[1], 12);
  std::vector<float> scores(20);
  ASSERT_EQ(mgqe_scores(model, "item", own.data(), nullptr, 20, scores.data()), MGQE_OK);
  for (int r = 0; r < 20; ++r) EXPECT_EQ(scores[r], plain_score(table, own.data(), r));
  mgqe_close(model);
}

TEST(CodeSpace, QueriesThatAreNotFiniteAreNamedAsTheyWereGiven) {
  const ScratchFolder folder;
  write_table(folder / "a", large_table(2, true));
  const Recommender serving(ArtifactView::open(folder / "a"));
  std::vector<float> query = some_floats(12, 9);
  query[7] = std::numeric_limits<float>::quiet_NaN();
  TopKBuffers best(1, 3);
  EXPECT_CONTAINS(refusal([&] {
                    serving.top_k("item", {query.data(), 1, 12}, {.k = 3}, best.result());
                  }),
                  "column 7");
}

TEST(CodeSpace, SizesAreThoseOfTheFormula) {
  const PackedTable table = large_table(3, true);
  // 12 codes a row: of 7 bits 84, in 11 bytes; of 5 bits 60, in 8.
  EXPECT_EQ(table.formula_bits(), 32 * 100 * 36 + 100 * 84 + 2900 * 60 + 32 * 12 * 12);
  EXPECT_EQ(table.padding_bits(), 100 * 4 + 2900 * 4);
  EXPECT_EQ(table.payload_bits(), table.formula_bits() + table.padding_bits());
}

TEST(CodeSpace, RefusesWhatDoesNotFit) {
  const ScratchFolder folder;
  const auto refused = [&](const std::function<void(SafetensorsFile&)>& edit, bool verified) {
    write_table(folder / "a", large_table(2, true));
    edit_artifact(folder / "a", edit);
    return refusal([&] {
      const ArtifactView view = ArtifactView::open(folder / "a");
      if (verified) view.verify();
    });
  };
  const auto in_tables = [](const std::string& from, const std::string& to) {
    return [=](SafetensorsFile& file) {
      std::string& text = file.metadata.at("tables");
      const size_t at = text.find(from);
      ASSERT_NE(at, std::string::npos) << text;
      text.replace(at, from.size(), to);
    };
  };
  EXPECT_CONTAINS(refused(in_tables("\"stages\":2", "\"stages\":0"), false), "stages 0");
  EXPECT_CONTAINS(refused(in_tables("\"stages\":2", "\"stages\":9"), false), "stages 9");
  EXPECT_CONTAINS(refused(in_tables("\"stages\":2", "\"stages\":3"), false), "codebook is");
  EXPECT_CONTAINS(refused(in_tables("\"stages\":2,", ""), false), "\"stages\"");
  EXPECT_CONTAINS(refused(in_tables("\"rotated\":true,", ""), false), "\"rotated\"");
  EXPECT_CONTAINS(refused([](SafetensorsFile& file) { file.arrays.erase("item.rotation"); }, false),
                  "item.rotation is missing");
  const auto rotation = [](int64_t at, float value) {
    return [=](SafetensorsFile& file) {
      HostArray& array = file.arrays.at("item.rotation");
      std::memcpy(array.bytes.data() + 4 * at, &value, 4);
    };
  };
  EXPECT_CONTAINS(refused(rotation(13, 0.9f), true), "rotation is not orthogonal");
  EXPECT_CONTAINS(refused(rotation(13, NAN), true), "rotation is not orthogonal");
  // The second stage's codes are looked at as the first's: 20 centroids have room for 32.
  const auto code = [](SafetensorsFile& file) {
    file.arrays.at("item.codes.1").bytes[4] = 0xF8;  // its upper five bits are the last code
  };
  EXPECT_CONTAINS(refused(code, true), "row 100 has code 31");
  PackedTable skewed = large_table(1, true);
  skewed.arrays["rotation"] = testing::some_matrix(12, 11, 3);
  EXPECT_CONTAINS(refused(
                      [&](SafetensorsFile& file) {
                        file.arrays.at("item.rotation") = skewed.arrays.at("rotation");
                      },
                      false),
                  "array rotation is");
}

/// More codes a row than any model that is trained has.
TEST(CodeSpace, ScansRowsOfThousandsOfCodes) {
  const ScratchFolder folder;
  const PackedTable table = staged_table(quantized_shape(600, 600, {70}, {16}), 4, false);
  write_table(folder / "a", table);
  const Recommender serving(ArtifactView::open(folder / "a"));
  const std::vector<float> query = some_floats(600, 9);
  TopKBuffers best(1, 70);
  serving.top_k("item", {query.data(), 1, 600}, {.k = 70}, best.result());
  for (int i = 0; i < 70; ++i)
    EXPECT_EQ(best.scores[i], plain_score(table, query.data(), best.rows[i]));
}

}  // namespace
}  // namespace mgqe
