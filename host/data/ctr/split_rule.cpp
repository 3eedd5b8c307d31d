#include "host/data/ctr/split_rule.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "host/base/check.hpp"
#include "host/base/philox.hpp"
#include "host/data/ctr/numbers.hpp"

namespace mgqe {

namespace {

constexpr uint64_t kRowSplit = 0x5350'4C49'5421ull;  // the purpose of its bits

/// Negative where it is none.
double fraction_of(const std::string& text) {
  const size_t over = text.find('/');
  double value = -1.0, below = 1.0;
  if (!read_decimal(text.substr(0, over), value)) return -1.0;
  if (over != std::string::npos && !(read_decimal(text.substr(over + 1), below) && below > 0.0))
    return -1.0;
  return value / below;
}

}  // namespace

std::string SplitRule::name() const {
  if (kind == Kind::kFiles) return "files";
  if (kind == Kind::kLast) return fmt::format("last:{},{}", valid, test);
  return fmt::format("random:{},{} seed {}", valid, test, seed);
}

SplitRule parse_split_rule(const std::string& text, uint64_t seed) {
  SplitRule rule;
  rule.seed = seed;
  const size_t colon = std::min(text.find(':'), text.size());
  const size_t comma = std::min(text.find(',', colon), text.size());
  const std::string kind = text.substr(0, colon);
  rule.kind = kind == "last" ? SplitRule::Kind::kLast : SplitRule::Kind::kRandom;
  if (colon < comma && comma < text.size()) {
    rule.valid = fraction_of(text.substr(colon + 1, comma - colon - 1));
    rule.test = fraction_of(text.substr(comma + 1));
  } else {
    rule.valid = -1.0;
  }
  if ((kind != "last" && kind != "random") || !(rule.valid >= 0.0) || !(rule.test >= 0.0) ||
      !(rule.valid + rule.test < 1.0))
    input_error("--split ", text,
                " is no rule: expected random:V,T or last:V,T with the fractions of the rows that "
                "validate and test, as random:0.1,0.1 or last:1/14,1/14; below 1 together");
  return rule;
}

RowSplits::RowSplits(const SplitRule& rule, std::vector<FileRows> files)
    : rule_(rule),
      files_(std::move(files)),
      key_(random_u64(stream_key(rule.seed, RandomStream::kShuffle), kRowSplit)) {
  const int64_t rows = files_.empty() ? 0 : files_.back().end;
  const auto share = [&](double fraction) {
    return static_cast<int64_t>(std::llround(fraction * static_cast<double>(rows)));
  };
  test_begin_ = rows - share(rule.test);
  valid_begin_ = test_begin_ - share(rule.valid);
}

CtrSplit RowSplits::of(int64_t row) const {
  switch (rule_.kind) {
    case SplitRule::Kind::kFiles:
      return std::upper_bound(files_.begin(), files_.end(), row,
                              [](int64_t r, const FileRows& file) { return r < file.end; })
          ->split;
    case SplitRule::Kind::kLast:
      return row >= test_begin_    ? CtrSplit::kTest
             : row >= valid_begin_ ? CtrSplit::kValid
                                   : CtrSplit::kTrain;
    case SplitRule::Kind::kRandom:
      break;
  }
  const uint64_t bits = random_u64(key_, static_cast<uint64_t>(row));
  const double unit = static_cast<double>(bits >> 11) * 0x1p-53;
  return unit < rule_.test                 ? CtrSplit::kTest
         : unit < rule_.test + rule_.valid ? CtrSplit::kValid
                                           : CtrSplit::kTrain;
}

}  // namespace mgqe
