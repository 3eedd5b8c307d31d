#include "experiments/serving/served_model.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

#include "host/config/choices.hpp"
#include "host/engine/backend.hpp"

namespace mgqe {

using nlohmann::ordered_json;

const IdMap& ServedModel::item_ids() const {
  return artifact().ids(entity_of(recommender_.item_table()));
}

const IdMap* ServedModel::user_ids() const {
  for (const std::string& entity : artifact().entities())
    if (entity == "user") return &artifact().ids(entity);
  return histories_ ? histories_->user_ids() : nullptr;
}

void ServedModel::search_on(const std::string& device) {
  const RowReader& items = recommender_.reader(recommender_.item_table());
  if (!items.table().form().has_codes()) {
    if (runs_on_gpu(device) && !device.starts_with("auto"))
      input_error("--device ", device, " searches codes, which a ", items.table().form().scheme,
                  " table has none of: use --device cpu");
    return;
  }
  if (std::unique_ptr<CodedTopK> search = make_coded_top_k(device, items.tiers()))
    recommender_.search_on(std::move(search));
}

int64_t ServedModel::users() const {
  if (!recommender_.recommends()) return 0;
  if (!reads_histories()) return recommender_.users();
  return histories_ ? histories_->users() : 0;
}

// ---- ids ----------------------------------------------------------------------------------------

Missing parse_missing(const std::string& name) {
  if (name == "error") return Missing::kError;
  if (name == "skip") return Missing::kSkip;
  input_error("missing ", name, " is unknown: choose error or skip");
}

std::optional<int32_t> Rows::row(std::string_view id, const IdMap* ids, int64_t rows,
                                 const char* what) {
  int64_t row = -1;
  const bool number = by_row_ || ids == nullptr;
  if (number) {
    const char* const end = id.data() + id.size();
    const auto [stopped, error] = std::from_chars(id.data(), end, row);
    if (error != std::errc{} || stopped != end || row < 0 || row >= rows) row = -1;
  } else {
    row = ids->row_of(id);
  }
  if (row >= 0) return static_cast<int32_t>(row);
  if (missing_ == Missing::kError) {
    const std::string shown = to_utf8(id.substr(0, 64));
    if (number)
      throw NotFound(detail::concat("no ", what, " row ", shown, ": rows are 0 to ", rows - 1));
    throw NotFound(detail::concat("no ", what, " ", shown, " among the model's ", rows));
  }
  ++skipped_;
  return std::nullopt;
}

std::optional<int32_t> Rows::user(std::string_view id) {
  const int64_t users = model_.users();
  if (users == 0 && model_.reads_histories())
    input_error("the model reads histories and knows no users: give a history, or serve it with a ",
                "file of `mgqe histories`");
  return row(id, model_.user_ids(), users, "user");
}

std::optional<int32_t> Rows::item(std::string_view id) {
  return row(id, &model_.item_ids(), model_.recommender().items(), "item");
}

std::vector<int32_t> Rows::items(const std::vector<std::string>& ids) {
  std::vector<int32_t> rows;
  for (const std::string& id : ids)
    if (const std::optional<int32_t> row = item(id)) rows.push_back(*row);
  return rows;
}

ordered_json id_json(const IdMap* ids, int64_t row) {
  if (ids == nullptr) return row;
  if (ids->kind() == IdKind::kText) return std::string(ids->view_of(row));
  return ids->integer_of(row);
}

std::string id_text(const IdMap* ids, int64_t row) {
  return ids == nullptr ? std::to_string(row) : ids->text_of(row);
}

// ---- recommendations ----------------------------------------------------------------------------

Asker ask_for_user(const ServedModel& model, int32_t user) {
  Asker asker;
  asker.user = user;
  if (!model.reads_histories()) return asker;
  if (model.histories() == nullptr)
    input_error("the model reads histories: give one, or a file of `mgqe histories`");
  const std::span<const int32_t> items = model.histories()->of(user);
  asker.history.assign(items.begin(), items.end());
  return asker;
}

Asker ask_for_history(const ServedModel& model, std::vector<int32_t> history) {
  if (!model.reads_histories()) {
    model.recommender().reads();  // throws where it recommends nothing at all
    input_error("a ", model.artifact().backbone(),
                " model knows its users and reads no history: give a user");
  }
  if (history.empty()) input_error("the history is empty");
  return {-1, std::move(history)};
}

std::vector<int32_t> distinct(std::vector<int32_t> rows) {
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return rows;
}

namespace {

/// What the asker had, as far as is known.
std::vector<int32_t> seen_by(const ServedModel& model, const Asker& asker) {
  if (asker.user < 0 || model.reads_histories()) return distinct(asker.history);
  if (model.histories() == nullptr)
    input_error("what users have seen is not known here: give a file of `mgqe histories`");
  const std::span<const int32_t> items = model.histories()->of(asker.user);
  return distinct({items.begin(), items.end()});
}

/// Null where there is no list: an empty one lets nothing in.
RowFilter filter_of(const std::vector<int32_t>& rows) {
  static constexpr int32_t kNone[1] = {};
  RowFilter filter;
  filter.sorted = rows.empty() ? std::span<const int32_t>(kNone, 0) : rows;
  return filter;
}

}  // namespace

TopKBuffers recommend(const ServedModel& model, std::span<const Asker> askers,
                      const Wishes& wishes) {
  const Recommender& recommender = model.recommender();
  if (wishes.shortlist > 0 && recommender.dot_product())
    input_error("a shortlist is for models whose scores are no dot products: a ",
                model.artifact().backbone(), " model is ranked exactly from its codes");
  if (wishes.k < 1 || wishes.k > kMaxTopK)
    input_error("k is ", wishes.k, ": 1 to ", kMaxTopK, " belong");
  RecommendOptions options;
  options.top.k = wishes.k;
  options.top.threads = wishes.threads;
  options.shortlist = wishes.shortlist;
  if (wishes.allow) options.top.allow = filter_of(*wishes.allow);
  if (!wishes.block.empty()) options.top.block = filter_of(wishes.block);
  std::vector<Question> questions;
  std::vector<std::vector<int32_t>> seen;
  for (const Asker& asker : askers) {
    questions.push_back(asker.question());
    if (wishes.leave_out_seen) seen.push_back(seen_by(model, asker));
  }
  std::vector<RowFilter> filters;
  for (const auto& rows : seen) filters.push_back(filter_of(rows));
  options.top.block_each = filters;
  TopKBuffers result(static_cast<int64_t>(askers.size()), wishes.k);
  recommender.recommend(questions, options, result.result());
  return result;
}

namespace {

ordered_json item_json(const ServedModel& model, int32_t row, bool by_row) {
  ordered_json item = {{"item", id_json(by_row ? nullptr : &model.item_ids(), row)}};
  if (model.titles().given()) item["title"] = std::string(model.titles().of(row));
  return item;
}

}  // namespace

ordered_json ranked_json(const ServedModel& model, const TopKBuffers& result, int64_t m,
                         bool by_row) {
  ordered_json items = ordered_json::array();
  for (int64_t i = m * result.k; i < m * result.k + result.counts[static_cast<size_t>(m)]; ++i) {
    const auto place = static_cast<size_t>(i);
    ordered_json item = item_json(model, result.rows[place], by_row);
    item["score"] = number_json(result.scores[place]);
    items.push_back(std::move(item));
  }
  return items;
}

ordered_json items_json(const ServedModel& model, std::span<const int32_t> rows, bool by_row) {
  ordered_json items = ordered_json::array();
  for (const int32_t row : rows) items.push_back(item_json(model, row, by_row));
  return items;
}

// ---- items like others --------------------------------------------------------------------------

Likeness default_likeness(const ServedModel& model) {
  return model.artifact().task() == name_of(TaskKind::kRelevance) ? Likeness::kModel
                                                                  : Likeness::kCosine;
}

Likeness parse_likeness(const std::string& name) {
  for (const Likeness by : {Likeness::kModel, Likeness::kCosine, Likeness::kDot})
    if (name == likeness_name(by)) return by;
  input_error("by ", name, " is unknown: choose cosine, dot or model");
}

const char* likeness_name(Likeness by) {
  switch (by) {
    case Likeness::kModel:
      return "model";
    case Likeness::kCosine:
      return "cosine";
    case Likeness::kDot:
      return "dot";
  }
  return "";
}

double number_json(float value) {
  if (!std::isfinite(value)) return value;
  char digits[32];
  const auto [end, error] = std::to_chars(digits, std::end(digits), value);
  double shortest = value;
  if (error == std::errc{}) std::from_chars(digits, end, shortest);
  return shortest;
}

std::string to_text(const ordered_json& json, int indent) {
  return json.dump(indent, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace mgqe
