// GroupLens's ratings.dat: user::item::rating::timestamp, users ascending, each user's lines in no
// useful order. The rating is checked and dropped: every rating is an action.
//
// Users and items under 5 actions go as in the SASRec authors' preprocessing: both are counted
// once, over the raw file, so what is left may hold a few with fewer.
//
// The order of equal timestamps matters: MovieLens users rated whole pages in one second, and
// another order of ties gives about a quarter of ML-1M's users another test item. Here ties keep
// the order of the file.
#include <array>
#include <string_view>

#include "host/data/interactions/actions.hpp"
#include "host/data/interactions/id_table.hpp"
#include "host/data/text/fields.hpp"
#include "host/data/text/text_reader.hpp"

namespace mgqe {

namespace {

constexpr int64_t kMinActions = 5;

std::array<std::string_view, 4> split_fields(const TextReader& reader, std::string_view line) {
  std::array<std::string_view, 4> fields;
  for (size_t i = 0; i < fields.size(); ++i) {
    const size_t cut = line.find("::");
    if ((cut == std::string_view::npos) != (i + 1 == fields.size()))
      reader.fail("expected four fields, \"user::item::rating::timestamp\"");
    fields[i] = line.substr(0, cut);
    if (cut != std::string_view::npos) line.remove_prefix(cut + 2);
  }
  return fields;
}

std::vector<int64_t> count(const std::vector<int32_t>& ids, size_t distinct) {
  std::vector<int64_t> counts(distinct);
  for (const int32_t id : ids) ++counts[id];
  return counts;
}

/// Closes the gaps that dropped ids left: `originals` keeps those that `column` still uses.
void recompact(std::vector<int32_t>& column, std::vector<int64_t>& originals) {
  std::vector<int64_t> kept = compact_ids(column);
  for (int64_t& id : kept) id = originals[id];
  originals = std::move(kept);
}

void drop_rare(Actions& actions) {
  const int64_t users = actions.user_ids.size(), items = actions.item_ids.size();
  const auto all = static_cast<int64_t>(actions.users.size());
  const auto user_counts = count(actions.users, actions.user_ids.integers.size());
  const auto item_counts = count(actions.items, actions.item_ids.integers.size());
  size_t kept = 0;
  for (size_t i = 0; i < actions.users.size(); ++i) {
    const int32_t user = actions.users[i], item = actions.items[i];
    if (user_counts[user] < kMinActions || item_counts[item] < kMinActions) continue;
    actions.users[kept] = user;
    actions.items[kept] = item;
    actions.times[kept] = actions.times[i];
    ++kept;
  }
  actions.users.resize(kept);
  actions.items.resize(kept);
  actions.times.resize(kept);
  recompact(actions.users, actions.user_ids.integers);
  recompact(actions.items, actions.item_ids.integers);
  actions.reading.rare_users = users - actions.user_ids.size();
  actions.reading.rare_items = items - actions.item_ids.size();
  actions.reading.rare_actions = all - static_cast<int64_t>(kept);
}

}  // namespace

Actions read_ratings_dat(const Bytes& file) {
  Actions actions;
  TextReader reader(file, BlankLines::kSkipped);
  for (std::string_view line; reader.next(line);) {
    const auto [user, item, rating, time] = split_fields(reader, line);
    actions.users.push_back(parse_id(reader, user, "user"));
    actions.items.push_back(parse_id(reader, item, "item"));
    if (!is_number(rating))
      reader.fail("rating ", quoted(rating), " is not a number: expected one such as 5 or 3.5");
    actions.times.push_back(parse_integer(reader, time, "timestamp"));
  }
  actions.user_ids.integers = compact_ids(actions.users);
  actions.item_ids.integers = compact_ids(actions.items);
  actions.reading.format = "\"user::item::rating::timestamp\" lines";
  actions.reading.by_time = true;
  const bool any = !actions.users.empty();
  drop_rare(actions);
  if (any && actions.users.empty())
    input_error(file.name(), ": nothing is left without users and items under ", kMinActions,
                " actions: give a larger file");
  return actions;
}

}  // namespace mgqe
