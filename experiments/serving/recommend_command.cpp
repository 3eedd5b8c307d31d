#include "experiments/serving/recommend_command.hpp"

#include <algorithm>
#include <iostream>

#include "experiments/serving/shortlist_recall.hpp"
#include "host/io/console/logging.hpp"
#include "host/io/console/table.hpp"

namespace mgqe {
namespace {

constexpr size_t kUsersAtOnce = 256;  // scanned together; one reading of the codes serves many

constexpr const char* kExamples = R"(examples:
  mgqe recommend --artifact runs/mgqe/model.safetensors --user 42
  mgqe recommend --artifact runs/mgqe/model.safetensors --user 42 --k 20 --exclude seen \
                 --titles data/ml-1m/movies.dat
  mgqe recommend --artifact runs/sasrec/model.safetensors --history 1193,661,914
  mgqe recommend --artifact runs/mgqe/model.safetensors --users users.txt --exclude seen \
                 --histories runs/mgqe/histories.safetensors --json > lists.json
  mgqe recommend --artifact runs/neumf/model.safetensors --shortlist 200 --measure-recall

Ids are those of the data; with --by-row rows of the tables, 0 the most popular. Lists are exact, in
the order that `mgqe evaluate` ranks by: score descending, then row ascending. They are shorter than
--k where fewer items are left.

A neumf model scores every item, unless --shortlist N has it score the N that its GMF half ranks
first. --measure-recall compares both: the part of each exact list that the shortlist's has too.)";

}  // namespace

RecommendCommand::RecommendCommand(CLI::App& app)
    : command_(app.add_subcommand("recommend", "recommend items to users or for histories")),
      model_(*command_, ModelOptions::With::kHistories) {
  command_->footer(kExamples);
  command_->add_option("--user", user_, "one user or several")->type_name("ID ...");
  command_->add_option("--users", users_file_, "users, one a line")->type_name("FILE");
  command_->add_option("--history", history_, "items, oldest first, for models that read histories")
      ->delimiter(',')
      ->type_name("ID,ID,...");
  command_->add_option("--k", k_, "items to recommend")->capture_default_str();
  command_
      ->add_option("--exclude", exclude_,
                   "`seen`: what the user had before the test item; or a file of items, one a "
                   "line; may be repeated")
      ->type_name("seen|FILE")
      ->allow_extra_args(false);
  command_->add_option("--allow", allow_file_, "recommend only items of this file, one a line")
      ->type_name("FILE");
  command_->add_option("--shortlist", shortlist_,
                       "neumf: score so many candidates instead of all items; approximate");
  command_->add_flag("--measure-recall", measure_recall_,
                     "of --shortlist, against scoring everything, instead of lists; of all users "
                     "where none is named");
  command_->add_option("--missing", missing_, "an unknown id is an error, or left out: skip")
      ->type_name("error|skip")
      ->capture_default_str();
  command_->add_option("--threads", threads_, "threads; 0: all")->capture_default_str();
  add_device_option(*command_, device_);
  command_->add_flag("--by-row", by_row_, "ids are rows, here and in what is printed");
  command_->add_flag("--json", as_json_, "as JSON");
}

bool RecommendCommand::leave_out_seen() const {
  return std::find(exclude_.begin(), exclude_.end(), "seen") != exclude_.end();
}

void RecommendCommand::check_choices() const {
  const int given =
      (user_.empty() ? 0 : 1) + (users_file_.empty() ? 0 : 1) + (history_.empty() ? 0 : 1);
  if (given > 1 || (given == 0 && !measure_recall_))
    input_error("give one of --user, --users and --history, to say who is asked about");
  if (k_ < 1 || k_ > kMaxTopK) input_error("--k ", k_, " is out of range: 1 to ", kMaxTopK);
  if (shortlist_ < 0 || shortlist_ > kMaxTopK)
    input_error("--shortlist ", shortlist_, " is out of range: 1 to ", kMaxTopK);
}

RecommendCommand::Asked RecommendCommand::asked(const ServedModel& model, Rows& rows) const {
  Asked who;
  if (!history_.empty()) {
    who.askers.push_back(ask_for_history(model, rows.items(history_)));
    return who;
  }
  model.recommender().reads();                 // throws where it recommends nothing at all
  if (user_.empty() && users_file_.empty()) {  // --measure-recall alone
    for (int64_t user = 0; user < model.users(); ++user)
      who.askers.push_back(ask_for_user(model, static_cast<int32_t>(user)));
    return who;
  }
  for (const std::string& id : users_file_.empty() ? user_ : read_id_lines(users_file_))
    if (const std::optional<int32_t> user = rows.user(id)) {
      who.users.push_back(*user);
      who.askers.push_back(ask_for_user(model, *user));
    }
  return who;
}

Wishes RecommendCommand::wishes(Rows& rows) const {
  Wishes wishes;
  wishes.k = k_;
  wishes.threads = threads_of(threads_);
  wishes.shortlist = shortlist_;
  wishes.leave_out_seen = leave_out_seen();
  for (const std::string& file : exclude_)
    if (file != "seen")
      for (const int32_t row : rows.items(read_id_lines(file))) wishes.block.push_back(row);
  wishes.block = distinct(std::move(wishes.block));
  if (!allow_file_.empty()) wishes.allow = distinct(rows.items(read_id_lines(allow_file_)));
  return wishes;
}

void RecommendCommand::run() const {
  check_choices();
  const std::unique_ptr<ServedModel> model = model_.open();
  const Recommender& recommender = model->recommender();
  if (device_ != "cpu" && shortlist_ == 0 && recommender.recommends() && !recommender.dot_product())
    input_error(
        "--device ", device_, " searches by dot products: a ", model->artifact().backbone(),
        " model has all items scored by the CPU; with --shortlist its candidates are searched");
  model->search_on(device_);
  const bool by_stored_history = model->reads_histories() && history_.empty();
  const bool needs_histories = by_stored_history || (leave_out_seen() && history_.empty());
  if (needs_histories || model_.histories_given()) model_.add_histories(*model, Until::kTest);
  Rows rows(*model, by_row_, parse_missing(missing_));
  const Asked who = asked(*model, rows);
  const Wishes wanted = wishes(rows);
  if (rows.skipped() > 0) log().warn("{} unknown ids were left out", rows.skipped());
  if (measure_recall_) {
    const ShortlistRecall recall = measure_recall(*model, who.askers, wanted);
    if (as_json_)
      std::cout << to_text(to_json(recall)) << std::endl;
    else
      print(recall);
  } else if (as_json_) {
    print_json(*model, who, wanted);
  } else {
    print_table(*model, who, wanted);
  }
}

namespace {

/// Calls visit(m, result, place) for every asker, many at a time.
template <class Visit>
void for_each_result(const ServedModel& model, const std::vector<Asker>& askers,
                     const Wishes& wishes, const Visit& visit) {
  for (size_t first = 0; first < askers.size(); first += kUsersAtOnce) {
    const size_t count = std::min(kUsersAtOnce, askers.size() - first);
    const TopKBuffers result = recommend(model, std::span(askers).subspan(first, count), wishes);
    for (size_t m = 0; m < count; ++m) visit(first + m, result, static_cast<int64_t>(m));
  }
}

}  // namespace

/// A line of the list a user, so that what reads it need not hold all of them.
void RecommendCommand::print_json(const ServedModel& model, const Asked& who,
                                  const Wishes& wishes) const {
  const IdMap* const names = by_row_ ? nullptr : model.user_ids();
  std::cout << "{\"approximate\": " << (wishes.shortlist > 0 ? "true" : "false")
            << ", \"results\": [";
  for_each_result(model, who.askers, wishes,
                  [&](size_t place, const TopKBuffers& result, int64_t m) {
                    nlohmann::ordered_json line;
                    if (!who.users.empty()) line["user"] = id_json(names, who.users[place]);
                    line["items"] = ranked_json(model, result, m, by_row_);
                    std::cout << (place > 0 ? ",\n" : "\n") << to_text(line);
                  });
  std::cout << "\n]}" << std::endl;
}

void RecommendCommand::print_table(const ServedModel& model, const Asked& who,
                                   const Wishes& wishes) const {
  const IdMap* const users = by_row_ ? nullptr : model.user_ids();
  const IdMap* const items = by_row_ ? nullptr : &model.item_ids();
  const bool several = who.users.size() > 1, titled = model.titles().given();
  TableRow header = {"rank", "item", "score"};
  std::vector<Align> alignments(3, Align::kRight);
  if (several) header.insert(header.begin(), "user"), alignments.push_back(Align::kRight);
  if (titled) header.emplace_back("title"), alignments.push_back(Align::kLeft);
  std::vector<TableRow> lines;
  for_each_result(model, who.askers, wishes,
                  [&](size_t place, const TopKBuffers& result, int64_t m) {
                    for (int64_t i = 0; i < result.counts[static_cast<size_t>(m)]; ++i) {
                      const auto at = static_cast<size_t>(m * result.k + i);
                      TableRow line = {std::to_string(i + 1), id_text(items, result.rows[at]),
                                       fmt::format("{:.6g}", result.scores[at])};
                      if (several) line.insert(line.begin(), id_text(users, who.users[place]));
                      if (titled) line.emplace_back(model.titles().of(result.rows[at]));
                      lines.push_back(std::move(line));
                    }
                  });
  std::cout << format_table(header, lines, alignments);
  if (wishes.shortlist > 0)
    std::cout << "approximate: the best of " << std::max(wishes.shortlist, wishes.k)
              << " candidates\n";
  std::cout << std::flush;
}

}  // namespace mgqe
