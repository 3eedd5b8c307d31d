#include "host/data/interactions/columns.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>
#include <string_view>

#include "host/base/check.hpp"
#include "host/data/text/fields.hpp"
#include "host/data/text/times.hpp"

namespace mgqe {

namespace {

using Names = std::span<const char* const>;

// What data sets call their columns, the likeliest first; plurals and suffixes aside.
constexpr std::array kUsers = {"user",   "reviewer", "customer", "visitor",  "member", "account",
                               "viewer", "reader",   "listener", "player",   "buyer",  "client",
                               "person", "profile",  "session",  "consumer", "author"};
constexpr std::array kItems = {"item",   "movie", "product",  "book",     "article",    "track",
                               "song",   "asin",  "isbn",     "game",     "app",        "video",
                               "artist", "news",  "business", "anime",    "recipe",     "course",
                               "poi",    "place", "venue",    "sku",      "listing",    "hotel",
                               "show",   "page",  "content",  "location", "parentasin", "title"};
constexpr std::array kRatings = {"rating", "score",     "star",  "overall",
                                 "weight", "playcount", "plays", "bookrating"};
constexpr std::array kTimes = {
    "timestamp", "time",       "datetime",       "date",       "ts",      "unixtime",  "eventtime",
    "createdat", "createdutc", "unixreviewtime", "reviewtime", "ratedat", "ratingtime"};
constexpr std::array<std::string_view, 9> kSuffixes = {"id",  "ids",    "idx",  "index", "key",
                                                       "num", "number", "code", "name"};

/// "User-ID" and "user_id:token" (with a type, as RecBole's files have it) are "userid".
std::string plain_name(std::string_view field) {
  std::string plain;
  for (const char c : field.substr(0, field.find(':')))
    if (c != '_' && c != ' ' && c != '-' && c != '.')
      plain += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return plain;
}

constexpr int kUnknown = -1;

struct Match {
  int rank = kUnknown;   // the lower the likelier
  bool is_sure = false;  // as data hardly reads
};

Match match(std::string_view field, Names names) {
  std::string plain = plain_name(field);
  if (plain == "uid" || plain == "iid") plain = plain == "uid" ? "userid" : "itemid";
  const auto rank_of = [&](const std::string& name) {
    const auto found = std::find(names.begin(), names.end(), name);
    return found == names.end() ? kUnknown : 2 * static_cast<int>(found - names.begin());
  };
  if (const int rank = rank_of(plain); rank != kUnknown) return {rank, rank == 0};
  for (const std::string_view suffix : kSuffixes) {
    if (!plain.ends_with(suffix)) continue;
    const int rank = rank_of(plain.substr(0, plain.size() - suffix.size()));
    // Of a name and an id of the same thing, the id is meant.
    if (rank != kUnknown) return {rank + (suffix == "name" ? 1 : 0), true};
  }
  if (!plain.ends_with('s')) return {};
  plain.pop_back();
  const int rank = rank_of(plain);
  return {rank, rank == 0};
}

/// The column with the likeliest of the names, the first of equals; -1 where none has one.
int find_column(const std::vector<std::string>& header, Names names, bool* is_sure = nullptr) {
  int column = -1;
  Match best;
  for (size_t c = 0; c < header.size(); ++c) {
    const Match found = match(header[c], names);
    if (found.rank == kUnknown || (column >= 0 && found.rank >= best.rank)) continue;
    column = static_cast<int>(c);
    best = found;
  }
  if (is_sure != nullptr) *is_sure = best.is_sure;
  return column;
}

/// Columns that no role has yet, in order.
class FreeColumns {
 public:
  FreeColumns(size_t count, const Columns& columns) {
    for (int c = 0; c < static_cast<int>(count); ++c)
      if (c != columns.user && c != columns.item && c != columns.rating && c != columns.time)
        free_.push_back(c);
  }
  size_t size() const { return free_.size() - next_; }
  void give(int& column) {
    if (column < 0 && next_ < free_.size()) column = free_[next_++];
  }

 private:
  std::vector<int> free_;
  size_t next_ = 0;
};

/// Times are seconds since 1970 or finer; ratings and counts stay below the first that is taken for
/// one, in the spring of 1973.
bool holds_time(std::string_view field) {
  constexpr double kFirstTime = 1e8;
  double value = 0.0;
  return is_date(field) || (to_number(field, value) && value >= kFirstTime);
}

}  // namespace

bool names_columns(const std::vector<std::string>& first_line) {
  bool user_sure = false, item_sure = false;
  const int user = find_column(first_line, kUsers, &user_sure);
  const int item = find_column(first_line, kItems, &item_sure);
  return (user >= 0 && item >= 0) || user_sure || item_sure;
}

Columns columns_of_header(const std::vector<std::string>& header, const std::string& where) {
  Columns columns;
  columns.user = find_column(header, kUsers);
  columns.item = find_column(header, kItems);
  columns.rating = find_column(header, kRatings);
  columns.time = find_column(header, kTimes);
  FreeColumns free(header.size(), columns);
  const bool by_name = names_columns(header);
  if (!by_name) columns.user = columns.item = -1;
  const char* missing = columns.user < 0 ? "users" : "items";
  if (by_name && (columns.user < 0 || columns.item < 0) && free.size() != 1)
    input_error(where, ": the header does not say which column holds the ", missing,
                ": name one \"", columns.user < 0 ? "user" : "item", "\" in the first line");
  free.give(columns.user);
  free.give(columns.item);
  if (columns.item < 0)
    input_error(where, ": the header names no columns for both users and items: name them ",
                "\"user\" and \"item\" in the first line");
  if (by_name) return columns;
  free.give(columns.rating);
  free.give(columns.time);
  if (free.size() > 0)
    input_error(where, ": the header names neither a user nor an item column, and there are ",
                header.size(), " columns: name them \"user\" and \"item\" in the first line");
  return columns;
}

Columns columns_of_data(const std::vector<std::string>& line) {
  Columns columns = {.user = 0, .item = 1};
  const bool has_third = line.size() > 2, has_fourth = line.size() > 3;
  if (has_third) columns.rating = 2;
  if (has_fourth) columns.time = 3;
  if (has_third && holds_time(line[2]) && !(has_fourth && holds_time(line[3]))) {
    columns.time = 2;
    columns.rating = has_fourth ? 3 : -1;
  }
  return columns;
}

}  // namespace mgqe
