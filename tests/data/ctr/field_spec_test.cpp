#include "host/data/ctr/field_spec.hpp"

#include <nlohmann/json.hpp>

#include "tests/support/ctr_testing.hpp"

namespace mgqe {
namespace {

TEST(FieldSpec, OptionsOfEveryKind) {
  EXPECT_EQ(categorical("user:min=10").min_count, 10);
  EXPECT_EQ(categorical("user:hash=1000").hash_rows, 1000);
  EXPECT_EQ(bag("genres:sep=|:min=2").separator, '|');
  EXPECT_EQ(bag("genres:sep=|:min=2").min_count, 2);
  EXPECT_EQ(bag("genres:sep=:").separator, ':');
  EXPECT_EQ(bag("genres:sep=::min=3").min_count, 3);
  EXPECT_EQ(bag("words:sep=space").separator, ' ');
  EXPECT_EQ(quantile("age:buckets=8").buckets, 8);
  EXPECT_FALSE(dense("price").log);
  EXPECT_TRUE(dense("price:log").log);
  EXPECT_EQ(dense("price:shift=4").shift, 4.0);
  EXPECT_TRUE(dense("price:log").standard);
  EXPECT_FALSE(dense("price:raw").standard);
  EXPECT_TRUE(dense("price:shift=4").log);
  EXPECT_FALSE(label("clicked").threshold);
  EXPECT_EQ(label("rating>3.5").threshold, 3.5);
  EXPECT_EQ(label("rating>3.5").name, "rating");
}

TEST(FieldSpec, RefusalsNameTheFlag) {
  EXPECT_NE(refusal([] { dense("price:min=3"); }).find("--dense: a dense field has no option"),
            std::string::npos);
  EXPECT_EQ(refusal([] { categorical("user:min=x"); }),
            "--categorical user:min: \"x\" is not a number of 1 to 2000000000");
  EXPECT_EQ(refusal([] { bag("genres:sep=ab"); }),
            "--bag: sep=ab is not one character, or the word space");
  EXPECT_EQ(refusal([] { categorical(""); }), "--categorical: \"\" names no field: expected NAME");
  EXPECT_NE(refusal([] { label("rating>x"); }).find("\"x\" is not a number"), std::string::npos);
}

const std::vector<NamedColumn> kColumns = {
    {"y", {}}, {"a", {}}, {"b", FieldKind::kBag}, {"x1", {}}, {"x2", FieldKind::kDense}};

TEST(FieldSpec, ColumnsGetWhatTheyAreGivenElseTheirTypeElseCategorical) {
  const auto fields =
      resolve_fields(kColumns, {label("y"), dense("x*"), quantile("x2")}, {.min_count = 5}, "f");
  ASSERT_EQ(fields.size(), 5u);
  EXPECT_EQ(fields[0].kind, FieldKind::kLabel);
  EXPECT_EQ(fields[1].kind, FieldKind::kCategorical);
  EXPECT_EQ(fields[1].min_count, 5);
  EXPECT_EQ(fields[2].kind, FieldKind::kBag);
  EXPECT_EQ(fields[3].kind, FieldKind::kDense);
  EXPECT_EQ(fields[3].name, "x1");
  EXPECT_EQ(fields[4].kind, FieldKind::kQuantileBuckets) << "a name goes before a pattern";
  const auto named =
      resolve_fields(kColumns, {label("y"), categorical("a")}, {.ignore_unnamed = true}, "f");
  EXPECT_EQ(named[2].kind, FieldKind::kIgnored);
}

TEST(FieldSpec, WhatDoesNotFitTheColumnsIsRefused) {
  const auto resolve = [](const std::vector<FieldSpec>& given) {
    return refusal([&] { resolve_fields(kColumns, given, {}, "train.csv:1"); });
  };
  EXPECT_EQ(resolve({label("y"), dense("z")}),
            "train.csv:1: there is no field z: the columns are y, a, b, x1, x2");
  EXPECT_EQ(resolve({label("y"), dense("a"), bag("a")}),
            "train.csv:1: field a is said to be dense and bag: name it once");
  EXPECT_EQ(resolve({dense("a")}),
            "train.csv:1: no column is the label: name it by --label; the columns are y, a, b, x1, "
            "x2");
  EXPECT_EQ(resolve({label("y"), label("a")}), "train.csv:1: 2 columns are labels: name one");
  EXPECT_EQ(resolve({label("y"), dense("a"), ignored("b"), dense("x*")}),
            "train.csv:1: no column is categorical, a bag or buckets: nothing would be embedded");
  EXPECT_EQ(refusal([] {
              resolve_fields({{"a", {}}, {"a", {}}}, {}, {}, "f");
            }),
            "f: two columns are named a: names must differ");
}

TEST(FieldSpec, JsonGivesItBack) {
  for (FieldSpec spec : {categorical("a:min=3"), categorical("a:hash=7"), bag("a:sep=|:min=1"),
                         quantile("a:buckets=5"), dense("a:shift=-2"), dense("a:raw"), label("a>3"),
                         log_buckets("a")}) {
    if (spec.min_count == FieldSpec::kUnset) spec.min_count = 1;
    if (spec.hash_rows == FieldSpec::kUnset) spec.hash_rows = 0;
    if (spec.hashed()) spec.min_count = 1;
    EXPECT_EQ(field_spec_from_json(to_json(spec)), spec) << to_json(spec).dump();
  }
}

TEST(FieldSpec, TypesOfRecBole) {
  EXPECT_EQ(parse_column("user_id:token").name, "user_id");
  EXPECT_EQ(parse_column("user_id:token").kind, FieldKind::kCategorical);
  EXPECT_EQ(parse_column("rating:float").kind, FieldKind::kDense);
  EXPECT_EQ(parse_column("class:token_seq").kind, FieldKind::kBag);
  EXPECT_EQ(parse_column("vector:float_seq").kind, FieldKind::kIgnored);
  EXPECT_EQ(parse_column("a:b").name, "a:b");
  EXPECT_FALSE(parse_column("a:b").kind);
}

}  // namespace
}  // namespace mgqe
