// Layers of the backbones, and ranking of catalogues.
#include <algorithm>
#include <cmath>
#include <memory>

#include "experiments/bench/batch.hpp"
#include "experiments/bench/op_case.hpp"

namespace mgqe::bench {
namespace {

constexpr int64_t kUsers = 6040, kItems = 3416;  // MovieLens-1M
constexpr int64_t kLongest = 200;                // SASRec's maximal length there

OpCase gmf_case(int64_t B) {
  struct Data {
    Data(Backend& backend, uint64_t seed, int64_t B)
        : users(normals(backend, seed, 1, kUsers, kDim)),
          items(normals(backend, seed, 2, kItems, kDim)),
          weights(normals(backend, seed, 3, kDim + 1, 1)),
          user_ids(backend, std::span<const int32_t>(draw_ids("uniform", kUsers, B, seed))),
          item_ids(backend, std::span<const int32_t>(draw_ids("zipf", kItems, B, seed + 1))),
          logits(backend, B),
          logit_gradient(normals(backend, seed, 4, B, 1)),
          user_gradient(backend, B, kDim),
          item_gradient(backend, B, kDim),
          weight_gradient(backend, kDim + 1) {}
    Tensor<float> users, items, weights;
    Tensor<int32_t> user_ids, item_ids;
    Tensor<float> logits, logit_gradient, user_gradient, item_gradient, weight_gradient;
  };
  const auto prepare = [=](Backend& backend, uint64_t seed) {
    auto data = std::make_shared<Data>(backend, seed, B);
    const Lookup users{data->users, data->user_ids}, items{data->items, data->item_ids};
    const auto run = [=, &backend] {
      backend.gmf_forward(users, items, data->weights, data->logits);
      backend.gmf_backward(users, items, data->weights, data->logit_gradient, data->user_gradient,
                           data->item_gradient, data->weight_gradient);
    };
    return Workload{run, gmf_forward_cost(B, kDim) + gmf_backward_cost(B, kDim), {}};
  };
  return {"gmf", {{"B", B}, {"users", kUsers}, {"items", kItems}, {"d", kDim}}, prepare};
}

/// Offsets of sequences as long as those of MovieLens-1M, cut at 200 tokens: log-normal counts of
/// ratings with a median of 96, none below 19. The same for every seed, because their sum is part
/// of the shape.
std::vector<int32_t> sequence_offsets(int64_t sequences) {
  std::vector<int32_t> offsets = {0};
  for (int64_t b = 0; b < sequences; ++b) {
    const double length = 96 * std::exp(random_normal(1, static_cast<uint64_t>(b)));
    const double cut = std::clamp(length, 19.0, static_cast<double>(kLongest));
    offsets.push_back(offsets.back() + static_cast<int32_t>(cut));
  }
  return offsets;
}

double causal_pairs(const std::vector<int32_t>& offsets) {
  double pairs = 0;
  for (size_t b = 0; b + 1 < offsets.size(); ++b) {
    const double length = offsets[b + 1] - offsets[b];
    pairs += length * (length + 1) / 2;
  }
  return pairs;
}

/// Everything that attention and its backward read and write.
struct AttentionData {
  AttentionData(Backend& backend, uint64_t seed, const std::vector<int32_t>& host_offsets)
      : T(host_offsets.back()),
        offsets(backend, std::span<const int32_t>(host_offsets)),
        state(backend, 1),
        q(normals(backend, seed, 1, T, kDim)),
        k(normals(backend, seed, 2, T, kDim)),
        v(normals(backend, seed, 3, T, kDim)),
        out_gradient(normals(backend, seed, 4, T, kDim)),
        out(backend, T, kDim),
        log_sums(backend, T),
        q_gradient(backend, T, kDim),
        k_gradient(backend, T, kDim),
        v_gradient(backend, T, kDim) {
    backend.begin_step(state, AdamOptions{});
  }
  AttentionInput input() const { return {q, k, v, 1}; }
  Sequences sequences() const { return {offsets, kLongest}; }
  void forward(Backend& backend, Dropout dropout) {
    backend.attention(input(), sequences(), dropout, state, out, log_sums);
  }
  void backward(Backend& backend, Dropout dropout) {
    backend.attention_backward(input(), sequences(), dropout, state, out, log_sums, out_gradient,
                               {q_gradient, k_gradient, v_gradient});
  }

  int64_t T;
  Tensor<int32_t> offsets;
  Tensor<StepState> state;
  Tensor<float> q, k, v, out_gradient, out, log_sums, q_gradient, k_gradient, v_gradient;
};

OpCase attention_case(int64_t sequences, bool backward, float rate) {
  const std::vector<int32_t> offsets = sequence_offsets(sequences);
  const int64_t T = offsets.back();
  const auto prepare = [=](Backend& backend, uint64_t seed) {
    auto data = std::make_shared<AttentionData>(backend, seed, offsets);
    const Dropout dropout{seed, rate};
    const double pairs = causal_pairs(offsets);
    data->forward(backend, dropout);  // what the backward reads
    if (backward)
      return Workload{[=, &backend] { data->backward(backend, dropout); },
                      attention_backward_cost(T, pairs, kDim, 1),
                      {}};
    return Workload{
        [=, &backend] { data->forward(backend, dropout); }, attention_cost(T, pairs, kDim, 1), {}};
  };
  return {backward ? "attention_backward" : "attention",
          {{"sequences", sequences},
           {"longest", kLongest},
           {"T", T},
           {"d", kDim},
           {"heads", 1},
           {"dropout", rate > 0 ? "0.2" : "0"}},
          prepare};
}

OpCase layer_norm_case(int64_t T, bool backward) {
  struct Data {
    Data(Backend& backend, uint64_t seed, int64_t T)
        : x(normals(backend, seed, 1, T, kDim)),
          gain(normals(backend, seed, 2, kDim, 1)),
          bias(normals(backend, seed, 3, kDim, 1)),
          out_gradient(normals(backend, seed, 4, T, kDim)),
          out(backend, T, kDim),
          stats(backend, T, 2),
          x_gradient(backend, T, kDim),
          gain_gradient(backend, kDim),
          bias_gradient(backend, kDim) {}
    Tensor<float> x, gain, bias, out_gradient, out, stats, x_gradient, gain_gradient, bias_gradient;
  };
  const auto prepare = [=](Backend& backend, uint64_t seed) {
    auto data = std::make_shared<Data>(backend, seed, T);
    const auto forward = [=, &backend] {
      backend.layer_norm(data->x, data->gain, data->bias, 1e-8f, data->out, data->stats);
    };
    forward();  // leaves the stats that the backward reads
    if (!backward) return Workload{forward, layer_norm_cost(T, kDim), {}};
    const auto run = [=, &backend] {
      backend.layer_norm_backward(data->x, data->gain, data->stats, data->out_gradient,
                                  data->x_gradient, false, data->gain_gradient,
                                  data->bias_gradient);
    };
    return Workload{run, layer_norm_backward_cost(T, kDim), {}};
  };
  return {backward ? "layer_norm_backward" : "layer_norm", {{"T", T}, {"d", kDim}}, prepare};
}

OpCase matmul_case(int64_t m, int64_t n, int64_t k) {
  struct Data {
    Tensor<float> a, b, out;
  };
  const auto prepare = [=](Backend& backend, uint64_t seed) {
    auto data =
        std::make_shared<Data>(Data{normals(backend, seed, 1, m, k),
                                    normals(backend, seed, 2, k, n), Tensor<float>(backend, m, n)});
    return Workload{
        [=, &backend] { backend.matmul(data->a, data->b, data->out); }, matmul_cost(m, n, k), {}};
  };
  return {"matmul", {{"m", m}, {"n", n}, {"k", k}}, prepare};
}

OpCase rank_all_case(int64_t users, int64_t items) {
  struct Data {
    Data(Backend& backend, uint64_t seed, int64_t M, int64_t n)
        : users(normals(backend, seed, 1, M, kDim)),
          items(normals(backend, seed, 2, n, kDim)),
          positives(backend, std::span<const int32_t>(draw_ids("uniform", n, M, seed))),
          positive_scores(backend, M),
          offsets(backend, M + 1),
          greater(backend, M),
          ties(backend, M) {}
    Tensor<float> users, items;
    Tensor<int32_t> positives;
    Tensor<float> positive_scores;  // 0: how many items beat it costs the same
    Tensor<int64_t> offsets;        // nothing is excluded
    Tensor<int32_t> greater, ties;
  };
  const auto prepare = [=](Backend& backend, uint64_t seed) {
    auto data = std::make_shared<Data>(backend, seed, users, items);
    const auto run = [=, &backend] {
      const Positives positives{data->positives, data->positive_scores};
      backend.count_items(RankQuery{data->users, data->items, {0, items}, positives},
                          Histories{data->offsets, {}}, RankCounts{data->greater, data->ties});
    };
    return Workload{run, rank_all_cost(users, items, kDim), {}};
  };
  return {"rank_all", {{"users", users}, {"items", items}, {"d", kDim}}, prepare};
}

}  // namespace

void add_layer_cases(const Sizes& sizes, std::vector<OpCase>& cases) {
  cases.push_back(gmf_case(sizes.batch));
  for (const float rate : {0.0f, 0.2f})
    for (const bool backward : {false, true})
      cases.push_back(attention_case(sizes.sequences, backward, rate));
  const int64_t tokens = sizes.sequences * kLongest;  // a batch of full sequences
  for (const bool backward : {false, true}) cases.push_back(layer_norm_case(tokens, backward));
  cases.push_back(matmul_case(tokens, kDim, kDim));
  for (const int64_t items : {kItems, sizes.table_rows})
    cases.push_back(rank_all_case(sizes.users, items));
}

}  // namespace mgqe::bench
