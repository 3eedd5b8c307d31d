// One functor per elementwise formula, written once for every device. Each is called with an index;
// a back end only decides who calls it (a loop shared by threads, a grid-stride kernel). fma is
// explicit where it is meant, because contraction is off everywhere.
#pragma once

#include <cmath>

#include "host/engine/backend.hpp"

namespace mgqe {

struct FillNormal {
  View<float> x;
  uint64_t key;
  float stddev;
  MGQE_HD void operator()(int64_t i) const {
    x[i] = stddev * random_normal(key, static_cast<uint64_t>(i));
  }
};

struct FillUniform {
  View<float> x;
  uint64_t key;
  float low, high;
  MGQE_HD void operator()(int64_t i) const {
    x[i] = random_uniform(key, static_cast<uint64_t>(i), low, high);
  }
};

struct BeginStep {
  View<StepState> state;
  AdamOptions options;
  MGQE_HD void operator()(int64_t) const {
    StepState& s = state[0];
    s.step += 1;
    s.step_in_epoch += 1;
    const double t = static_cast<double>(s.step);
    const double bias1 = 1.0 - pow(options.beta1, t);
    const double root_bias2 = sqrt(1.0 - pow(options.beta2, t));
    s.adam_scale = s.rate_factor() * static_cast<float>(1.0 / bias1);
    s.adam_root_bias2 = static_cast<float>(root_bias2);
    s.sparse_scale = s.rate_factor() * static_cast<float>(root_bias2 / bias1);
  }
};

struct SamplePairs {
  PairSampler sampler;
  View<const StepState> state;
  View<int32_t> users, items;
  View<float> labels;
  MGQE_HD void operator()(int64_t b) const {
    const StepState& s = state[0];
    const uint64_t k = (s.step_in_epoch - 1) * static_cast<uint64_t>(sampler.batch) +
                       static_cast<uint64_t>(sampler.first + b);
    const PairSampler::Pair pair = sampler.draw(s.epoch, sampler.example(s.shuffle_key, k));
    users[b] = pair.user;
    items[b] = pair.item;
    labels[b] = pair.label;
  }
};

struct SampleScoredPairs {
  ScoredPairSampler sampler;
  View<const StepState> state;
  View<int32_t> left, right;
  View<float> targets;
  MGQE_HD void operator()(int64_t b) const {
    const StepState& s = state[0];
    const Permutation shuffle(static_cast<uint64_t>(sampler.targets.size()), s.shuffle_key);
    const uint64_t pair = shuffle((s.step_in_epoch - 1) * static_cast<uint64_t>(sampler.batch) +
                                  static_cast<uint64_t>(sampler.first + b));
    left[b] = sampler.left[static_cast<int64_t>(pair)];
    right[b] = sampler.right[static_cast<int64_t>(pair)];
    targets[b] = sampler.targets[static_cast<int64_t>(pair)];
  }
};

struct Concatenate {
  View<const int32_t> first, second;  // (B)
  View<int32_t> out;                  // (2B)
  MGQE_HD void operator()(int64_t i) const {
    out[i] = i < first.size() ? first[i] : second[i - first.size()];
  }
};

struct SampleSequences {
  SequenceSampler sampler;
  View<const StepState> state;
  View<const int32_t> users;  // (B)
  SequenceTokens tokens;
  /// Index over (B, longest): places past a sequence's end do nothing.
  MGQE_HD void operator()(int64_t i) const {
    const int64_t b = i / tokens.sequences.longest, t = i % tokens.sequences.longest;
    const int64_t place = tokens.sequences.offsets[b] + t;
    if (place >= tokens.sequences.offsets[b + 1]) return;
    const SequenceSampler::Token token = sampler.draw(state[0].epoch, users[b], t);
    tokens.inputs[place] = token.input;
    tokens.positions[place] = token.position;
    tokens.positives[place] = token.positive;
    tokens.negatives[place] = token.negative;
  }
};

/// The running means of Adam, updated in place: first = b1 first + (1 - b1) g, likewise g^2.
MGQE_HD void update_moments(float& first, float& second, float g, const AdamOptions& options) {
  first =
      fmaf(static_cast<float>(options.beta1), first, static_cast<float>(1.0 - options.beta1) * g);
  second = fmaf(static_cast<float>(options.beta2), second,
                static_cast<float>(1.0 - options.beta2) * g * g);
}

/// torch.optim.Adam: epsilon is added after the bias correction of the second moment.
struct Adam {
  View<float> parameter;
  View<const float> gradient;
  Moments moments;
  AdamOptions options;
  View<const StepState> state;
  MGQE_HD void operator()(int64_t i) const {
    float m = moments.first[i], v = moments.second[i];
    const float g = fmaf(static_cast<float>(options.l2), parameter[i], gradient[i]);
    update_moments(m, v, g, options);
    moments.first[i] = m;
    moments.second[i] = v;
    const float denominator =
        sqrtf(v) / state[0].adam_root_bias2 + static_cast<float>(options.epsilon);
    const float step_size = static_cast<float>(options.learning_rate) * state[0].adam_scale;
    parameter[i] = fmaf(-step_size, m / denominator, parameter[i]);
  }
};

/// torch.optim.SGD without momentum.
struct Sgd {
  View<float> parameter;
  View<const float> gradient;
  float learning_rate, l2;
  View<const StepState> state;
  MGQE_HD void operator()(int64_t i) const {
    const float rate = learning_rate * state[0].rate_factor();
    parameter[i] = fmaf(-rate, fmaf(l2, parameter[i], gradient[i]), parameter[i]);
  }
};

struct WidenRows {
  View<const Bfloat16> table;  // (n, d)
  RowSet rows;
  View<float> out;  // (|rows|, d)
  MGQE_HD void operator()(int64_t i, int64_t c) const {
    if (i < rows.size()) out.row(i)[c] = to_float(table.row(rows[i])[c]);
  }
};

/// Cell (i, group): kColumns columns share a draw.
struct NarrowRows {
  static constexpr int64_t kColumns = 8;
  MGQE_HD static constexpr int64_t groups(int64_t d) { return (d + kColumns - 1) / kColumns; }
  View<const float> values;  // (|rows|, d)
  RowSet rows;
  RowSharding sharding;
  uint64_t key;
  View<const StepState> state;
  View<Bfloat16> table;  // (n, d)
  MGQE_HD void operator()(int64_t i, int64_t group) const {
    if (i >= rows.size()) return;
    const int64_t d = values.cols, element = sharding.global(rows[i]) * groups(d) + group;
    const Philox4 draw = philox(key, static_cast<uint64_t>(element), state[0].step);
    for (int64_t q = 0; q < kColumns; ++q) {  // whole: an index of draw that is no constant spills
      const int64_t c = group * kColumns + q;
      if (c >= d) continue;
      const auto random = static_cast<uint16_t>(draw.x[q / 2] >> (q % 2 * 16));
      table.row(rows[i])[c] = to_bfloat16_stochastic(values.row(i)[c], random);
    }
  }
};

struct RoundToHalf {
  View<const float> codebook;
  View<float> out;
  MGQE_HD void operator()(int64_t i) const { out[i] = to_float(to_half(codebook[i])); }
};

struct HalfNorms {
  View<const float> codebook;  // (K, d)
  int subspaces;
  View<float> half_norms;  // (K, D)
  MGQE_HD void operator()(int64_t i) const {
    const int64_t width = codebook.cols / subspaces;
    const int64_t k = i / subspaces, j = i % subspaces;
    half_norms[i] = half_squared_norm(codebook.row(k) + j * width, static_cast<int>(width));
  }
};

struct PackCodes {
  View<const uint8_t> codes;  // (m, D)
  int bits;
  View<uint8_t> packed;  // (m, row bytes)
  MGQE_HD void operator()(int64_t i) const {
    const int64_t r = i / packed.cols, byte = i % packed.cols;
    packed[i] = packed_byte(codes.row(r), static_cast<int>(codes.cols), bits, byte);
  }
};

struct Gather {
  View<const float> table;  // (n, d)
  View<const int32_t> ids;  // (m)
  View<float> out;          // (m, d)
  MGQE_HD void operator()(int64_t r, int64_t c) const { out.row(r)[c] = table.row(ids[r])[c]; }
};

struct ScaleColumns {
  View<const float> rows;     // (m, d)
  View<const float> weights;  // (d)
  View<float> out;            // (m, d)
  MGQE_HD void operator()(int64_t r, int64_t c) const {
    out.row(r)[c] = rows.row(r)[c] * weights[c];
  }
};

}  // namespace mgqe
