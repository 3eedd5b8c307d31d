// What rows with many features cost: their look-ups, the cross layer of DCN-V2, the products of
// DLRM. Shapes are those of Criteo's fields.
#include <algorithm>
#include <memory>
#include <numeric>

#include "experiments/bench/batch.hpp"
#include "experiments/bench/op_case.hpp"

namespace mgqe::bench {
namespace {

constexpr int64_t kFields = 26;
constexpr int64_t kVectors = kFields + 1;  // and that of the dense numbers
constexpr int64_t kFeatureDim = 16;

OpCase gather_features_case(int64_t n, int64_t B) {
  struct Data {
    Data(Backend& backend, uint64_t seed, int64_t n, int64_t B)
        : table(normals(backend, seed, 1, n, kFeatureDim)),
          ids(backend, std::span<const int32_t>(draw_ids("zipf", n, B * kFields, seed))),
          out(backend, B, kFields * kFeatureDim) {
      std::vector<int32_t> order(kFields);
      std::iota(order.begin(), order.end(), 0);
      places = Tensor<int32_t>(backend, std::span<const int32_t>(order));
    }
    Tensor<float> table;
    Tensor<int32_t> ids, places;
    Tensor<float> out;
  };
  const auto prepare = [=](Backend& backend, uint64_t seed) {
    auto data = std::make_shared<Data>(backend, seed, n, B);
    return Workload{[=, &backend] {
                      backend.gather_features({data->table, data->ids}, data->places, data->out);
                    },
                    gather_features_cost(B, kFields, kFeatureDim),
                    {}};
  };
  return {"gather_features",
          {{"B", B}, {"fields", kFields}, {"n", n}, {"ids", "zipf"}, {"d", kFeatureDim}},
          prepare};
}

/// The ops that models/layers/cross_network and its trainable make of a layer.
OpCase cross_layer_case(int64_t B, bool backward) {
  constexpr int64_t n = kFields * kFeatureDim;
  struct Data {
    Data(Backend& backend, uint64_t seed, int64_t B)
        : x0(normals(backend, seed, 1, B, n)),
          x(normals(backend, seed, 2, B, n)),
          weights(normals(backend, seed, 3, n, n)),
          bias(normals(backend, seed, 4, n, 1)),
          gradient(normals(backend, seed, 5, B, n)),
          product(backend, B, n),
          out(backend, B, n),
          product_gradient(backend, B, n),
          x0_gradient(backend, B, n),
          weight_gradient(backend, n, n),
          bias_gradient(backend, n) {}
    Tensor<float> x0, x, weights, bias, gradient, product, out, product_gradient, x0_gradient,
        weight_gradient, bias_gradient;
  };
  const auto prepare = [=](Backend& backend, uint64_t seed) {
    auto data = std::make_shared<Data>(backend, seed, B);
    const auto forward = [=, &backend] {
      backend.matmul(data->x, data->weights, data->product);
      backend.cross(data->x0, data->product, data->bias, data->x, data->out);
    };
    forward();  // leaves the product that the backward reads
    if (!backward) return Workload{forward, cross_layer_cost(B, n), {}};
    const auto run = [=, &backend] {
      backend.cross_backward(data->x0, data->product, data->bias, data->gradient,
                             data->product_gradient, data->x0_gradient);
      backend.matmul(transposed(data->x), data->product_gradient, data->weight_gradient);
      backend.sum_rows(data->product_gradient, data->bias_gradient);
      backend.matmul(data->product_gradient, transposed(data->weights), data->out, true);
    };
    return Workload{run, cross_layer_backward_cost(B, n), {}};
  };
  return {backward ? "cross_layer_backward" : "cross_layer", {{"B", B}, {"n", n}}, prepare};
}

OpCase dot_pairs_case(int64_t B, int64_t d, bool backward) {
  struct Data {
    Data(Backend& backend, uint64_t seed, int64_t B, int64_t d)
        : x(normals(backend, seed, 1, B, kVectors * d)),
          gradient(normals(backend, seed, 2, B, kVectors * (kVectors - 1) / 2)),
          out(backend, B, kVectors * (kVectors - 1) / 2),
          x_gradient(backend, B, kVectors * d) {}
    Tensor<float> x, gradient, out, x_gradient;
  };
  const auto prepare = [=](Backend& backend, uint64_t seed) {
    auto data = std::make_shared<Data>(backend, seed, B, d);
    if (!backward)
      return Workload{[=, &backend] { backend.dot_pairs(data->x, d, data->out); },
                      dot_pairs_cost(B, kVectors, d),
                      {}};
    return Workload{
        [=, &backend] { backend.dot_pairs_backward(data->x, d, data->gradient, data->x_gradient); },
        dot_pairs_backward_cost(B, kVectors, d),
        {}};
  };
  return {backward ? "dot_pairs_backward" : "dot_pairs",
          {{"B", B}, {"vectors", kVectors}, {"d", d}},
          prepare};
}

}  // namespace

void add_feature_cases(const Sizes& sizes, std::vector<OpCase>& cases) {
  const int64_t rows = std::max<int64_t>(1, sizes.batch / 16);  // each has some sixteen look-ups
  cases.push_back(gather_features_case(sizes.table_rows, rows));
  for (const bool backward : {false, true}) cases.push_back(cross_layer_case(rows, backward));
  for (const int64_t d : {kFeatureDim, int64_t{128}})
    for (const bool backward : {false, true}) cases.push_back(dot_pairs_case(rows, d, backward));
}

}  // namespace mgqe::bench
