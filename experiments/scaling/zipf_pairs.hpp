// Training pairs of a catalogue that is only a number: ids by Zipf's law with exponent 1
// (popularity ranks, as everywhere), labels by a coin. Pair k of step s is a function of (seed, s,
// k) alone, so any number of ranks train on the same batches.
#pragma once

#include <vector>

#include "models/backbones/model.hpp"

namespace mgqe::scaling {

/// An id in [0, rows) from 64 random bits: P(id) = log((id + 2) / (id + 1)) / log(rows + 1), which
/// is Zipf(1) but for the first few.
int32_t zipf_id(uint64_t bits, int64_t rows);

/// Some batches in device memory, drawn once and repeated.
class ZipfPairs {
 public:
  /// This rank's share of `batches` batches of config.train.batch pairs.
  ZipfPairs(Backend& backend, const Config& config, const Catalogue& catalogue, int64_t batches);

  Batch at(int64_t step) const;

 private:
  BatchShare share_;
  int64_t batch_;
  std::vector<Tensor<int32_t>> left_, right_;
  std::vector<Tensor<float>> targets_;
};

/// Distinct ids among `count` pairs of a batch that begin at `first`: what a rank asks for.
int64_t distinct_ids(int64_t rows, int64_t first, int64_t count, uint64_t seed);

}  // namespace mgqe::scaling
