#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "host/data/interactions/actions.hpp"
#include "host/data/interactions/columns.hpp"
#include "host/data/interactions/id_table.hpp"
#include "host/data/text/field_splitter.hpp"
#include "host/data/text/fields.hpp"
#include "host/data/text/text_reader.hpp"
#include "host/data/text/times.hpp"

namespace mgqe {

namespace {

constexpr const char* kLayout = "user item [rating] [timestamp]";

class DelimitedParser {
 public:
  DelimitedParser(const Bytes& file, char separator)
      : reader_(file, BlankLines::kSkipped), separator_(separator), splitter_(separator) {}

  Actions parse() {
    std::string_view line;
    if (!reader_.next(line)) return {};
    split(line);
    const std::vector<std::string> first(fields_.begin(), fields_.end());
    width_ = first.size();
    begin(line, first);
    while (reader_.next(line)) {
      if (line == header_) {
        ++actions_.reading.repeated_headers;
        continue;
      }
      split(line);
      add_action();
    }
    if (undecided_) decide_first(first);
    describe(first);
    actions_.times = times_.finish();
    actions_.user_ids = users_.finish(actions_.users);
    actions_.item_ids = items_.finish(actions_.items);
    return std::move(actions_);
  }

 private:
  /// Sees to the first line, and which column is what.
  void begin(std::string_view line, const std::vector<std::string>& first) {
    const bool has_number = std::any_of(first.begin(), first.end(), is_number);
    const bool has_missing = std::any_of(first.begin(), first.end(), is_missing_value);
    has_header_ = names_columns(first) || (width_ > 2 && !has_number);
    if (has_header_) {
      header_ = line;
      columns_ = columns_of_header(first, reader_.where());
      return;
    }
    if (width_ > 4) fail_layout("the line has " + std::to_string(width_) + " fields");
    columns_ = columns_of_data(first);
    // Over two string columns only names tell a header from data; other files show by their later
    // lines that a column holds integers, so the first line keeps its place until they are read.
    undecided_ = !has_number && !has_missing;
    if (undecided_)
      hold_place();
    else
      add_action();
  }

  void split(std::string_view line) {
    splitter_.split(reader_, line, fields_);
    const size_t expected = width_ == 0 ? std::max<size_t>(fields_.size(), 2) : width_;
    if (fields_.size() == expected) return;
    fail_layout("the line has " + std::to_string(fields_.size()) + " fields" +
                (width_ == 0 ? "" : ", the first line " + std::to_string(width_)));
  }

  [[noreturn]] void fail_layout(const std::string& problem) const {
    reader_.fail(problem, ": expected ", has_header_ ? "as many as the header" : kLayout,
                 " separated by ", separator_name(separator_));
  }

  int32_t number(KeyTable& ids, int column, const char* what) {
    const std::string_view field = fields_[static_cast<size_t>(column)];
    if (field.empty())
      reader_.fail("the ", what, " is empty: expected an integer or a string in every line");
    return ids.number(reader_, field);
  }

  void add_action() {
    actions_.users.push_back(number(users_, columns_.user, "user"));
    actions_.items.push_back(number(items_, columns_.item, "item"));
    if (columns_.rating >= 0) {
      const std::string_view rating = fields_[static_cast<size_t>(columns_.rating)];
      if (!is_number(rating))
        reader_.fail("rating ", quoted(rating), " is not a number: expected one such as 5 or 3.5");
    }
    if (columns_.time >= 0) times_.add(reader_, fields_[static_cast<size_t>(columns_.time)]);
  }

  void hold_place() {
    actions_.users.push_back(0);
    actions_.items.push_back(0);
  }

  /// Two columns without numbers: a header when a column below it holds integers alone.
  void decide_first(const std::vector<std::string>& first) {
    const bool has_more = actions_.users.size() > 1;
    has_header_ = has_more && (users_.all_integers() || items_.all_integers());
    if (has_header_) {
      actions_.users.erase(actions_.users.begin());
      actions_.items.erase(actions_.items.begin());
    } else {
      actions_.users[0] = users_.number(reader_, first[0]);
      actions_.items[0] = items_.number(reader_, first[1]);
    }
  }

  void describe(const std::vector<std::string>& first) {
    DataReading& reading = actions_.reading;
    reading.format = std::string("separated by ") + separator_name(separator_);
    reading.has_header = has_header_;
    reading.by_time = columns_.time >= 0;
    for (int c = 0; c < static_cast<int>(width_); ++c) {
      const char* role = c == columns_.user     ? "user"
                         : c == columns_.item   ? "item"
                         : c == columns_.rating ? "rating"
                         : c == columns_.time   ? "time"
                                                : "";
      reading.columns.push_back({c + 1, has_header_ ? first[static_cast<size_t>(c)] : "", role});
    }
  }

  TextReader reader_;
  char separator_;
  FieldSplitter splitter_;
  size_t width_ = 0;  // fields of a line; 0: before the first
  Columns columns_;
  bool has_header_ = false;
  bool undecided_ = false;  // whether the first line is one
  std::string header_;
  std::vector<std::string_view> fields_;  // of the current line
  KeyTable users_{"user"}, items_{"item"};
  TimeColumn times_;
  Actions actions_;
};

}  // namespace

Actions read_delimited(const Bytes& file, char separator) {
  return DelimitedParser(file, separator).parse();
}

}  // namespace mgqe
