// Configurations that are out of range, or that the task, the data or a budget has no part for.
#include "tests/support/config_testing.hpp"

namespace mgqe {
namespace {

TEST(Config, RefusesTrainingAndDataOutOfRange) {
  expect_refused({
      {[](Config& c) { c.train.batch = (int64_t{1} << 30) + 1; }, {"--batch 1073741825", "2^30"}},
      {[](Config& c) { c.train.beta1 = 1; }, {"--beta1 1", "[0, 1)"}},
      {[](Config& c) { c.run.evaluate_users = -1; }, {"--evaluate-users -1", "0 (all) or more"}},
      {[](Config& c) { c.data.synthetic_users = 0; }, {"--synthetic-users", "1 or more"}},
      {[](Config& c) { c.data.synthetic_items = 15; }, {"--synthetic-items 15", "16 to 100000000"}},
      {[](Config& c) { c.data.synthetic_actions = 2; }, {"--synthetic-actions 2", "3 or more"}},
      {[](Config& c) { c.data.synthetic_table_rows = 299; },
       {"--synthetic-table-rows 299", "300 to 2000000000"}},
      {[](Config& c) { c.data.synthetic_examples = 9; },
       {"--synthetic-examples 9", "10 to 10000000000"}},
      {[](Config& c) { c.embedding.full_rows = -1; }, {"--full-rows -1", "0 (no field) or more"}},
      {[](Config& c) { c.embedding.bag_length = 4097; }, {"--bag-length 4097", "1 to 4096"}},
  });
}

TEST(Config, RefusesBudgetsThatNothingPlans) {
  expect_refused({
      {[](Config& c) {
         c.embedding.budget = "10%";
         c.embedding.variant = Variant::kPrivateK;
       },
       {"--budget plans tiers of one codebook", "--variant private_k"}},
      {[](Config& c) {
         c.embedding.budget = "10%";
         c.embedding.budget_warmup = 0;
       },
       {"--budget-warmup 0", "1 or more"}},
  });
}

TEST(Config, RefusesFieldsAndTablesThatATaskDoesNotHave) {
  constexpr TaskKind kRanking = TaskKind::kRanking, kCtr = TaskKind::kCtr;
  expect_refused({
      {[](Config& c) { c.embedding.item.centroids = {64}; },
       {"--item-centroids", "--task ctr has no items"},
       "dcn",
       kCtr},
      {[](Config& c) { c.embedding.codebook_scope = CodebookScope::kField; },
       {"--codebook field", "fields of --task ctr"},
       "gmf",
       kRanking},
      {[](Config& c) { c.embedding.field_sizes = "user:scheme=full"; },
       {"--field-sizes", "--task ctr"},
       "gmf",
       kRanking},
      {[](Config& c) {
         c.embedding.field_sizes = "user:scheme=low_rank,rank=4";
         c.train.row_type = RowType::kBf16;
         c.train.optimizer = Optimizer::kSgd;
       },
       {"--row-type bf16", "field user of low_rank", "full, dpq_vq or mgqe"},
       "dcn",
       kCtr},
      {[](Config& c) {
         c.embedding.field_sizes = "user:scheme=full";
         c.embedding.budget = "10%";
       },
       {"--field-sizes and --budget exclude each other"},
       "dcn",
       kCtr},
      {[](Config& c) { c.embedding.scheme = "multiplexed"; },
       {"--embedding multiplexed", "--task ctr and --codebook shared", "--embedding hashed"},
       "gmf",
       kRanking},
  });
}

}  // namespace
}  // namespace mgqe
