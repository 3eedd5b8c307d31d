#include "tests/simulator/runtime/order.hpp"

#include <algorithm>
#include <bit>

namespace simulator {

uint32_t ordered_below = 0;

namespace {

std::vector<Op> ops;                                // by first_segment
std::array<std::vector<uint32_t>, kMaxStreams> of;  // ops of each stream, by number
Clock now_before;
const Ancestors* now_graph = nullptr;

}  // namespace

void Ancestors::add(const std::vector<int>& after) {
  const size_t node = sets_.size();
  std::vector<uint64_t> mine(node / 64 + 1);
  for (const int a : after) {
    const std::vector<uint64_t>& theirs = sets_[a];
    for (size_t i = 0; i < theirs.size(); ++i) mine[i] |= theirs[i];
    mine[a / 64] |= uint64_t{1} << a % 64;
  }
  int count = 0;
  for (const uint64_t word : mine) count += std::popcount(word);
  for (std::vector<uint64_t>& set : sets_) set.resize(mine.size());
  sets_.push_back(std::move(mine));
  counts_.push_back(count);
}

void begin_op(Op op, const Clock& before, const Ancestors* graph, int nodes_done) {
  now_before = before;
  now_graph = graph;
  ordered_below = op.first_segment;
  for (size_t s = 0; s < of.size(); ++s) {
    const std::vector<uint32_t>& theirs = of[s];
    if (theirs.empty() || ops[theirs.back()].number <= before.at[s]) continue;
    const auto first =
        std::upper_bound(theirs.begin(), theirs.end(), before.at[s],
                         [](uint32_t number, uint32_t o) { return number < ops[o].number; });
    // Of a graph in which all nodes so far come before this one anyway, nothing is left to ask.
    const bool all_before = graph != nullptr && static_cast<int>(s) == op.stream &&
                            ops[*first].graph_launch == op.graph_launch &&
                            graph->count(op.node) == nodes_done;
    if (!all_before) ordered_below = std::min(ordered_below, ops[*first].first_segment);
  }
  of[op.stream].push_back(static_cast<uint32_t>(ops.size()));
  ops.push_back(op);
}

const Op& running_op() { return ops.back(); }

const Op& op_of(uint32_t segment) {
  const auto after = std::upper_bound(ops.begin(), ops.end(), segment,
                                      [](uint32_t s, const Op& o) { return s < o.first_segment; });
  return *(after - 1);
}

bool has_happened(const Op& op) {
  const Op& now = ops.back();
  if (op.graph_launch != 0 && op.graph_launch == now.graph_launch)
    return now_graph->contain(now.node, op.node);
  return op.number <= now_before.at[op.stream];
}

}  // namespace simulator
