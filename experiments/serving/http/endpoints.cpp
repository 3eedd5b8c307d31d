#include "experiments/serving/http/endpoints.hpp"

#include <algorithm>
#include <chrono>

#include "experiments/serving/http/http_error.hpp"

namespace mgqe {
namespace {

constexpr int64_t kExampleUsers = 24;

/// `model`: "served", or "full" where one was given to compare with.
const ServedModel& model_of(const Context& context, const RequestValues& values) {
  const std::string name = values.text("model", "served");
  if (name == "served") return *context.models.served;
  if (name != "full") throw HttpError(400, "model: served or full belongs");
  if (context.models.full == nullptr)
    throw HttpError(400, "model: no full table is served here (mgqe serve --full)");
  return *context.models.full;
}

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Who is asked about, in rows; users by `user` or `users`, or one history.
std::vector<Asker> askers_of(const ServedModel& model, const RequestValues& values, Rows& rows,
                             const HttpLimits& limits) {
  const int given = values.has("user") + values.has("users") + values.has("history");
  if (given != 1) throw HttpError(400, "give one of user, users and history");
  model.recommender().reads();  // throws where it recommends nothing at all
  std::vector<Asker> askers;
  if (values.has("history")) {
    askers.push_back(ask_for_history(model, rows.items(values.ids("history", limits.history))));
    return askers;
  }
  const std::vector<std::string> ids =
      values.has("user") ? std::vector{values.id("user")} : values.ids("users", limits.users);
  for (const std::string& id : ids)
    if (const std::optional<int32_t> user = rows.user(id))
      askers.push_back(ask_for_user(model, *user));
  return askers;
}

Wishes wishes_of(const Context& context, const RequestValues& values, Rows& rows) {
  const HttpLimits& limits = context.limits;
  Wishes wishes;
  wishes.k = values.integer("k", std::min<int64_t>(10, limits.k), 1, limits.k);
  wishes.threads = context.threads;
  wishes.shortlist = values.integer("shortlist", 0, 0, kMaxTopK);
  const std::string exclude = values.text("exclude", "none");
  if (exclude != "none" && exclude != "seen")
    throw HttpError(400, "exclude: seen or none belongs; lists of items are for block");
  wishes.leave_out_seen = exclude == "seen";
  wishes.block = distinct(rows.items(values.ids("block", limits.list)));
  if (values.has("allow")) wishes.allow = distinct(rows.items(values.ids("allow", limits.list)));
  return wishes;
}

Missing missing_of(const RequestValues& values) {
  return parse_missing(values.text("missing", "error"));
}

}  // namespace

Answer recommend_endpoint(const Context& context, const RequestValues& values) {
  values.allow_only({"user", "users", "history", "k", "exclude", "allow", "block", "shortlist",
                     "missing", "by_row", "model"});
  const ServedModel& model = model_of(context, values);
  const bool by_row = values.flag("by_row");
  Rows rows(model, by_row, missing_of(values));
  const std::vector<Asker> askers = askers_of(model, values, rows, context.limits);
  const Wishes wishes = wishes_of(context, values, rows);
  const Stopwatch stopwatch;
  const TopKBuffers result = recommend(model, askers, wishes);
  Answer answer = {{"seconds", stopwatch.seconds()},
                   {"approximate", wishes.shortlist > 0},
                   {"skipped", rows.skipped()}};
  answer["results"] = Answer::array();
  const IdMap* const names = by_row ? nullptr : model.user_ids();
  for (size_t m = 0; m < askers.size(); ++m) {
    Answer one;
    if (askers[m].user >= 0) one["user"] = id_json(names, askers[m].user);
    one["items"] = ranked_json(model, result, static_cast<int64_t>(m), by_row);
    answer["results"].push_back(std::move(one));
  }
  return answer;
}

Answer similar_endpoint(const Context& context, const RequestValues& values) {
  values.allow_only({"item", "by", "k", "by_row", "model"});
  const ServedModel& model = model_of(context, values);
  const bool by_row = values.flag("by_row");
  const int32_t item = *Rows(model, by_row, Missing::kError).item(values.id("item"));
  const std::string name = values.text("by", "");
  const Likeness by = name.empty() ? default_likeness(model) : parse_likeness(name);
  TopKOptions options;
  options.k = values.integer("k", std::min<int64_t>(10, context.limits.k), 1, context.limits.k);
  options.threads = context.threads;
  TopKBuffers result(1, options.k);
  const Stopwatch stopwatch;
  model.recommender().similar({&item, 1}, by, options, result.result());
  return {{"seconds", stopwatch.seconds()},
          {"item", id_json(by_row ? nullptr : &model.item_ids(), item)},
          {"by", likeness_name(by)},
          {"items", ranked_json(model, result, 0, by_row)}};
}

Answer lookup_endpoint(const Context& context, const RequestValues& values) {
  values.allow_only({"table", "ids", "rows", "missing", "model"});
  const ServedModel& model = model_of(context, values);
  const std::string table = values.text("table", model.recommender().item_table());
  if (!model.artifact().has_table(table))
    throw NotFound(fmt::format("no table {}: the model has {}", to_utf8(table.substr(0, 64)),
                               fmt::join(model.artifact().table_names(), ", ")));
  if (values.has("ids") == values.has("rows")) throw HttpError(400, "give one of ids and rows");
  const RowReader& reader = model.recommender().reader(table);
  const IdMap* const names = values.has("ids") ? &model.artifact().ids(entity_of(table)) : nullptr;
  Rows resolve(model, names == nullptr, missing_of(values));
  // As many numbers as the widest answer of the other endpoints has.
  const int64_t most = std::max<int64_t>(1, context.limits.list / reader.dim());
  std::vector<int64_t> rows;
  for (const std::string& id : values.ids(names ? "ids" : "rows", most))
    if (const auto row = resolve.row(id, names, reader.rows(), table.c_str())) rows.push_back(*row);
  const auto dim = static_cast<size_t>(reader.dim());
  std::vector<float> numbers(rows.size() * dim);
  reader.look_up(std::span<const int64_t>(rows), numbers.data(), reader.dim(), context.threads);
  Answer answer = {{"table", table}, {"dim", dim}, {"skipped", resolve.skipped()}};
  answer["rows"] = Answer::array();
  for (size_t i = 0; i < rows.size(); ++i) {
    Answer row = Answer::array();
    for (size_t c = 0; c < dim; ++c) row.push_back(number_json(numbers[i * dim + c]));
    answer["rows"].push_back(
        {{names ? "id" : "row", id_json(names, rows[i])}, {"values", std::move(row)}});
  }
  return answer;
}

Answer history_endpoint(const Context& context, const RequestValues& values) {
  values.allow_only({"user", "k", "by_row"});
  const ServedModel& model = *context.models.served;
  if (model.histories() == nullptr)
    throw HttpError(400, "histories are not served here (mgqe serve --histories)");
  const bool by_row = values.flag("by_row");
  const int32_t user = *Rows(model, by_row, Missing::kError).user(values.id("user"));
  const std::span<const int32_t> items = model.histories()->of(user);
  const int64_t k =
      values.integer("k", std::min<int64_t>(10, context.limits.k), 1, context.limits.k);
  std::vector<int32_t> latest(items.rbegin(), items.rend());
  latest.resize(std::min(latest.size(), static_cast<size_t>(k)));
  return {{"user", id_json(by_row ? nullptr : model.user_ids(), user)},
          {"total", items.size()},
          {"items", items_json(model, latest, by_row)}};
}

namespace {

Answer describe(const ServedModel& model) {
  const ArtifactView& artifact = model.artifact();
  Answer tables;
  for (const std::string& name : artifact.table_names()) {
    const PackedTable& table = artifact.table(name).form();
    tables[name] = {{"scheme", table.scheme}, {"rows", table.rows}, {"dim", table.dim}};
  }
  return {{"backbone", artifact.backbone()},
          {"task", artifact.task()},
          {"tables", std::move(tables)},
          {"table_bytes", artifact.sizes().payload_bits / 8},
          {"file_bytes", artifact.sizes().file_bytes},
          {"percent_of_full", artifact.sizes().percent_of_full},
          {"version", artifact.version()},
          {"commit", artifact.commit()}};
}

}  // namespace

Answer health_endpoint(const Context& context, const RequestValues& values) {
  values.allow_only({});
  const ServedModel& model = *context.models.served;
  Answer answer = {{"status", "ok"}, {"served", describe(model)}};
  answer["full"] = context.models.full ? describe(*context.models.full) : Answer();
  answer["recommends"] = model.recommender().recommends();
  answer["reads"] = model.reads_histories() ? "history" : "user";
  answer["histories"] = model.histories() != nullptr;
  answer["titles"] = model.titles().size();
  answer["users"] = model.users();
  answer["max_k"] = context.limits.k;
  answer["examples"] = Answer::array();  // spread over all, as the first are the busiest
  const int64_t shown = std::min(kExampleUsers, model.users());
  for (int64_t i = 0; i < shown; ++i)
    answer["examples"].push_back(id_json(model.user_ids(), model.users() * i / shown));
  return answer;
}

}  // namespace mgqe
