#include "host/data/text/fields.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

namespace mgqe {

std::string quoted(std::string_view field) {
  constexpr size_t kShown = 40;
  std::string text(field.substr(0, kShown));
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  if (field.size() > kShown) text += "...";
  return '"' + text + '"';
}

namespace {

constexpr std::string_view kDigits = "0123456789";

[[noreturn]] void refuse_id(const TextReader& reader, std::string_view field, const char* what) {
  if (field.empty()) reader.fail("the ", what, " is missing: expected an integer 1 to ", kMaxId);
  const bool negative = field.size() > 1 && field.front() == '-';
  const bool integer =
      field.substr(negative ? 1 : 0).find_first_not_of(kDigits) == std::string_view::npos;
  reader.fail(what, " ", quoted(field), integer ? " is out of range" : " is not a number",
              ": expected an integer 1 to ", kMaxId);
}

}  // namespace

int32_t parse_id(const TextReader& reader, std::string_view field, const char* what) {
  int64_t value = 0;
  for (const char c : field) {
    if (c < '0' || c > '9') refuse_id(reader, field, what);
    value = 10 * value + (c - '0');
    if (value > kMaxId) refuse_id(reader, field, what);
  }
  if (value == 0) refuse_id(reader, field, what);
  return static_cast<int32_t>(value);
}

int64_t parse_integer(const TextReader& reader, std::string_view field, const char* what) {
  int64_t value = 0;
  const auto [stop, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (field.empty()) reader.fail("the ", what, " is missing: expected an integer");
  if (error == std::errc::result_out_of_range && stop == field.data() + field.size())
    reader.fail(what, " ", quoted(field), " is out of range: expected a 64-bit integer");
  if (error != std::errc() || stop != field.data() + field.size())
    reader.fail(what, " ", quoted(field), " is not a whole number: expected an integer");
  return value;
}

bool canonical_integer(std::string_view field, int64_t& value) {
  const bool negative = !field.empty() && field.front() == '-';
  const std::string_view digits = field.substr(negative ? 1 : 0);
  if (digits.empty() || (digits.front() == '0' && (digits.size() > 1 || negative))) return false;
  const auto [stop, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  return error == std::errc() && stop == field.data() + field.size();
}

bool to_number(std::string_view field, double& value) {
  const auto [stop, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  return error == std::errc() && stop == field.data() + field.size() && std::isfinite(value);
}

double parse_number(const TextReader& reader, std::string_view field, const char* what) {
  double value = 0.0;
  if (!to_number(field, value))
    reader.fail(what, " ", quoted(field), " is not a number: expected one such as 5 or -3.5");
  return value;
}

bool is_number(std::string_view field) {
  constexpr size_t kExact = 15;  // digits, which a double holds; nearly all ratings are such
  if (!field.empty() && field.size() <= kExact &&
      std::all_of(field.begin(), field.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return true;
  double value = 0.0;
  return to_number(field, value);
}

bool is_missing_value(std::string_view field) {
  constexpr std::string_view kSpellings[] = {"nan",  "NaN",  "NAN", "null", "Null", "NULL",
                                             "none", "None", "NA",  "N/A",  "<NA>", "\\N"};
  return std::find(std::begin(kSpellings), std::end(kSpellings), field) != std::end(kSpellings);
}

}  // namespace mgqe
