#include "experiments/cli/describe.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>

#include <fmt/format.h>

#include "host/config/choices.hpp"
#include "host/data/ctr/ctr_cache.hpp"
#include "host/data/interactions/split.hpp"
#include "host/data/relevance/relevance.hpp"
#include "host/train/metrics.hpp"

namespace mgqe {

namespace {

constexpr const char* kExamples = R"(examples:
  mgqe describe interactions.csv
  mgqe describe ml-1m
  mgqe describe --task relevance pairs.tsv

Columns are found by the names of a header (user_id, product_id, timestamp ...), else they are
user, item, rating, timestamp in this order, the last two where there are any)";

double percent(int64_t part, int64_t whole) {
  return 100.0 * static_cast<double>(part) / static_cast<double>(std::max<int64_t>(whole, 1));
}

/// "1 to 90 actions each, 12 at the median"
std::string spread(std::vector<int64_t> counts) {
  std::sort(counts.begin(), counts.end());
  return fmt::format("{} to {} actions each, {} at the median", counts.front(), counts.back(),
                     counts[counts.size() / 2]);
}

constexpr size_t kShown = 4;

/// Actions in the order of the file, by the ids it gives.
std::string actions_between(const Actions& actions, size_t begin, size_t end) {
  std::string text;
  for (size_t i = begin; i < end; ++i)
    text += fmt::format("{}{} {}", i == begin ? "" : ", ", actions.user_ids.name(actions.users[i]),
                        actions.item_ids.name(actions.items[i]));
  return text;
}

/// Before the split, which may refuse the data, so that it is seen as what.
void print_read(const Actions& actions) {
  if (actions.reading.format.empty()) return;
  if (!actions.reading.columns.empty())
    fmt::print("columns {}\n", describe_columns(actions.reading));
  const size_t count = actions.users.size();
  fmt::print("first   {}\n", actions_between(actions, 0, std::min(kShown, count)));
  if (count > kShown)
    fmt::print("last    {}\n", actions_between(actions, std::max(kShown, count - kShown), count));
  std::fflush(stdout);
}

}  // namespace

std::string describe_dataset(const Dataset& data) {
  std::vector<int64_t> of_user(data.users), of_item(data.items);
  for (const int32_t item : data.sequence_items) ++of_item[item];
  int64_t tested = 0, held_out = 0, head_tests = 0, once = 0, head_actions = 0;
  const auto head = static_cast<int64_t>(std::ceil(kHeadFraction * data.items - 1e-6));
  for (int64_t user = 0; user < data.users; ++user) {
    of_user[user] = data.sequence_offsets[user + 1] - data.sequence_offsets[user];
    for (const int32_t item : {data.valid_item[user], data.test_item[user]}) {
      if (item < 0) continue;
      ++of_user[user], ++of_item[item], ++held_out;
    }
    tested += data.test_item[user] >= 0;
    head_tests += data.test_item[user] >= 0 && data.test_item[user] < head;
  }
  for (int64_t item = 0; item < data.items; ++item) {
    once += of_item[item] <= 1;
    if (item < head) head_actions += of_item[item];
  }
  std::string text = fmt::format("users   {}; {} with too few to hold one out\n", spread(of_user),
                                 data.short_users);
  text += fmt::format("items   {}; {} with one or none\n", spread(of_item), once);
  const auto share = [&](const char* name, const char* what, int64_t items, int64_t actions,
                         int64_t tests) {
    text +=
        fmt::format("{}    {} of {} items{}: {:.1f}% of the actions, {} of {} test items\n", name,
                    items, data.items, what, percent(actions, data.actions), tests, tested);
  };
  share("head", ", the most popular tenth", head, head_actions, head_tests);
  share("tail", "", data.items - head, data.actions - head_actions, tested - head_tests);
  text += fmt::format("split   {} actions to train on; the last of {} users for test{}\n",
                      data.actions - held_out, tested,
                      data.has_validation ? ", the one before it for validation" : "");
  return text;
}

DescribeCommand::DescribeCommand(CLI::App& app)
    : command_(app.add_subcommand("describe", "how a data file is understood, and what is in it")) {
  command_->footer(kExamples);
  command_->add_option("data", file_, "the path of a file, or ml-1m, ncf, video, synthetic, steam")
      ->required();
  command_
      ->add_option("--task", task_, "ranking (interactions) or relevance (`item item score` lines)")
      ->capture_default_str();
}

void DescribeCommand::run() const {
  if (is_ctr_cache(file_))
    input_error(file_, " is a cache of rows with many fields: `mgqe inspect ", file_,
                "` shows what is in it");
  const auto task = choice<TaskKind>(task_, "--task");
  if (task == TaskKind::kCtr)
    input_error(
        "describe --task ctr: `mgqe prepare` reads such files and says what is in them, and "
        "`mgqe inspect` shows the cache it wrote");
  if (task == TaskKind::kRelevance)
    describe_relevance();
  else
    describe_interactions();
}

void DescribeCommand::describe_interactions() const {
  const std::unique_ptr<Backend> backend = make_backend("cpu");
  DataConfig config;
  config.name = file_;
  const Dataset dataset = load_dataset(config, *backend, print_read);
  fmt::print("data    {}: {} users, {} items, {} actions\n", file_, dataset.users, dataset.items,
             dataset.actions);
  if (const std::string reading = describe(dataset.reading); !reading.empty())
    fmt::print("read    {}\n", reading);
  fmt::print("{}", describe_dataset(dataset));
}

void DescribeCommand::describe_relevance() const {
  const std::unique_ptr<Backend> backend = make_backend("cpu");
  DataConfig config;
  config.name = file_;
  const RelevanceDataset dataset = load_relevance(config, *backend);
  fmt::print("data    {}: {} items, {} scored pairs\n", file_, dataset.items,
             dataset.train.size() + dataset.valid.size() + dataset.test.size());
  if (!dataset.reading.empty()) fmt::print("read    {}\n", dataset.reading);
  const auto [low, high] =
      std::minmax_element(dataset.train.score.begin(), dataset.train.score.end());
  fmt::print("scores  {:g} to {:g}, {:.4g} in the mean\n", *low, *high, dataset.mean_score);
  fmt::print("split   {} pairs to train on, {} for validation, {} for test\n", dataset.train.size(),
             dataset.valid.size(), dataset.test.size());
}

}  // namespace mgqe
