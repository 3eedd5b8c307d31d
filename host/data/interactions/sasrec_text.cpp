#include <string_view>

#include "host/data/interactions/actions.hpp"
#include "host/data/interactions/id_table.hpp"
#include "host/data/text/fields.hpp"
#include "host/data/text/text_reader.hpp"

namespace mgqe {

namespace {

/// Cuts the first word off `line`; empty when there is none.
std::string_view take_word(std::string_view& line) {
  size_t begin = 0;
  while (begin < line.size() && (line[begin] == ' ' || line[begin] == '\t')) ++begin;
  size_t end = begin;
  while (end < line.size() && line[end] != ' ' && line[end] != '\t') ++end;
  const std::string_view word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

/// Takes an id's digits off the front, at most as many as kMaxId has.
bool take_id(const char*& at, const char* end, int32_t& id) {
  constexpr int kDigits = 10;
  int64_t value = 0;
  const char* const first = at;
  for (; at != end && *at >= '0' && *at <= '9' && at - first < kDigits; ++at)
    value = 10 * value + (*at - '0');
  id = static_cast<int32_t>(value);
  return value >= 1 && value <= kMaxId;
}

/// "user item", and nothing else: what nearly every line is. Others are looked at with care.
bool take_pair(std::string_view line, int32_t& user, int32_t& item) {
  const char *at = line.data(), *const end = at + line.size();
  if (!take_id(at, end, user) || at == end || *at++ != ' ') return false;
  return take_id(at, end, item) && at == end;
}

}  // namespace

Actions read_sasrec_text(const Bytes& file) {
  Actions actions;
  TextReader reader(file, BlankLines::kSkipped);
  for (std::string_view line; reader.next(line);) {
    if (int32_t user = 0, item = 0; take_pair(line, user, item)) {
      actions.users.push_back(user);
      actions.items.push_back(item);
      continue;
    }
    actions.users.push_back(parse_id(reader, take_word(line), "user"));
    actions.items.push_back(parse_id(reader, take_word(line), "item"));
    if (const std::string_view rest = take_word(line); !rest.empty())
      reader.fail(
          "unexpected ", quoted(rest),
          " behind the item: expected \"user item\" alone. Of \"user item item ...\" make a "
          "line for each item; \"user item rating timestamp\" is read with commas or tabs "
          "between, or a header; \"item item score\" is for --task relevance");
  }
  actions.user_ids.integers = compact_ids(actions.users);
  actions.item_ids.integers = compact_ids(actions.items);
  actions.reading.format = "\"user item\" lines";
  return actions;
}

}  // namespace mgqe
