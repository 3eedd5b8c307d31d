// HistoryTokens: histories as sequence backbones read them, the latest max_length actions of each.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "models/scorers/scorer.hpp"

namespace mgqe {

struct HistoryTokens {
  explicit HistoryTokens(int64_t max_length) : max_length(max_length) {}

  /// actions: rows of items in time order, one at least.
  void add(std::span<const int32_t> actions) {
    MGQE_CHECK(!actions.empty(), "a history of nothing");
    const auto length = std::min<int64_t>(max_length, static_cast<int64_t>(actions.size()));
    items.insert(items.end(), actions.end() - length, actions.end());
    for (int64_t t = 0; t < length; ++t)
      positions.push_back(static_cast<int32_t>(max_length - length + t));
    offsets.push_back(static_cast<int32_t>(items.size()));
    last.push_back(offsets.back() - 1);
    longest = std::max(longest, length);
  }

  /// As a CPU reads them, valid until the next add().
  UserHistories histories() const {
    const auto view = [](const std::vector<int32_t>& all) {
      return View<const int32_t>(all.data(), static_cast<int64_t>(all.size()));
    };
    return {{view(offsets), longest}, view(items), view(positions), view(last)};
  }

  int64_t max_length;
  std::vector<int32_t> offsets = {0};           // (M + 1)
  std::vector<int32_t> items, positions, last;  // (T), (T), (M)
  int64_t longest = 0;
};

}  // namespace mgqe
