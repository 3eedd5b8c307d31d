#include "host/data/text/times.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <numeric>
#include <utility>

#include "host/data/text/fields.hpp"

namespace mgqe {

namespace {

struct Moment {
  int64_t whole = 0;       // seconds, of a date
  int32_t billionths = 0;  // beyond it
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Takes exactly `digits` digits off the front.
bool take_digits(std::string_view& text, size_t digits, int& value) {
  if (text.size() < digits) return false;
  value = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (!is_digit(text[i])) return false;
    value = 10 * value + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return true;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

/// Digits behind a point, of which nine count.
bool take_fraction(std::string_view& text, int32_t& billionths) {
  billionths = 0;
  int32_t unit = 100'000'000;
  if (text.empty() || !is_digit(text.front())) return false;
  for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1), unit /= 10)
    billionths += unit * (text.front() - '0');
  return true;
}

/// "Z", "+02:00", "+0200", or nothing.
bool take_zone(std::string_view& text, int64_t& seconds) {
  seconds = 0;
  if (text.empty() || take(text, 'Z') || take(text, 'z')) return true;
  const int sign = text.front() == '-' ? -1 : 1;
  if (!take(text, '+') && !take(text, '-')) return false;
  int hours = 0, minutes = 0;
  if (!take_digits(text, 2, hours)) return false;
  if (!text.empty()) {
    take(text, ':');
    if (!take_digits(text, 2, minutes)) return false;
  }
  seconds = sign * (3600 * int64_t{hours} + 60 * minutes);
  return true;
}

bool take_clock(std::string_view& text, Moment& moment) {
  int hour = 0, minute = 0, second = 0;
  if (!take_digits(text, 2, hour) || !take(text, ':') || !take_digits(text, 2, minute))
    return false;
  if (take(text, ':') && !take_digits(text, 2, second)) return false;
  if ((take(text, '.') || take(text, ',')) && !take_fraction(text, moment.billionths)) return false;
  if (hour > 24 || minute > 59 || second > 60) return false;
  moment.whole += 3600 * hour + 60 * minute + second;
  return true;
}

bool parse_date(std::string_view text, Moment& moment) {
  int year = 0, month = 0, day = 0;
  if (!take_digits(text, 4, year) || text.empty()) return false;
  const char mark = text.front();
  if (mark != '-' && mark != '/') return false;
  if (!take(text, mark) || !take_digits(text, 2, month)) return false;
  if (!take(text, mark) || !take_digits(text, 2, day)) return false;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return false;
  moment = {86'400 * int64_t{std::chrono::sys_days(date).time_since_epoch().count()}, 0};
  if (text.empty()) return true;
  int64_t zone = 0;
  if (!take(text, 'T') && !take(text, ' ')) return false;
  if (!take_clock(text, moment)) return false;
  if (take(text, ' ') && text == "UTC") text = {};
  if (!take_zone(text, zone) || !text.empty()) return false;
  moment.whole -= zone;
  return true;
}

/// "1112486027.25", "-0.5", "1.112e9": a number that is no integer as it is written.
bool parse_fraction(std::string_view text, Moment& moment) {
  double value = 0.0;
  if (!to_number(text, value) || std::abs(value) > 9e18) return false;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), moment.whole);
  std::string_view rest(stop, static_cast<size_t>(text.data() + text.size() - stop));
  // Digits are taken as they are written; a double would not hold them all.
  const bool plain = error == std::errc() && take(rest, '.') &&
                     (rest.empty() || (take_fraction(rest, moment.billionths) && rest.empty()));
  if (!plain) {
    moment.whole = static_cast<int64_t>(std::floor(value));
    moment.billionths = static_cast<int32_t>((value - std::floor(value)) * 1e9);
  } else if (text.starts_with('-') && moment.billionths > 0) {
    --moment.whole;
    moment.billionths = 1'000'000'000 - moment.billionths;
  }
  return true;
}

}  // namespace

bool is_date(std::string_view field) {
  Moment moment;
  return parse_date(field, moment);
}

void TimeColumn::add(const TextReader& reader, std::string_view field) {
  int64_t value = 0;
  const char* end = field.data() + field.size();
  const auto [stop, error] = std::from_chars(field.data(), end, value);
  if (kind_ == Kind::kDates || error != std::errc() || stop != end) return add_other(reader, field);
  kind_ = Kind::kNumbers;
  whole_.push_back(value);
  if (!billionths_.empty()) billionths_.push_back(0);
}

void TimeColumn::add_other(const TextReader& reader, std::string_view field) {
  if (field.empty()) reader.fail("the timestamp is missing: expected a number or a date");
  Moment moment;
  const bool dates = parse_date(field, moment);
  if (!dates && !parse_fraction(field, moment))
    reader.fail("timestamp ", quoted(field), " is neither a number nor a date: expected one such ",
                "as 1700000000, 2024-01-31 or 2024-01-31T23:59:59");
  const Kind kind = dates ? Kind::kDates : Kind::kNumbers;
  if (kind_ != Kind::kUnknown && kind != kind_)
    reader.fail("timestamp ", quoted(field), dates ? " is a date and" : " is a number and",
                " those before are not: expected numbers alone, or dates alone");
  kind_ = kind;
  add_parts(moment.whole, moment.billionths);
}

void TimeColumn::add_parts(int64_t whole, int32_t billionths) {
  if (billionths != 0 && billionths_.empty()) billionths_.resize(whole_.size());
  whole_.push_back(whole);
  if (!billionths_.empty() || billionths != 0) billionths_.push_back(billionths);
}

std::vector<int64_t> TimeColumn::finish() {
  if (billionths_.empty()) return std::move(whole_);
  std::vector<int64_t> order(whole_.size());
  std::iota(order.begin(), order.end(), 0);
  const auto moment = [&](int64_t i) { return std::pair(whole_[i], billionths_[i]); };
  std::sort(order.begin(), order.end(),
            [&](int64_t a, int64_t b) { return moment(a) < moment(b); });
  std::vector<int64_t> ranks(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    const bool later = i > 0 && moment(order[i - 1]) != moment(order[i]);
    ranks[order[i]] = i == 0 ? 0 : ranks[order[i - 1]] + later;
  }
  return ranks;
}

}  // namespace mgqe
