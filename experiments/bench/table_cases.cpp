// What embedding tables cost around the search: rows from codes or from a full table, the sort of a
// batch's ids, updates of the rows it touched, gradients of codebooks.
#include <algorithm>
#include <memory>

#include "experiments/bench/batch.hpp"
#include "experiments/bench/op_case.hpp"

namespace mgqe::bench {
namespace {

uint64_t key_of(uint64_t seed, RandomStream stream) { return stream_key(seed, stream); }

/// A full table, a batch of look-ups into it, and room for their rows.
struct GatherData {
  GatherData(Backend& backend, uint64_t seed, const std::string& law, int64_t n, int64_t B)
      : table(backend, n, kDim),
        lookups(backend, std::span<const int32_t>(draw_ids(law, n, B, seed))),
        rows(backend, B, kDim) {
    backend.fill_uniform(table, key_of(seed, RandomStream::kItemTable), -1.0f, 1.0f);
  }

  Tensor<float> table;
  Tensor<int32_t> lookups;
  Tensor<float> rows;
};

OpCase gather_case(int64_t n, int64_t B, const std::string& law) {
  const auto prepare = [=](Backend& backend, uint64_t seed) {
    auto data = std::make_shared<GatherData>(backend, seed, law, n, B);
    return Workload{[=, &backend] { backend.gather(data->table, data->lookups, data->rows); },
                    gather_cost(B, kDim),
                    {}};
  };
  return {"gather", {{"B", B}, {"n", n}, {"ids", law}, {"d", kDim}}, prepare};
}

/// n packed rows into n float rows, against as many look-ups into a full table of n rows.
OpCase decode_case(int64_t n, int64_t D, int bits) {
  const int64_t K = int64_t{1} << bits;
  const int64_t row_bytes = packed_row_bytes(static_cast<int>(D), bits);
  const auto prepare = [=](Backend& backend, uint64_t seed) {
    std::vector<uint8_t> bytes(static_cast<size_t>(n * row_bytes));
    for (size_t i = 0; i < bytes.size(); ++i)  // any bits are codes below 2^bits
      bytes[i] = static_cast<uint8_t>(i * 0x9E3779B97F4A7C15ull >> 56);
    auto packed =
        std::make_shared<Tensor<uint8_t>>(backend, std::span<const uint8_t>(bytes), row_bytes);
    auto codebook = std::make_shared<Tensor<float>>(backend, K, kDim);
    backend.fill_normal(*codebook, key_of(seed, RandomStream::kItemCodebook), 1.0f);
    auto uniform = std::make_shared<GatherData>(backend, seed, "uniform", n, n);
    auto zipf = std::make_shared<Tensor<int32_t>>(
        backend, std::span<const int32_t>(draw_ids("zipf", n, n, seed)));
    return Workload{
        [=, &backend] {
          backend.decode(*packed, bits, static_cast<int>(D), *codebook, uniform->rows);
        },
        decode_cost(n, row_bytes, kDim, K),
        {{"gather, uniform ids",
          [=, &backend] { backend.gather(uniform->table, uniform->lookups, uniform->rows); }},
         {"gather, Zipf ids",
          [=, &backend] { backend.gather(uniform->table, *zipf, uniform->rows); }}}};
  };
  return {"decode", {{"rows", n}, {"d", kDim}, {"D", D}, {"bits", bits}}, prepare};
}

OpCase deduplicate_case(int64_t n, int64_t B, const std::string& law) {
  const auto prepare = [=](Backend& backend, uint64_t seed) {
    auto batch = std::make_shared<Batch>(backend, law, n, B, seed);
    return Workload{[=, &backend] { batch->deduplicate(backend); },
                    deduplicate_cost(B, static_cast<double>(batch->host_distinct.size())),
                    {}};
  };
  return {"deduplicate", {{"B", B}, {"n", n}, {"ids", law}}, prepare};
}

OpCase sparse_adam_case(int64_t n, int64_t B, const std::string& law) {
  struct Data {
    Data(Backend& backend, uint64_t seed, const std::string& law, int64_t n, int64_t B)
        : batch(backend, law, n, B, seed),
          table(backend, n, kDim),
          first(backend, n, kDim),
          second(backend, n, kDim),
          gradient(backend, B, kDim),
          state(backend, 1) {
      backend.fill_normal(gradient, key_of(seed, RandomStream::kItemTable), 1.0f);
      backend.begin_step(state, AdamOptions{});
    }
    Batch batch;
    Tensor<float> table, first, second, gradient;
    Tensor<StepState> state;
  };
  const auto prepare = [=](Backend& backend, uint64_t seed) {
    auto data = std::make_shared<Data>(backend, seed, law, n, B);
    const auto update = [=, &backend] {
      backend.sparse_adam(data->table, data->batch.unique(), data->gradient,
                          Moments{data->first, data->second}, AdamOptions{}, data->state);
    };
    const auto distinct = static_cast<double>(data->batch.host_distinct.size());
    return Workload{update, sparse_adam_cost(B, distinct, kDim), {}};
  };
  return {"sparse_adam", {{"B", B}, {"n", n}, {"ids", law}, {"d", kDim}}, prepare};
}

/// Queries, codebook and codes of the distinct ids of a batch.
struct CodebookData {
  CodebookData(Backend& backend, uint64_t seed, int64_t n, int64_t B, int64_t D, int64_t K)
      : batch(backend, "zipf", n, B, seed),
        queries(backend, n, kDim),
        codebook(backend, K, kDim),
        half_norms(backend, K, D),
        gradient(backend, K, kDim),
        decoded(backend, B, kDim),
        codes(backend, B, D) {
    backend.fill_normal(queries, key_of(seed, RandomStream::kItemTable), 1.0f);
    backend.fill_normal(codebook, key_of(seed, RandomStream::kItemCodebook), 1.0f);
    backend.half_norms(codebook, static_cast<int>(D), half_norms);
    backend.assign(queries, RowSet::of(batch.unique()), codebook, half_norms, head_and_tail(n),
                   codes, decoded, {});
  }

  Batch batch;
  Tensor<float> queries, codebook, half_norms, gradient, decoded;
  Tensor<uint8_t> codes;
};

OpCase codebook_gradient_case(int64_t n, int64_t B, int64_t D) {
  constexpr int64_t kCentroids = 256;
  const auto prepare = [=](Backend& backend, uint64_t seed) {
    auto data = std::make_shared<CodebookData>(backend, seed, n, B, D, kCentroids);
    const auto run = [=, &backend] {
      backend.codebook_gradient(data->queries, data->batch.unique(), head_and_tail(n), data->codes,
                                data->codebook, 1.0f, data->gradient);
    };
    const auto distinct = static_cast<double>(data->batch.host_distinct.size());
    return Workload{run, codebook_gradient_cost(distinct, kDim, D, kCentroids), {}};
  };
  return {"codebook_gradient",
          {{"B", B}, {"n", n}, {"ids", "zipf"}, {"d", kDim}, {"D", D}, {"K", "256/64"}},
          prepare};
}

OpCase softmax_backward_case(int64_t rows, int64_t D, int64_t K) {
  struct Data {
    Data(Backend& backend, uint64_t seed, int64_t rows, int64_t D, int64_t K)
        : queries(backend, rows, kDim),
          gradient(backend, rows, kDim),
          keys(backend, K, kDim),
          values(backend, K, kDim),
          codes(backend, rows, D),
          query_gradient(backend, rows, kDim),
          key_gradient(backend, K, kDim),
          value_gradient(backend, K, kDim) {
      backend.fill_normal(queries, key_of(seed, RandomStream::kItemTable), 1.0f);
      backend.fill_normal(gradient, key_of(seed, RandomStream::kUserTable), 1.0f);
      backend.fill_normal(keys, key_of(seed, RandomStream::kItemCodebook), 1.0f);
      backend.fill_normal(values, key_of(seed, RandomStream::kUserCodebook), 1.0f);
      std::vector<uint8_t> host(static_cast<size_t>(rows * D));
      for (size_t i = 0; i < host.size(); ++i)
        host[i] = static_cast<uint8_t>(i * 31 % static_cast<size_t>(K));
      codes.assign(host);
    }
    Tensor<float> queries, gradient, keys, values;
    Tensor<uint8_t> codes;
    Tensor<float> query_gradient, key_gradient, value_gradient;
  };
  const auto prepare = [=](Backend& backend, uint64_t seed) {
    auto data = std::make_shared<Data>(backend, seed, rows, D, K);
    const auto run = [=, &backend] {
      backend.softmax_backward(
          SoftmaxRows{data->queries, RowSet::range(0, rows), data->codes, data->gradient},
          data->keys, data->values,
          SoftmaxGradients{data->query_gradient, data->key_gradient, data->value_gradient});
    };
    return Workload{run, softmax_backward_cost(rows, kDim, D, K), {}};
  };
  return {"softmax_backward", {{"rows", rows}, {"d", kDim}, {"D", D}, {"K", K}}, prepare};
}

}  // namespace

void add_table_cases(const Sizes& sizes, std::vector<OpCase>& cases) {
  const int64_t n = sizes.table_rows, B = sizes.batch;
  for (const int bits : {8, 6}) cases.push_back(decode_case(n, 8, bits));
  for (const std::string law : {"uniform", "zipf"}) cases.push_back(gather_case(n, B, law));
  for (const std::string law : {"zipf", "uniform"}) cases.push_back(deduplicate_case(n, B, law));
  for (const std::string law : {"zipf", "uniform"}) cases.push_back(sparse_adam_case(n, B, law));
  for (const int64_t D : {8, 32}) cases.push_back(codebook_gradient_case(n, B, D));
  // Its arithmetic is hundreds of times that of the others, by row.
  for (const int64_t D : {8, 32})
    cases.push_back(softmax_backward_case(std::max<int64_t>(1, B / 16), D, 256));
}

}  // namespace mgqe::bench
