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

/// A served table of two tiers (K = 256 / 64, D = 8): head rows of 8 bytes, tail rows of 6.
struct ServedTable {
  ServedTable(Backend& backend, uint64_t seed, int64_t n) : codebook(backend, 256, kDim) {
    backend.fill_normal(codebook, key_of(seed, RandomStream::kItemCodebook), 1.0f);
    view.ranges = head_and_tail(n);
    view.dim = kDim;
    for (int t = 0; t < view.ranges.count; ++t) {
      CodedTier& tier = view.tiers[t];
      tier = {nullptr, codebook.data(), code_bits(view.ranges.centroids[t]), kSubspaces};
      std::vector<uint8_t> bytes(static_cast<size_t>(view.ranges.rows(t) * tier.row_bytes()));
      for (size_t i = 0; i < bytes.size(); ++i)  // any bits are codes below 2^bits
        bytes[i] = static_cast<uint8_t>(i * 0x9E3779B97F4A7C15ull >> 56);
      codes[t] = Tensor<uint8_t>(backend, std::span<const uint8_t>(bytes), tier.row_bytes());
      tier.codes = codes[t].data();
    }
  }

  static constexpr int kSubspaces = 8;
  Tensor<float> codebook;
  Tensor<uint8_t> codes[kMaxTiers];
  PackedTiers view;
};

/// B look-ups into a served table, against the same look-ups into a full table.
template <class T>
OpCase decode_rows_case(const std::string& name, int64_t n, int64_t B, const std::string& law) {
  const auto prepare = [=](Backend& backend, uint64_t seed) {
    auto served = std::make_shared<ServedTable>(backend, seed, n);
    auto full = std::make_shared<GatherData>(backend, seed, law, n, B);
    auto rows = std::make_shared<Tensor<T>>(backend, B, kDim);
    const RowSet ids = RowSet::of(full->lookups.view());
    const auto decode = [=, &backend] { backend.decode_rows(served->view, ids, *rows); };
    const auto gather = [=, &backend] { backend.gather(full->table, full->lookups, full->rows); };
    // Codes of 8 or 6 bytes a row, taken as 7; the codebook once.
    const double bytes = B * (sizeof(int32_t) + 7.0 + sizeof(T) * kDim) + 4.0 * 256 * kDim;
    return Workload{decode, {bytes, 0}, {{"gather, same ids", gather}}};
  };
  return {name,
          {{"B", B}, {"n", n}, {"D", ServedTable::kSubspaces}, {"ids", law}, {"d", kDim}},
          prepare};
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

/// A row rule with what it is called and costs.
struct RowRuleCase {
  const char* name;
  RowRule rule;
  Cost (*cost)(double B, double U, double d);
};

constexpr RowRuleCase kRowRules[] = {
    {"sparse_adam", RowRule::kSparseAdam, sparse_adam_cost},
    {"rowwise_adagrad", RowRule::kRowwiseAdagrad, rowwise_adagrad_cost},
    {"sgd", RowRule::kSgd, sgd_cost}};

OpCase update_rows_case(const RowRuleCase& rule, int64_t n, int64_t B, const std::string& law) {
  struct Data {
    Data(Backend& backend, uint64_t seed, const std::string& law, int64_t n, int64_t B,
         RowRule rule)
        : batch(backend, law, n, B, seed),
          table(backend, n, kDim),
          gradient(backend, B, kDim),
          state(backend, 1) {
      update.rule = rule;
      if (rule == RowRule::kSparseAdam) {
        first = Tensor<float>(backend, n, kDim);
        second = Tensor<float>(backend, n, kDim);
        update.moments = {first, second};
      } else if (rule == RowRule::kRowwiseAdagrad) {
        first = Tensor<float>(backend, n);
        update.square_sums = first;
      }
      backend.fill_normal(gradient, key_of(seed, RandomStream::kItemTable), 1.0f);
      backend.begin_step(state, AdamOptions{});
    }
    Batch batch;
    Tensor<float> table, gradient, first, second;
    RowUpdate update;
    Tensor<StepState> state;
  };
  const auto prepare = [=](Backend& backend, uint64_t seed) {
    auto data = std::make_shared<Data>(backend, seed, law, n, B, rule.rule);
    const auto update = [=, &backend] {
      backend.update_rows(data->table, data->batch.unique(), data->gradient, data->update,
                          data->state);
    };
    const auto distinct = static_cast<double>(data->batch.host_distinct.size());
    return Workload{update, rule.cost(static_cast<double>(B), distinct, kDim), {}};
  };
  return {rule.name, {{"B", B}, {"n", n}, {"ids", law}, {"d", kDim}}, prepare};
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

/// The pass of a training step, against the three ops it stands for.
OpCase assign_with_gradient_case(int64_t n, int64_t B, int64_t D) {
  constexpr int64_t kCentroids = 256;
  const auto prepare = [=](Backend& backend, uint64_t seed) {
    auto data = std::make_shared<CodebookData>(backend, seed, n, B, D, kCentroids);
    const Tiers tiers = head_and_tail(n);
    const auto fused = [=, &backend] {
      backend.assign_with_gradient(data->queries, data->batch.unique(), data->codebook, tiers, 1.0f,
                                   {data->half_norms, data->codes}, data->decoded, data->gradient);
    };
    const auto apart = [=, &backend] {
      backend.half_norms(data->codebook, static_cast<int>(D), data->half_norms);
      backend.assign(data->queries, RowSet::of(data->batch.unique()), data->codebook,
                     data->half_norms, tiers, data->codes, data->decoded, {});
      backend.codebook_gradient(data->queries, data->batch.unique(), tiers, data->codes,
                                data->codebook, 1.0f, data->gradient);
    };
    const std::vector<int32_t>& ids = data->batch.host_distinct;
    const auto distinct = static_cast<double>(ids.size());
    return Workload{
        fused,
        assign_with_gradient_cost(distinct, static_cast<double>(searched_centroids(tiers, ids)),
                                  kDim, kCentroids),
        {{"assign, then codebook_gradient", apart}}};
  };
  return {"assign_with_gradient",
          {{"B", B}, {"n", n}, {"ids", "zipf"}, {"d", kDim}, {"D", D}, {"K", "256/64"}},
          prepare};
}

OpCase softmax_backward_case(int64_t rows, int64_t D, int64_t K) {
  struct Data {
    Data(Backend& backend, uint64_t seed, int64_t rows, int64_t D, int64_t K)
        : queries(backend, rows, kDim),
          gradient(backend, rows, kDim),
          keys(backend, K, kDim),
          offsets(backend, K, D),
          values(backend, K, kDim),
          codes(backend, rows, D),
          query_gradient(backend, rows, kDim),
          key_gradient(backend, K, kDim),
          offset_gradient(backend, K, D),
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
    Tensor<float> queries, gradient, keys, offsets, values;
    Tensor<uint8_t> codes;
    Tensor<float> query_gradient, key_gradient, offset_gradient, value_gradient;
  };
  const auto prepare = [=](Backend& backend, uint64_t seed) {
    auto data = std::make_shared<Data>(backend, seed, rows, D, K);
    const auto run = [=, &backend] {
      backend.softmax_backward(
          SoftmaxRows{data->queries, RowSet::range(0, rows), data->codes, data->gradient},
          SoftmaxKeys{data->keys, data->offsets}, data->values,
          SoftmaxGradients{data->query_gradient, data->key_gradient, data->offset_gradient,
                           data->value_gradient});
    };
    return Workload{run, softmax_backward_cost(rows, kDim, D, K), {}};
  };
  return {"softmax_backward", {{"rows", rows}, {"d", kDim}, {"D", D}, {"K", K}}, prepare};
}

}  // namespace

void add_table_cases(const Sizes& sizes, std::vector<OpCase>& cases) {
  const int64_t n = sizes.table_rows, B = sizes.batch;
  for (const int bits : {8, 6}) cases.push_back(decode_case(n, 8, bits));
  for (const std::string law : {"uniform", "zipf"}) {
    cases.push_back(decode_rows_case<float>("decode_rows", n, B, law));
    cases.push_back(decode_rows_case<Half>("decode_rows f16", n, B, law));
    cases.push_back(gather_case(n, B, law));
  }
  for (const std::string law : {"zipf", "uniform"}) cases.push_back(deduplicate_case(n, B, law));
  for (const RowRuleCase& rule : kRowRules)
    for (const std::string law : {"zipf", "uniform"})
      cases.push_back(update_rows_case(rule, n, B, law));
  for (const int64_t D : {8, 32}) cases.push_back(codebook_gradient_case(n, B, D));
  // The last at the size of a training step, where the codebook's own work shows.
  for (const int64_t D : {8, 32}) cases.push_back(assign_with_gradient_case(n, B, D));
  for (const int64_t D : {8, 32}) cases.push_back(assign_with_gradient_case(n, B / 256, D));
  // Its arithmetic is hundreds of times that of the others, by row.
  for (const int64_t D : {8, 32})
    cases.push_back(softmax_backward_case(std::max<int64_t>(1, B / 16), D, 256));
}

}  // namespace mgqe::bench
