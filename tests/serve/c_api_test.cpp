// The C ABI: it says what Recommender says, codes and one line where it cannot, and takes structs
// of versions before and after its own.
#include <thread>

#include <gtest/gtest.h>

#include "host/packed/dense_arrays.hpp"
#include "host/serve/c/mgqe.h"
#include "host/serve/decoded_top_k.hpp"
#include "tests/serve/served_model.hpp"

namespace mgqe {
namespace {

using testing::kServedItems;
using testing::kServedUsers;
using testing::ScratchFolder;

class CApi : public ::testing::Test {
 protected:
  CApi() {
    const Config config = testing::served_config("gmf", "mgqe");
    testing::write_served(folder_ / "a", config, testing::served_model(config));
    EXPECT_EQ(mgqe_open((folder_ / "a").c_str(), nullptr, &model_), MGQE_OK) << mgqe_last_error();
  }
  ~CApi() override { mgqe_close(model_); }

  ScratchFolder folder_;
  mgqe_model* model_ = nullptr;
};

#define EXPECT_FAILS(code, call, part) \
  EXPECT_EQ(call, code);               \
  EXPECT_NE(std::string(mgqe_last_error()).find(part), std::string::npos) << mgqe_last_error()

TEST_F(CApi, SaysWhatTheModelIs) {
  EXPECT_EQ(mgqe_abi_version(), MGQE_ABI_VERSION);
  EXPECT_EQ(std::string(mgqe_version()).find("0.1 ("), 0u);
  EXPECT_STREQ(mgqe_metadata(model_, "backbone"), "gmf");
  EXPECT_STREQ(mgqe_metadata(model_, "task"), "ranking");
  EXPECT_STREQ(mgqe_metadata(model_, "item_table"), "item");
  EXPECT_EQ(mgqe_metadata(model_, "weather"), nullptr);
  EXPECT_EQ(mgqe_max_length(model_), 0);
  EXPECT_EQ(mgqe_table_count(model_), 2);
  mgqe_table_info info = MGQE_TABLE_INFO_INIT;
  ASSERT_EQ(mgqe_table(model_, "item", &info), MGQE_OK);
  EXPECT_STREQ(info.scheme, "mgqe");
  EXPECT_STREQ(info.entity, "item");
  EXPECT_EQ(info.rows, kServedItems);
  EXPECT_EQ(info.dim, 16);
  EXPECT_EQ(info.tiers, 2);
  int64_t ends[2];
  int32_t centroids[2], subspaces[2];
  ASSERT_EQ(mgqe_tiers(model_, "item", ends, centroids, subspaces), MGQE_OK);
  EXPECT_EQ(ends[1], kServedItems);
  EXPECT_EQ(centroids[0], 16);
  EXPECT_EQ(centroids[1], 4);
  EXPECT_EQ(subspaces[0], 8);
  mgqe_array_info array = MGQE_ARRAY_INFO_INIT;
  ASSERT_EQ(mgqe_array(model_, "item.codebook", &array), MGQE_OK);
  EXPECT_EQ(array.dtype, MGQE_F32);
  EXPECT_EQ(array.shape[0], 16);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(array.data) % 64, 0u);
  ASSERT_EQ(mgqe_array(model_, "gmf.weights", &array), MGQE_OK);
  EXPECT_EQ(array.rank, 1);
  EXPECT_FAILS(MGQE_NOT_FOUND, mgqe_array(model_, "item.thing", &array), "no array item.thing");
  EXPECT_FAILS(MGQE_NOT_FOUND, mgqe_table(model_, "thing", &info), "the model has item, user");
  EXPECT_FAILS(MGQE_NOT_FOUND, mgqe_table_at(model_, 2, &info), "no table number 2 of 2");
}

TEST_F(CApi, FindsIds) {
  EXPECT_EQ(mgqe_integer_ids(model_, "item"), 1);
  EXPECT_EQ(mgqe_integer_ids(model_, "user"), 0);
  EXPECT_EQ(mgqe_integer_ids(model_, "thing"), -1);
  const int64_t ids[] = {7, 10, 8, 3 * 699 + 7};
  int32_t rows[4];
  ASSERT_EQ(mgqe_rows_of(model_, "item", ids, 4, rows), MGQE_OK);
  EXPECT_EQ(std::vector<int32_t>(rows, rows + 4), (std::vector<int32_t>{0, 1, -1, 699}));
  int64_t back[2];
  ASSERT_EQ(mgqe_ids_of(model_, "item", rows, 2, back), MGQE_OK);
  EXPECT_EQ(back[1], 10);
  EXPECT_EQ(mgqe_ids_of(model_, "item", rows, 3, back), MGQE_INVALID_ARGUMENT);  // row -1
  int32_t row = 0;
  ASSERT_EQ(mgqe_row_of_text(model_, "user", "u12 and more", 3, &row), MGQE_OK);
  EXPECT_EQ(row, 12);
  char text[2];
  size_t length = 0;
  ASSERT_EQ(mgqe_text_of(model_, "user", 12, text, sizeof text, &length), MGQE_OK);
  EXPECT_EQ(length, 3u);
  EXPECT_EQ(std::string(text, 2), "u1");
  EXPECT_FAILS(MGQE_INVALID_ARGUMENT, mgqe_ids_of(model_, "user", rows, 1, back),
               "ids of user are texts");
}

TEST_F(CApi, AnswersAsRecommenderDoes) {
  const Recommender recommender(ArtifactView::open(folder_ / "a"));
  const std::vector<int32_t> users = {3, 0, 39}, blocked = {0, 1, 2, 3, 50};
  std::vector<Question> questions;
  for (const int32_t user : users) questions.push_back({user, {}});
  TopKBuffers wanted(3, 12);
  recommender.recommend(questions, {.top = {.k = 12, .block = {.sorted = blocked}}},
                        wanted.result());
  mgqe_questions who = MGQE_QUESTIONS_INIT;
  who.count = 3;
  who.users = users.data();
  mgqe_top_k_options options = MGQE_TOP_K_OPTIONS_INIT;
  options.k = 12;
  options.block = {blocked.data(), 5, nullptr, 0};
  TopKBuffers got(3, 12);
  const mgqe_result result = {got.rows.data(), got.scores.data(), got.counts.data()};
  ASSERT_EQ(mgqe_recommend(model_, &who, &options, &result), MGQE_OK) << mgqe_last_error();
  EXPECT_EQ(got.rows, wanted.rows);
  EXPECT_EQ(got.scores, wanted.scores);
  EXPECT_EQ(got.counts, wanted.counts);

  std::vector<float> vectors(3 * 16), scores(kServedItems);
  ASSERT_EQ(mgqe_vectors(model_, &who, vectors.data()), MGQE_OK);
  ASSERT_EQ(mgqe_prepare(model_, 2), MGQE_OK);
  TopKBuffers again(3, 12);
  const mgqe_result rows_alone = {again.rows.data(), nullptr, nullptr};
  ASSERT_EQ(mgqe_top_k(model_, "item", vectors.data(), 3, &options, &rows_alone), MGQE_OK);
  EXPECT_EQ(again.rows, wanted.rows);
  ASSERT_EQ(mgqe_scores(model_, "item", vectors.data(), nullptr, kServedItems, scores.data()),
            MGQE_OK);
  const int64_t some[] = {wanted.rows[0], 5};
  float two[2];
  ASSERT_EQ(mgqe_scores(model_, "item", vectors.data(), some, 2, two), MGQE_OK);
  EXPECT_EQ(two[0], wanted.scores[0]);
  EXPECT_EQ(two[1], scores[5]);

  const int32_t item = 4;
  TopKBuffers alike(1, 12), alike_wanted(1, 12);
  recommender.similar({&item, 1}, Likeness::kCosine, {.k = 12}, alike_wanted.result());
  options.block = {};
  const mgqe_result like = {alike.rows.data(), alike.scores.data(), alike.counts.data()};
  ASSERT_EQ(mgqe_similar(model_, &item, 1, MGQE_BY_COSINE, &options, &like), MGQE_OK);
  EXPECT_EQ(alike.rows, alike_wanted.rows);

  const int64_t rows[] = {1, 699};
  std::vector<float> looked(2 * 20, 7.0f), decoded(2 * 16);
  ASSERT_EQ(mgqe_look_up(model_, "item", rows, 2, MGQE_F32, looked.data(), 20, 1), MGQE_OK);
  recommender.reader("item").look_up(rows, decoded.data(), 16);
  for (int c = 0; c < 20; ++c) EXPECT_EQ(looked[20 + c], c < 16 ? decoded[16 + c] : 7.0f);
}

TEST_F(CApi, TakesStructsOfOtherVersions) {
  // Of a program that is older: its struct ends after k.
  struct Older {
    size_t size;
    int64_t k;
  } older = {sizeof(Older), 3};
  const int32_t user = 1;
  mgqe_questions who = MGQE_QUESTIONS_INIT;
  who.count = 1;
  who.users = &user;
  int32_t rows[4] = {-7, -7, -7, -7};
  const mgqe_result result = {rows, nullptr, nullptr};
  ASSERT_EQ(mgqe_recommend(model_, &who, reinterpret_cast<mgqe_top_k_options*>(&older), &result),
            MGQE_OK);
  EXPECT_NE(rows[2], -7);
  EXPECT_EQ(rows[3], -7);
  // Of a newer one: more members than this library knows.
  struct Newer {
    mgqe_table_info known;
    int64_t more;
  } newer = {MGQE_TABLE_INFO_INIT, 5};
  newer.known.size = sizeof newer;
  ASSERT_EQ(mgqe_table(model_, "item", &newer.known), MGQE_OK);
  EXPECT_EQ(newer.known.rows, kServedItems);
  EXPECT_EQ(newer.known.size, sizeof newer);
  EXPECT_EQ(newer.more, 5);
  mgqe_table_info none = {};
  EXPECT_FAILS(MGQE_INVALID_ARGUMENT, mgqe_table(model_, "item", &none), "its size is 0");
}

TEST_F(CApi, RefusesWhatCannotBeAndWritesNothing) {
  mgqe_questions who = MGQE_QUESTIONS_INIT;
  const int32_t user = kServedUsers;
  who.count = 1;
  who.users = &user;
  int32_t rows[10];
  std::fill_n(rows, 10, -7);
  const mgqe_result result = {rows, nullptr, nullptr};
  EXPECT_FAILS(MGQE_INVALID_ARGUMENT, mgqe_recommend(model_, &who, nullptr, &result),
               "user row 40: the model has rows 0 to 39");
  mgqe_top_k_options options = MGQE_TOP_K_OPTIONS_INIT;
  const int32_t fine = 1;
  who.users = &fine;
  for (const int64_t k : {int64_t{0}, int64_t{-1}, int64_t{10'001}, int64_t{1} << 60}) {
    options.k = k;
    EXPECT_FAILS(MGQE_INVALID_ARGUMENT, mgqe_recommend(model_, &who, &options, &result), "k is ");
  }
  options = MGQE_TOP_K_OPTIONS_INIT;
  options.block = {&user, -1, nullptr, 0};
  EXPECT_FAILS(MGQE_INVALID_ARGUMENT, mgqe_recommend(model_, &who, &options, &result),
               "less than no");
  const int32_t beyond = kServedItems;
  options.block = {&beyond, 1, nullptr, 0};
  EXPECT_FAILS(MGQE_INVALID_ARGUMENT, mgqe_recommend(model_, &who, &options, &result), "row 700");
  for (const int32_t row : rows) EXPECT_EQ(row, -7);
  EXPECT_FAILS(MGQE_INVALID_ARGUMENT, mgqe_recommend(nullptr, &who, nullptr, &result),
               "model is NULL");
  EXPECT_FAILS(MGQE_INVALID_ARGUMENT, mgqe_recommend(model_, nullptr, nullptr, &result),
               "questions is NULL");
  EXPECT_FAILS(MGQE_INVALID_ARGUMENT, mgqe_recommend(model_, &who, nullptr, nullptr),
               "result is NULL");
  who.users = nullptr;
  EXPECT_FAILS(MGQE_INVALID_ARGUMENT, mgqe_recommend(model_, &who, nullptr, &result),
               "neither users");
  const int64_t row = kServedItems;
  float out[16] = {7.0f};
  EXPECT_FAILS(MGQE_INVALID_ARGUMENT, mgqe_look_up(model_, "item", &row, 1, MGQE_F32, out, 16, 1),
               "row 700");
  EXPECT_FAILS(MGQE_INVALID_ARGUMENT, mgqe_look_up(model_, "item", &row, 1, MGQE_F32, out, 15, 1),
               "stride is 15");
  EXPECT_FAILS(MGQE_INVALID_ARGUMENT, mgqe_look_up(model_, "item", &row, 1, MGQE_I64, out, 16, 1),
               "MGQE_F32, MGQE_F16 or MGQE_BF16");
  EXPECT_EQ(out[0], 7.0f);
}

TEST_F(CApi, NamesThePointerThatIsNull) {
  const int64_t row = 0;
  const float query[16] = {};
  float out[16];
  int32_t place = 0;
  int64_t id = 0;
  size_t length = 0;
  char text[1];
  mgqe_model* opened = nullptr;
  mgqe_table_info info = MGQE_TABLE_INFO_INIT;
  mgqe_array_info array = MGQE_ARRAY_INFO_INIT;
  const mgqe_result nowhere = {nullptr, nullptr, nullptr}, result = {&place, nullptr, nullptr};
  const auto wrong = MGQE_INVALID_ARGUMENT;
  EXPECT_FAILS(MGQE_BAD_FILE, mgqe_open(nullptr, nullptr, &opened), "path is NULL");
  EXPECT_FAILS(MGQE_BAD_FILE, mgqe_open("file", nullptr, nullptr), "model is NULL");
  EXPECT_FAILS(MGQE_BAD_FILE, mgqe_verify(nullptr), "model is NULL");
  EXPECT_FAILS(wrong, mgqe_prepare(nullptr, 1), "model is NULL");
  EXPECT_FAILS(wrong, mgqe_table_at(nullptr, 0, &info), "model is NULL");
  EXPECT_FAILS(wrong, mgqe_table(model_, nullptr, &info), "the table's name is NULL");
  EXPECT_FAILS(wrong, mgqe_table(model_, "item", nullptr), "info is NULL");
  EXPECT_FAILS(wrong, mgqe_array(model_, nullptr, &array), "the array's name is NULL");
  EXPECT_FAILS(wrong, mgqe_array(model_, "item.codebook", nullptr), "info is NULL");
  EXPECT_FAILS(wrong, mgqe_rows_of(model_, nullptr, &row, 1, &place), "the entity's name is NULL");
  EXPECT_FAILS(wrong, mgqe_rows_of(model_, "item", nullptr, 1, &place), "ids is NULL");
  EXPECT_FAILS(wrong, mgqe_rows_of(model_, "item", &row, 1, nullptr), "rows is NULL");
  EXPECT_FAILS(wrong, mgqe_row_of_text(model_, "user", nullptr, 1, &place), "id is NULL");
  EXPECT_FAILS(wrong, mgqe_row_of_text(model_, "user", "u1", 2, nullptr), "row is NULL");
  EXPECT_FAILS(wrong, mgqe_ids_of(model_, "item", nullptr, 1, &id), "rows is NULL");
  EXPECT_FAILS(wrong, mgqe_ids_of(model_, "item", &place, 1, nullptr), "ids is NULL");
  EXPECT_FAILS(wrong, mgqe_text_of(model_, "user", 0, text, 1, nullptr), "length is NULL");
  EXPECT_FAILS(wrong, mgqe_text_of(model_, "user", 0, nullptr, 1, &length), "out is NULL");
  EXPECT_FAILS(wrong, mgqe_look_up(model_, "item", nullptr, 1, MGQE_F32, out, 16, 1),
               "rows is NULL");
  EXPECT_FAILS(wrong, mgqe_look_up(model_, "item", &row, 1, MGQE_F32, nullptr, 16, 1),
               "out is NULL");
  EXPECT_FAILS(wrong, mgqe_top_k(model_, "item", nullptr, 1, nullptr, &result), "queries is NULL");
  EXPECT_FAILS(wrong, mgqe_top_k(model_, "item", query, 1, nullptr, &nowhere),
               "result->rows is NULL");
  EXPECT_FAILS(wrong, mgqe_scores(model_, "item", nullptr, &row, 1, out), "query is NULL");
  EXPECT_FAILS(wrong, mgqe_scores(model_, "item", query, &row, 1, nullptr), "scores is NULL");
  EXPECT_FAILS(wrong, mgqe_similar(model_, nullptr, 1, MGQE_BY_DOT, nullptr, &result),
               "items is NULL");
  mgqe_questions who = MGQE_QUESTIONS_INIT;
  EXPECT_EQ(mgqe_vectors(model_, &who, nullptr), MGQE_OK);  // of no question
  who.count = 1;
  who.users = &place;
  EXPECT_FAILS(wrong, mgqe_vectors(model_, &who, nullptr), "out is NULL");
  const int64_t offsets[] = {0, 1};
  who.offsets = offsets;
  EXPECT_FAILS(wrong, mgqe_vectors(model_, &who, out), "questions->history is NULL");
  // What asks for a value alone has one for what is none.
  EXPECT_EQ(mgqe_metadata(nullptr, "task"), nullptr);
  EXPECT_EQ(mgqe_metadata(model_, nullptr), nullptr);
  EXPECT_EQ(mgqe_max_length(nullptr), 0);
  EXPECT_EQ(mgqe_table_count(nullptr), 0);
  EXPECT_EQ(mgqe_integer_ids(nullptr, "item"), -1);
}

TEST_F(CApi, RefusesNumbersThatCannotBe) {
  const auto wrong = MGQE_INVALID_ARGUMENT;
  const int64_t row = 0;
  const int32_t user = 0;
  const float query[16] = {};
  float out[16];
  int32_t place = -7;
  int64_t id = 0;
  const mgqe_result result = {&place, nullptr, nullptr};
  EXPECT_FAILS(wrong, mgqe_prepare(model_, 0), "threads is 0");
  EXPECT_FAILS(wrong, mgqe_look_up(model_, "item", &row, 1, MGQE_F32, out, 16, 0), "threads is 0");
  EXPECT_FAILS(wrong, mgqe_look_up(model_, "item", &row, -1, MGQE_F32, out, 16, 1), "count is -1");
  EXPECT_FAILS(wrong, mgqe_rows_of(model_, "item", &row, -1, &place), "count is -1");
  EXPECT_FAILS(wrong, mgqe_ids_of(model_, "item", &user, -1, &id), "count is -1");
  EXPECT_FAILS(wrong, mgqe_scores(model_, "item", query, &row, -1, out), "count is -1");
  EXPECT_FAILS(wrong, mgqe_scores(model_, "item", query, nullptr, kServedItems + 1, out),
               "scores of 701 rows of table item, which has 700");
  EXPECT_FAILS(wrong, mgqe_top_k(model_, "item", query, -1, nullptr, &result), "count is -1");
  EXPECT_FAILS(wrong, mgqe_similar(model_, &user, -1, MGQE_BY_DOT, nullptr, &result),
               "count is -1");
  mgqe_top_k_options options = MGQE_TOP_K_OPTIONS_INIT;
  options.k = 1;
  EXPECT_FAILS(wrong,
               mgqe_similar(model_, &user, 1, static_cast<mgqe_likeness>(9), &options, &result),
               "likeness 9 is unknown");
  EXPECT_FAILS(wrong, mgqe_similar(model_, &user, 1, MGQE_BY_MODEL, &options, &result),
               "ask by cosine or dot");
  mgqe_questions who = MGQE_QUESTIONS_INIT;
  who.count = -1;
  who.users = &user;
  EXPECT_FAILS(wrong, mgqe_recommend(model_, &who, &options, &result), "questions->count is -1");
  who.count = 1;
  const int64_t descending[] = {1, 0};
  who.offsets = descending;
  EXPECT_FAILS(wrong, mgqe_recommend(model_, &who, &options, &result),
               "offsets of histories do not ascend at question 0");
  who.offsets = nullptr;
  options.threads = 0;
  EXPECT_FAILS(wrong, mgqe_recommend(model_, &who, &options, &result), "threads is 0");
  options.threads = 1;
  options.shortlist = -1;
  EXPECT_FAILS(wrong, mgqe_recommend(model_, &who, &options, &result), "shortlist is -1");
  options.shortlist = 0;
  options.allow = {nullptr, 3, nullptr, 0};
  EXPECT_FAILS(wrong, mgqe_recommend(model_, &who, &options, &result),
               "a row filter of 3 rows is NULL");
  EXPECT_EQ(place, -7);
  options.allow = {&user, 0, nullptr, 0};  // lets nothing in
  int64_t count = 7;
  const mgqe_result counted = {&place, nullptr, &count};
  ASSERT_EQ(mgqe_recommend(model_, &who, &options, &counted), MGQE_OK) << mgqe_last_error();
  EXPECT_EQ(count, 0);
}

TEST_F(CApi, BlocksByQuestionAndByBitmap) {
  const int32_t users[] = {1, 1};
  mgqe_questions who = MGQE_QUESTIONS_INIT;
  who.count = 2;
  who.users = users;
  mgqe_top_k_options options = MGQE_TOP_K_OPTIONS_INIT;
  options.k = 2;
  int32_t free_rows[4], rows[4];
  const mgqe_result free_result = {free_rows, nullptr, nullptr}, result = {rows, nullptr, nullptr};
  ASSERT_EQ(mgqe_recommend(model_, &who, &options, &free_result), MGQE_OK) << mgqe_last_error();
  const mgqe_row_filter each[] = {{free_rows, 1, nullptr, 0}, {nullptr, 0, nullptr, 0}};
  options.block_each = each;
  ASSERT_EQ(mgqe_recommend(model_, &who, &options, &result), MGQE_OK) << mgqe_last_error();
  EXPECT_EQ(rows[0], free_rows[1]) << "its best one is blocked";
  EXPECT_EQ(rows[2], free_rows[0]);
  options.block_each = nullptr;
  std::vector<uint8_t> bits((kServedItems + 7) / 8);
  bits[static_cast<size_t>(free_rows[0]) / 8] = static_cast<uint8_t>(1 << free_rows[0] % 8);
  options.block = {nullptr, 0, bits.data(), static_cast<int64_t>(bits.size())};
  ASSERT_EQ(mgqe_recommend(model_, &who, &options, &result), MGQE_OK) << mgqe_last_error();
  EXPECT_EQ(rows[0], free_rows[1]);
  EXPECT_EQ(rows[2], free_rows[1]);
}

TEST_F(CApi, GivesRowsAsHalvesAndTables) {
  const int64_t row = 3;
  float full[16];
  uint16_t halves[16], bfloats[16];
  ASSERT_EQ(mgqe_look_up(model_, "item", &row, 1, MGQE_F32, full, 16, 1), MGQE_OK);
  ASSERT_EQ(mgqe_look_up(model_, "item", &row, 1, MGQE_F16, halves, 16, 1), MGQE_OK);
  ASSERT_EQ(mgqe_look_up(model_, "item", &row, 1, MGQE_BF16, bfloats, 16, 1), MGQE_OK);
  for (int c = 0; c < 16; ++c) {
    EXPECT_EQ(halves[c], to_half(full[c]).bits);
    EXPECT_EQ(bfloats[c], to_bfloat16(full[c]).bits);
  }
  mgqe_table_info info = MGQE_TABLE_INFO_INIT;
  ASSERT_EQ(mgqe_table_at(model_, 1, &info), MGQE_OK);
  EXPECT_STREQ(info.name, "user");
  EXPECT_EQ(info.rows, kServedUsers);
  EXPECT_FAILS(MGQE_NOT_FOUND, mgqe_table_at(model_, -1, &info), "no table number -1 of 2");
  mgqe_array_info array = MGQE_ARRAY_INFO_INIT;
  ASSERT_EQ(mgqe_array(model_, "item.codes.0", &array), MGQE_OK);
  EXPECT_EQ(array.dtype, MGQE_U8);
  EXPECT_EQ(array.rank, 2);
}

TEST_F(CApi, FindsItemsLikeOthersPastWhatABitmapBlocks) {
  const int32_t item = 4;
  mgqe_top_k_options options = MGQE_TOP_K_OPTIONS_INIT;
  options.k = 2;
  int32_t free_rows[2], rows[2];
  const mgqe_result free_result = {free_rows, nullptr, nullptr}, result = {rows, nullptr, nullptr};
  for (const mgqe_likeness by : {MGQE_BY_DOT, MGQE_BY_COSINE}) {
    options.block = {};
    ASSERT_EQ(mgqe_similar(model_, &item, 1, by, &options, &free_result), MGQE_OK);
    std::vector<uint8_t> bits((kServedItems + 7) / 8);
    bits[static_cast<size_t>(free_rows[0]) / 8] = static_cast<uint8_t>(1 << free_rows[0] % 8);
    options.block = {nullptr, 0, bits.data(), static_cast<int64_t>(bits.size())};
    ASSERT_EQ(mgqe_similar(model_, &item, 1, by, &options, &result), MGQE_OK);
    EXPECT_EQ(rows[0], free_rows[1]);
    EXPECT_NE(rows[1], item);
  }
}

TEST(CApiFiles, SaysTheTypesOfArrays) {
  const ScratchFolder folder;
  Config config = testing::served_config("sasrec", "mgqe");
  config.embedding.codebook_type = CodebookType::kF16;
  const auto type_of = [&](DType dense, const char* name) {
    PackedModel packed = testing::served_model(config);
    narrow_dense(packed.dense, dense);
    testing::write_served(folder / "a", config, packed);
    mgqe_model* model = nullptr;
    EXPECT_EQ(mgqe_open((folder / "a").c_str(), nullptr, &model), MGQE_OK) << mgqe_last_error();
    mgqe_array_info array = MGQE_ARRAY_INFO_INIT;
    EXPECT_EQ(mgqe_array(model, name, &array), MGQE_OK) << mgqe_last_error();
    mgqe_close(model);
    return array.dtype;
  };
  EXPECT_EQ(type_of(DType::kF32, "block.0.query.weights"), MGQE_F32);
  EXPECT_EQ(type_of(DType::kBf16, "block.0.query.weights"), MGQE_BF16);
  EXPECT_EQ(type_of(DType::kI8, "block.0.query.weights"), MGQE_I8);
  EXPECT_EQ(type_of(DType::kF32, "sasrec.heads"), MGQE_I32);
  EXPECT_EQ(type_of(DType::kF32, "item.codebook"), MGQE_F16);
}

TEST(CApiFiles, AnswersByHistories) {
  const ScratchFolder folder;
  const Config config = testing::served_config("sasrec", "mgqe");
  testing::write_served(folder / "a", config, testing::served_model(config));
  mgqe_model* model = nullptr;
  mgqe_open_options how = MGQE_OPEN_OPTIONS_INIT;
  how.read = how.prepare = how.verify = 1;
  ASSERT_EQ(mgqe_open((folder / "a").c_str(), &how, &model), MGQE_OK) << mgqe_last_error();
  EXPECT_EQ(mgqe_max_length(model), testing::kServedLength);
  const int32_t history[] = {5, 6, 7};
  const int64_t offsets[] = {0, 2, 3};
  mgqe_questions who = MGQE_QUESTIONS_INIT;
  who.count = 2;
  who.history = history;
  who.offsets = offsets;
  mgqe_top_k_options options = MGQE_TOP_K_OPTIONS_INIT;
  options.k = 3;
  TopKBuffers got(2, 3), wanted(2, 3);
  const mgqe_result result = {got.rows.data(), got.scores.data(), got.counts.data()};
  ASSERT_EQ(mgqe_recommend(model, &who, &options, &result), MGQE_OK) << mgqe_last_error();
  const std::vector<Question> questions = {{-1, {history, 2}}, {-1, {history + 2, 1}}};
  Recommender(ArtifactView::open(folder / "a"))
      .recommend(questions, {.top = {.k = 3}}, wanted.result());
  EXPECT_EQ(got.rows, wanted.rows);
  EXPECT_EQ(got.scores, wanted.scores);
  const int64_t none[] = {0, 0, 3};
  who.offsets = none;
  EXPECT_FAILS(MGQE_INVALID_ARGUMENT, mgqe_recommend(model, &who, &options, &result),
               "question 0 has no history");
  who.offsets = offsets;
  const int32_t strange[] = {5, static_cast<int32_t>(kServedItems), 7};
  who.history = strange;
  EXPECT_FAILS(MGQE_INVALID_ARGUMENT, mgqe_recommend(model, &who, &options, &result),
               "item row 700 in its history");
  mgqe_close(model);
}

TEST(CApiFiles, RefusesWhatIsNoArtifact) {
  const ScratchFolder folder;
  mgqe_model* model = nullptr;
  EXPECT_FAILS(MGQE_BAD_FILE, mgqe_open((folder / "none").c_str(), nullptr, &model), "none");
  testing::write_text(folder / "text", "not a model");
  EXPECT_FAILS(MGQE_BAD_FILE, mgqe_open((folder / "text").c_str(), nullptr, &model), "text");
  EXPECT_EQ(model, nullptr);
  mgqe_close(nullptr);
  // What happened in another thread is that thread's.
  std::string other;
  std::thread([&] { other = mgqe_last_error(); }).join();
  EXPECT_EQ(other, "");
}

TEST(CApiFiles, SaysWhatIsWrongInOneLineWhateverTheFileCallsItsArrays) {
  const ScratchFolder folder;
  const std::string header =
      R"({"a\n\u001b[2Jb\u007f":{"dtype":"U8","shape":[3],"data_offsets":[0,0]}})";
  std::string file(8, '\0');
  file[0] = static_cast<char>(header.size());
  testing::write_text(folder / "a", file + header);
  mgqe_model* model = nullptr;
  EXPECT_FAILS(MGQE_BAD_FILE, mgqe_open((folder / "a").c_str(), nullptr, &model),
               R"(tensor "a??[2Jb?" has 0 bytes)");
}

TEST(CApiFiles, VerifiesWhenAsked) {
  const ScratchFolder folder;
  const Config config = testing::served_config("gmf", "mgqe");
  testing::write_served(folder / "a", config, testing::served_model(config));
  std::string bytes = testing::read_text(folder / "a");
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  testing::write_text(folder / "a", bytes);
  mgqe_model* model = nullptr;
  ASSERT_EQ(mgqe_open((folder / "a").c_str(), nullptr, &model), MGQE_OK);
  EXPECT_FAILS(MGQE_BAD_FILE, mgqe_verify(model), "checksum");
  mgqe_close(model);
  mgqe_open_options options = MGQE_OPEN_OPTIONS_INIT;
  options.verify = 1;
  EXPECT_FAILS(MGQE_BAD_FILE, mgqe_open((folder / "a").c_str(), &options, &model), "checksum");
}

}  // namespace
}  // namespace mgqe
