#include "host/data/ctr/field_encoder.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "host/data/ctr/numbers.hpp"
#include "host/data/text/fields.hpp"

namespace mgqe {

namespace {

/// In small or capital letters.
bool is_word(std::string_view text, std::string_view word) {
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; };
  return std::equal(text.begin(), text.end(), word.begin(), word.end(), same);
}

}  // namespace

void FieldEncoder::know(ByteTable texts, bool only) {
  texts_ = std::move(texts);
  if (only) known_ = texts_.size();
}

void FieldEncoder::add_bag(const TextReader& reader, std::string_view text, RawColumn& to) {
  uint32_t count = 0;
  while (!text.empty()) {
    const size_t cut = text.find(spec_.separator);
    const std::string_view value = text.substr(0, cut);
    if (!value.empty()) {  // two separators in a row part nothing
      to.numbers.push_back(number(reader, value));
      ++count;
    }
    if (cut == std::string_view::npos) break;
    text.remove_prefix(cut + 1);
  }
  to.lengths.push_back(count);
}

void FieldEncoder::add_number(const TextReader& reader, std::string_view text, RawColumn& to) {
  double x = 0.0;
  const bool missing = text.empty();
  if (!missing && !read_decimal(text, x))
    reader.fail("field ", spec_.name, ": ", quoted(text),
                " is not a number: expected one such as 5 or -3.5, or nothing where it is missing; "
                "--missing WORD says how the file writes that");
  if (spec_.kind == FieldKind::kDense) {
    if (std::abs(x) > std::numeric_limits<float>::max())
      reader.fail("field ", spec_.name, ": ", quoted(text),
                  " is out of range: dense values are kept as 32-bit floats");
    to.reals.push_back(missing     ? std::numeric_limits<double>::quiet_NaN()
                       : spec_.log ? log_of_plus(x, spec_.shift)
                                   : x);
  } else if (spec_.kind == FieldKind::kQuantileBuckets) {
    to.reals.push_back(missing ? std::numeric_limits<double>::quiet_NaN() : x);
  } else {
    to.numbers.push_back(missing ? number(reader, "") : bucket_number(reader, log_bucket(x)));
  }
}

uint32_t FieldEncoder::bucket_number(const TextReader& reader, int64_t bucket) {
  constexpr int64_t kMet = 1024;  // log(|x| + 1)^2 of the greatest double is over 500,000
  const bool near = bucket >= 0 && bucket < kMet;
  if (near && buckets_.empty()) buckets_.assign(kMet, ByteTable::kNone);
  if (near && buckets_[static_cast<size_t>(bucket)] != ByteTable::kNone)
    return buckets_[static_cast<size_t>(bucket)];
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, bucket).ptr;
  const uint32_t found = number(reader, {digits, static_cast<size_t>(end - digits)});
  if (near) buckets_[static_cast<size_t>(bucket)] = found;
  return found;
}

void FieldEncoder::refuse_unseen(const TextReader& reader, std::string_view text) const {
  reader.fail("field ", spec_.name, ": ", quoted(text),
              " is not in the vocabulary: expected a value that the training rows have; without "
              "--refuse-unseen it takes the OOV row");
}

uint8_t LabelReader::read(const TextReader& reader, std::string_view text) const {
  if (!spec_.threshold && text.size() == 1 && (text[0] == '0' || text[0] == '1'))
    return static_cast<uint8_t>(text[0] - '0');
  if (!spec_.threshold && is_word(text, "true")) return 1;
  if (!spec_.threshold && is_word(text, "false")) return 0;
  double x = 0.0;
  if (!read_decimal(text, x))
    reader.fail("label ", spec_.name, ": ", quoted(text), " is not a number: expected ",
                spec_.threshold ? "one such as 5 or -3.5" : "0 or 1, or true or false");
  if (spec_.threshold) return x > *spec_.threshold ? 1 : 0;
  if (x != 0.0 && x != 1.0)
    reader.fail("label ", spec_.name, ": ", quoted(text), " is neither 0 nor 1: give --label \"",
                spec_.name, ">NUMBER\" to count what is above a number as 1");
  return x == 1.0 ? 1 : 0;
}

}  // namespace mgqe
