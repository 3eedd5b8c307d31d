// The limits of the device, measured in the run that uses them.
#pragma once

#include <map>
#include <vector>

#include <nlohmann/json.hpp>

#include "experiments/bench/costs.hpp"
#include "host/engine/backend.hpp"

namespace mgqe::bench {

/// Best rates seen, by second.
struct Ceilings {
  double fma_flops = 0;             // f32, all workers
  double fma_flops_one_worker = 0;  // one thread of a CPU, one multiprocessor of a GPU
  double copy_bytes = 0;            // read and written
  double fill_bytes = 0;
  /// Flops of a search's scores by their width, all workers, of a loop of its instructions alone
  /// (search_mix.hpp): a port that compares does no fma meanwhile. Of a CPU.
  std::map<int, double> search_flops;

  double flop_seconds(Cost cost) const {
    const auto search = search_flops.find(cost.searched_width);
    return cost.flops / (search == search_flops.end() ? fma_flops : search->second);
  }
  double copy_seconds(Cost cost) const { return cost.bytes / copy_bytes; }
  bool memory_bound(Cost cost) const { return copy_seconds(cost) > flop_seconds(cost); }
  /// "copy", "fma", or "slots": those that instructions are issued in.
  const char* bound(Cost cost) const;
  /// What an op takes at these rates: the larger of the two.
  double limit_seconds(Cost cost) const {
    return memory_bound(cost) ? copy_seconds(cost) : flop_seconds(cost);
  }
  nlohmann::ordered_json json() const;
};

class CeilingProbe {
 public:
  /// `quick`: short work, whose rates are no limits: to see that it runs where it takes long.
  explicit CeilingProbe(Backend& backend, bool quick = false);
  /// Raises the ceilings to what `samples` more samples of each reach. Called between ops too: a
  /// ceiling taken while a neighbour held the machine would flatter them.
  void measure(int samples);
  /// The same of a search of this width, on a CPU; of width 0, nothing.
  void measure_search(int width, int samples);
  const Ceilings& ceilings() const { return ceilings_; }

 private:
  Backend& backend_;
  int64_t stream_floats_, chain_steps_;
  double sample_seconds_;
  std::vector<Tensor<float>> from_, to_;  // taken in turn
  Tensor<float> sums_;
  Ceilings ceilings_;
};

}  // namespace mgqe::bench
