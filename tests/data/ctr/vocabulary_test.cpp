#include "host/data/ctr/vocabulary.hpp"

#include <gtest/gtest.h>

namespace mgqe {
namespace {

ByteTable table_of(const std::vector<std::string>& texts) {
  ByteTable table;
  for (const std::string& text : texts) table.number(text);
  return table;
}

TEST(Vocabulary, OrderedByCountThenText) {
  const FieldVocabulary got = rank_texts(table_of({"c", "b", "a", "d"}), {5, 9, 5, 1}, 1);
  EXPECT_EQ(got.rows, 5);
  EXPECT_EQ(got.ids, (std::vector<int32_t>{2, 0, 1, 3}));
  EXPECT_EQ(got.oov, 4) << "training has no value without a row";
  EXPECT_EQ(got.counts, (std::vector<int64_t>{9, 5, 5, 1, 0}));
  EXPECT_EQ(got.id(2), 1);
  EXPECT_EQ(got.id(4), 4) << "never seen";
}

TEST(Vocabulary, RareValuesStandWhereTheirCountPutsThem) {
  // b 9; c, a and e 5; d, f and g 2 each are rare: 6 together.
  const FieldVocabulary got =
      rank_texts(table_of({"a", "b", "c", "d", "e", "f", "g"}), {5, 9, 5, 2, 5, 2, 2}, 3);
  EXPECT_EQ(got.rows, 5);
  EXPECT_EQ(got.oov, 1);
  EXPECT_EQ(got.counts, (std::vector<int64_t>{9, 6, 5, 5, 5}));
  EXPECT_EQ(got.ids, (std::vector<int32_t>{2, 0, 3, 1, 4, 1, 1}));
}

TEST(Vocabulary, AmongEqualCountsTheOovRowIsLast) {
  const FieldVocabulary got = rank_texts(table_of({"a", "b", "c", "d"}), {4, 2, 2, 6}, 3);
  EXPECT_EQ(got.counts, (std::vector<int64_t>{6, 4, 4}));
  EXPECT_EQ(got.oov, 2);
  EXPECT_EQ(got.ids, (std::vector<int32_t>{1, 2, 2, 0}));
}

TEST(Vocabulary, ValuesThatTrainingNeverHasAreOov) {
  const FieldVocabulary got = rank_texts(table_of({"a", "b"}), {0, 3}, 1);
  EXPECT_EQ(got.rows, 2);
  EXPECT_EQ(got.ids, (std::vector<int32_t>{1, 0}));
  EXPECT_EQ(got.oov, 1);
}

TEST(Vocabulary, CellsAllHaveARow) {
  const FieldVocabulary got = rank_cells({0, 7, 3, 7});
  EXPECT_EQ(got.rows, 4);
  EXPECT_EQ(got.oov, -1);
  EXPECT_EQ(got.ids, (std::vector<int32_t>{3, 0, 2, 1}));
  EXPECT_EQ(got.counts, (std::vector<int64_t>{7, 7, 3, 0}));
}

}  // namespace
}  // namespace mgqe
