// What has happened before what: ops of streams and nodes of graphs by vector clocks.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace simulator {

inline constexpr int kMaxStreams = 64;  // alive at a time; their numbers are used again

/// Of each stream, the ops up to this number have happened.
struct Clock {
  std::array<uint32_t, kMaxStreams> at{};
  void join(const Clock& other) {
    for (size_t s = 0; s < at.size(); ++s)
      if (other.at[s] > at[s]) at[s] = other.at[s];
  }
};

/// Of each node of a graph, the nodes that come before it whatever the order of execution.
class Ancestors {
 public:
  /// Nodes are numbered as they are added, after[] being those they directly follow.
  void add(const std::vector<int>& after);
  bool contain(int node, int other) const { return sets_[node][other / 64] >> other % 64 & 1; }
  int count(int node) const { return counts_[node]; }

 private:
  std::vector<std::vector<uint64_t>> sets_;
  std::vector<int> counts_;
};

/// A piece of work on the device that has begun.
struct Op {
  uint32_t first_segment;  // see races.hpp
  int stream;
  uint32_t number;                    // in its stream; a graph has one for all its nodes
  uint32_t graph_launch = 0;          // 0: none
  int node = 0;                       // of the graph
  const std::string* name = nullptr;  // kept
};

/// The op that runs, and what is known to have happened before it.
void begin_op(Op, const Clock& before, const Ancestors* graph, int nodes_done);
const Op& running_op();
/// Segments below belong to ops that all have happened before the one that runs.
extern uint32_t ordered_below;
/// The op that a segment belongs to, and whether it has happened before the one that runs.
const Op& op_of(uint32_t segment);
bool has_happened(const Op&);

}  // namespace simulator
