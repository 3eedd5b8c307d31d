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

}  // namespace

Actions read_sasrec_text(const Bytes& file) {
  Actions actions;
  TextReader reader(file, BlankLines::kSkipped);
  for (std::string_view line; reader.next(line);) {
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
