// From ids by original to ids by popularity.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "host/engine/backend.hpp"

namespace mgqe {

/// order[rank] = id, by descending count; ties by id.
std::vector<int32_t> frequency_order(const std::vector<int64_t>& counts, Backend& backend);

/// rank[order[i]] = i.
std::vector<int32_t> invert(const std::vector<int32_t>& order);

/// values[i] becomes the old values[order[i]]; empty stays empty.
template <class T>
void reorder(std::vector<T>& values, const std::vector<int32_t>& order) {
  if (values.empty()) return;
  std::vector<T> sorted(values.size());
  for (size_t i = 0; i < values.size(); ++i) sorted[i] = std::move(values[order[i]]);
  values = std::move(sorted);
}

}  // namespace mgqe
