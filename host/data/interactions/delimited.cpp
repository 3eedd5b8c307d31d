#include <algorithm>
#include <cctype>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "host/data/interactions/actions.hpp"
#include "host/data/interactions/id_table.hpp"
#include "host/data/text/fields.hpp"
#include "host/data/text/text_reader.hpp"

namespace mgqe {

namespace {

constexpr const char* kLayout = "user item [rating] [timestamp]";

bool is_one_of(std::string_view field, std::initializer_list<std::string_view> names) {
  std::string plain;
  for (const char c : field)
    if (c != '_' && c != ' ' && c != '-')
      plain += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::find(names.begin(), names.end(), plain) != names.end();
}

bool names_users(std::string_view field) {
  return is_one_of(field, {"user", "userid", "uid", "users"});
}
bool names_items(std::string_view field) {
  return is_one_of(field, {"item", "itemid", "iid", "items", "movie", "movieid"});
}
bool names_times(std::string_view field) {
  return is_one_of(field, {"timestamp", "time", "date", "datetime", "ts"});
}

class DelimitedParser {
 public:
  DelimitedParser(const Bytes& file, char separator) : reader_(file), separator_(separator) {}

  Actions parse() {
    std::string_view line;
    if (!reader_.next(line)) return {};
    split(line);
    columns_ = fields_.size();
    const std::vector<std::string> first(fields_.begin(), fields_.end());
    // Over two string columns only names tell a header from data; other files show by their later
    // lines that a column holds integers, so the first line keeps its place until they are read.
    const bool may_be_header = std::none_of(fields_.begin(), fields_.end(), is_number);
    const bool is_header = may_be_header && (columns_ > 2 || names_columns());
    if (is_header) check_header();
    if (!may_be_header) add_action();
    const bool undecided = may_be_header && !is_header;
    if (undecided) hold_place();
    while (reader_.next(line)) {
      split(line);
      add_action();
    }
    if (undecided) decide_first(first);
    actions_.user_ids = users_.finish(actions_.users);
    actions_.item_ids = items_.finish(actions_.items);
    return std::move(actions_);
  }

 private:
  void split(std::string_view line) {
    fields_.clear();
    while (true) {
      const size_t cut = line.find(separator_);
      fields_.push_back(line.substr(0, cut));
      if (cut == std::string_view::npos) break;
      line.remove_prefix(cut + 1);
    }
    if (fields_.size() < 2 || fields_.size() > 4)
      fail_layout("the line has " + std::to_string(fields_.size()) + " fields");
    if (columns_ != 0 && fields_.size() != columns_)
      fail_layout("the line has " + std::to_string(fields_.size()) + " fields, the first line " +
                  std::to_string(columns_));
    for (size_t i = 0; i < 2; ++i)
      if (fields_[i].empty())
        reader_.fail("the ", i == 0 ? "user" : "item",
                     " is empty: expected an integer or a string in every line");
    for (const std::string_view field : fields_)
      if (field.starts_with('"'))
        reader_.fail("field ", quoted(field.substr(1)),
                     " begins with a quote: quoted fields are not supported; remove the quotes");
  }

  [[noreturn]] void fail_layout(const std::string& problem) const {
    reader_.fail(problem, ": expected ", kLayout, " separated by ",
                 separator_ == '\t' ? "tabs" : "commas");
  }

  bool names_columns() const {
    return (names_users(fields_[0]) && names_items(fields_[1])) ||
           (names_items(fields_[0]) && names_users(fields_[1]));
  }

  void check_header() const {
    if (names_items(fields_[0]) && names_users(fields_[1]))
      reader_.fail("the item stands before the user: expected ", kLayout, " in this order");
    if (columns_ == 3 && names_times(fields_[2]))
      reader_.fail("the timestamp is the third column: expected ", kLayout,
                   "; add a rating column before it");
  }

  void add_action() {
    actions_.users.push_back(users_.number(reader_, fields_[0]));
    actions_.items.push_back(items_.number(reader_, fields_[1]));
    if (columns_ > 2 && !is_number(fields_[2]))
      reader_.fail("rating ", quoted(fields_[2]),
                   " is not a number: expected one such as 5 or 3.5");
    if (columns_ > 3) actions_.times.push_back(parse_integer(reader_, fields_[3], "timestamp"));
  }

  void hold_place() {
    actions_.users.push_back(0);
    actions_.items.push_back(0);
  }

  /// Two columns without numbers: a header when a column below it holds integers alone.
  void decide_first(const std::vector<std::string>& first) {
    const bool has_more = actions_.users.size() > 1;
    if (has_more && (users_.all_integers() || items_.all_integers())) {
      actions_.users.erase(actions_.users.begin());
      actions_.items.erase(actions_.items.begin());
    } else {
      actions_.users[0] = users_.number(reader_, first[0]);
      actions_.items[0] = items_.number(reader_, first[1]);
    }
  }

  TextReader reader_;
  char separator_;
  size_t columns_ = 0;
  std::vector<std::string_view> fields_;  // of the current line
  KeyTable users_{"user"}, items_{"item"};
  Actions actions_;
};

}  // namespace

Actions read_delimited(const Bytes& file, char separator) {
  return DelimitedParser(file, separator).parse();
}

}  // namespace mgqe
