#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

#include "host/data/interactions/id_table.hpp"
#include "host/data/interactions/unique_pairs.hpp"
#include "host/data/relevance/relevance_source.hpp"
#include "host/data/text/field_splitter.hpp"
#include "host/data/text/fields.hpp"
#include "host/data/text/foreign_text.hpp"
#include "host/data/text/text_reader.hpp"

namespace mgqe {

namespace {

constexpr const char* kLayout = "expected \"item item score\"";

class RelevanceParser {
 public:
  explicit RelevanceParser(const Bytes& file) : name_(file.name()), reader_(file) {
    refuse_foreign_text(file);
  }

  RelevanceSource parse() {
    bool has_line = next();
    while (has_line && line_.starts_with('#')) has_line = next();
    if (has_line) {
      separator_ = line_.find('\t') != std::string_view::npos  ? '\t'
                   : line_.find(',') != std::string_view::npos ? ','
                                                               : ' ';
      splitter_ = FieldSplitter(separator_);
      split();
      has_header_ = std::none_of(fields_.begin(), fields_.end(), is_number);
      if (has_header_) has_line = next();
    }
    first_line_ = lines_;
    for (; has_line; has_line = next()) add_pair();

    RelevanceSource source;
    source.item_ids = items_.finish(ends_);
    source.pairs.score = std::move(scores_);
    source.pairs.left.resize(source.pairs.score.size());
    source.pairs.right.resize(source.pairs.score.size());
    for (int64_t p = 0; p < source.pairs.size(); ++p) {
      source.pairs.left[p] = ends_[2 * p];
      source.pairs.right[p] = ends_[2 * p + 1];
    }
    if (source.pairs.size() < kMinScoredPairs)
      input_error(name_, ": holds ", source.pairs.size(), " scored pairs: give ", kMinScoredPairs,
                  " or more lines of \"item item score\"");
    refuse_repeats(source);
    source.reading = std::string("separated by ") + separator_name(separator_) +
                     (has_header_ ? ", header" : ", no header") + ": item, item, score";
    return source;
  }

 private:
  bool next() {
    const bool has_line = reader_.next(line_);
    lines_ += has_line;
    return has_line;
  }

  void split() {
    splitter_.split(reader_, line_, fields_);
    if (fields_.size() != 3)
      reader_.fail("the line has ", fields_.size(), " fields: ", kLayout, " separated by ",
                   separator_ == ' ' ? "spaces, tabs or commas" : separator_name(separator_));
    for (const std::string_view field : fields_)
      if (field.empty()) reader_.fail("a field is empty: ", kLayout);
  }

  void add_pair() {
    split();
    const auto score = static_cast<float>(parse_number(reader_, fields_[2], "score"));
    if (!std::isfinite(score))
      reader_.fail("score ", quoted(fields_[2]), " is out of range: expected a 32-bit float");
    const int32_t left = items_.number(reader_, fields_[0]);
    const int32_t right = items_.number(reader_, fields_[1]);
    if (left == right)
      reader_.fail("item ", quoted(fields_[0]),
                   " is paired with itself: expected two different items");
    ends_.push_back(left);
    ends_.push_back(right);
    scores_.push_back(score);
  }

  void refuse_repeats(const RelevanceSource& source) const {
    const ScoredPairs& pairs = source.pairs;
    const auto key = [&](int64_t p) { return pair_key(pairs.left[p], pairs.right[p]); };
    std::vector<uint64_t> keys(pairs.size());
    for (int64_t p = 0; p < pairs.size(); ++p) keys[p] = key(p);
    std::sort(keys.begin(), keys.end());
    const auto repeated = std::adjacent_find(keys.begin(), keys.end());
    if (repeated == keys.end()) return;
    int64_t first = 0;
    while (key(first) != *repeated) ++first;
    int64_t second = first + 1;
    while (key(second) != *repeated) ++second;
    input_error(name_, ":", first_line_ + second, ": items ",
                quoted(source.item_ids.name(pairs.left[second])), " and ",
                quoted(source.item_ids.name(pairs.right[second])), " have a score in line ",
                first_line_ + first, " already: give each pair once, in either order");
  }

  std::string name_;
  TextReader reader_;
  std::string_view line_;
  int64_t lines_ = 0;
  bool has_header_ = false;
  int64_t first_line_ = 0;  // of the first pair; every line behind it is one
  char separator_ = ' ';
  FieldSplitter splitter_{separator_};
  std::vector<std::string_view> fields_;  // of the current line
  KeyTable items_{"item"};
  std::vector<int32_t> ends_;  // (2 P): left, right, left, right, ...
  std::vector<float> scores_;  // (P)
};

}  // namespace

RelevanceSource read_relevance_file(const Bytes& file) { return RelevanceParser(file).parse(); }

}  // namespace mgqe
