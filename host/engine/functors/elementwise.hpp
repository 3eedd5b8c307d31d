// Elementwise<Derived>: turns each functor of *functors.hpp into the Backend virtual of the same
// name. Derived provides `template <class F> void for_each(int64_t n, const F& f)`: f(0) ... f(n -
// 1), in any order. A new elementwise op is a functor, a virtual and three lines here; no kernel.
#pragma once

#include "host/engine/functors/exchange_functors.hpp"
#include "host/engine/functors/feature_functors.hpp"
#include "host/engine/functors/functors.hpp"
#include "host/engine/functors/layer_functors.hpp"
#include "host/engine/functors/quantizer_functors.hpp"
#include "host/engine/functors/response_functors.hpp"

namespace mgqe {

/// Calls f(row, column) from a flat index.
template <class F>
struct SplitIndex {
  F f;
  int64_t cols;
  MGQE_HD void operator()(int64_t i) const {
    if ((static_cast<uint64_t>(i | cols) >> 32) != 0) return f(i / cols, i % cols);
    const auto narrow = static_cast<uint32_t>(i);  // 32-bit division is several times cheaper
    const auto row = narrow / static_cast<uint32_t>(cols);
    f(static_cast<int64_t>(row), static_cast<int64_t>(narrow - row * static_cast<uint32_t>(cols)));
  }
};

template <class Derived>
class Elementwise : public Backend {
 public:
  void fill_normal(View<float> x, uint64_t key, float stddev) override {
    run(x.size(), FillNormal{x, key, stddev});
  }
  void fill_uniform(View<float> x, uint64_t key, float low, float high) override {
    run(x.size(), FillUniform{x, key, low, high});
  }
  void begin_step(View<StepState> state, AdamOptions options) override {
    run(1, BeginStep{state, options});
  }
  void sample_pairs(const PairSampler& sampler, View<const StepState> state, View<int32_t> users,
                    View<int32_t> items, View<float> labels) override {
    run(users.size(), SamplePairs{sampler, state, users, items, labels});
  }
  void sample_scored_pairs(const ScoredPairSampler& sampler, View<const StepState> state,
                           View<int32_t> left, View<int32_t> right, View<float> targets) override {
    run(left.size(), SampleScoredPairs{sampler, state, left, right, targets});
  }
  void concatenate(View<const int32_t> first, View<const int32_t> second,
                   View<int32_t> out) override {
    run(out.size(), Concatenate{first, second, out});
  }
  void sample_sequences(const SequenceSampler& sampler, View<const StepState> state,
                        View<const int32_t> users, const SequenceTokens& tokens) override {
    run(users.size() * tokens.sequences.longest, SampleSequences{sampler, state, users, tokens});
  }
  void adam(View<float> parameter, View<const float> gradient, Moments moments, AdamOptions options,
            View<const StepState> state) override {
    run(parameter.size(), Adam{parameter, gradient, moments, options, state});
  }
  void sgd(View<float> parameter, View<const float> gradient, double learning_rate, double l2,
           View<const StepState> state) override {
    run(parameter.size(),
        Sgd{parameter, gradient, static_cast<float>(learning_rate), static_cast<float>(l2), state});
  }
  void widen_rows(View<const Bfloat16> table, RowSet rows, View<float> out) override {
    run_cells(out, WidenRows{table, rows, out});
  }
  void narrow_rows(View<const float> values, RowSet rows, const RowSharding& sharding, uint64_t key,
                   View<const StepState> state, View<Bfloat16> table) override {
    if (rows.capacity > 0)
      static_cast<Derived&>(*this).for_each_cell(
          rows.capacity, NarrowRows::groups(values.cols),
          NarrowRows{values, rows, sharding, key, state, table});
  }
  void round_to_half(View<const float> codebook, View<float> out) override {
    run(out.size(), RoundToHalf{codebook, out});
  }
  void half_norms(View<const float> codebook, int subspaces, View<float> half_norms) override {
    run(half_norms.size(), HalfNorms{codebook, subspaces, half_norms});
  }
  void pack_codes(View<const uint8_t> codes, int bits, View<uint8_t> packed) override {
    run(packed.size(), PackCodes{codes, bits, packed});
  }
  void gather(View<const float> table, View<const int32_t> ids, View<float> out) override {
    run_cells(out, Gather{table, ids, out});
  }
  void copy_values(View<const float> rows, View<float> out) override {
    run(out.size(), Copy{rows, out});
  }
  void scale_columns(View<const float> rows, View<const float> weights, View<float> out) override {
    run_cells(out, ScaleColumns{rows, weights, out});
  }

  void column_ranges(View<const float> table, View<float> partials, View<float> low,
                     View<float> high) override {
    MGQE_CHECK(partials.rows == 2 * range_chunks(table.rows), "partials of ", partials.rows,
               " rows for a table of ", table.rows);
    run(partials.size() / 2, PartialRanges{table, partials});
    run(low.size(), CombineRanges{partials, low, high});
  }
  void pack_cells(View<const float> rows, View<const float> low, View<const float> high, int bits,
                  View<uint8_t> packed) override {
    run(packed.size(), PackCells{rows, low, high, bits, packed});
  }
  void decode_cells(View<const uint8_t> packed, RowSet rows, int bits, View<const float> low,
                    View<const float> high, View<float> out) override {
    run(out.size(), DecodeCells{packed, rows, bits, low, high, out});
  }
  void hash_ids(RowSet ids, int64_t buckets, View<int32_t> rows) override {
    run(rows.size(), HashIds{ids, buckets, rows});
  }
  void divide_ids(RowSet ids, int64_t divisor, View<int32_t> quotients,
                  View<int32_t> remainders) override {
    run(ids.capacity, DivideIds{ids, divisor, quotients, remainders});
  }
  void multiply_rows(Lookup x, View<const float> factors, View<float> out) override {
    run_cells(out, MultiplyRows{x, factors, out});
  }
  void block_rows(View<const float> block, RowSet ids, int64_t begin, View<float> out) override {
    run_cells(out, BlockRows{block, ids, begin, out});
  }
  void block_ids(View<const int32_t> ids, int64_t begin, int64_t rows, View<int32_t> out) override {
    run(ids.size(), BlockIds{ids, begin, rows, out});
  }
  void leave_out_last(UniqueIds unique, int32_t id) override { run(1, LeaveOutLast{unique, id}); }
  void step_bounds(View<const float> log_steps, int bits, View<float> low,
                   View<float> high) override {
    run(log_steps.size(), StepBounds{log_steps, bits, low, high});
  }
  void round_to_steps(Lookup x, View<const float> low, View<const float> high, int bits,
                      View<float> out) override {
    run_cells(out, RoundToSteps{x, low, high, bits, out});
  }
  void round_to_steps_backward(Lookup x, View<const float> low, View<const float> high, int bits,
                               View<const float> gradient, View<float> x_gradient,
                               View<float> step_terms) override {
    run_cells(gradient, RoundToStepsBackward{x, low, high, bits, gradient, x_gradient, step_terms});
  }

  void commitment_gradient(View<const float> queries, const UniqueIds& unique,
                           View<const float> decoded, View<const float> gradient, float scale,
                           View<float> out) override {
    MGQE_DEBUG_CHECK(!overlap(out, decoded) && !overlap(out, queries),
                     "out lies over what every look-up of a row reads");
    run(out.size(), CommitmentGradient{queries, unique, decoded, gradient, scale, out});
  }
  void distance_sums(View<const float> queries, const UniqueIds& unique, const Tiers& tiers,
                     View<const float> codebook, View<double> partials) override {
    run(partials.rows, PartialDistanceMoments{queries, unique, tiers, codebook, partials});
  }
  void combine_moments(View<const double> partials, View<float> moments,
                       View<float> running) override {
    run(moments.rows, CombineDistanceMoments{partials, moments, running});
  }
  void assign_normalized(View<const float> queries, RowSet rows, View<const float> codebook,
                         View<const float> moments, const Tiers& tiers, View<uint8_t> codes,
                         View<float> decoded, View<float> squared_error) override {
    run(codes.size(), AssignNormalized{queries, rows, codebook, moments, tiers, codes, decoded});
    run(squared_error.size(), SquaredErrors{queries, rows, tiers, decoded, squared_error});
  }
  void row_moments(View<const float> queries, const UniqueIds& unique, View<double> sums) override {
    run(sums.size(), RowMoments{queries, unique, sums});
  }
  void response_moments(View<const double> sums, View<const float> keys, View<float> moments,
                        View<float> running) override {
    run(keys.rows, ResponseMoments{sums, keys, moments, running});
  }
  void scale_keys(View<const float> keys, ResponseScale scale, View<float> scaled,
                  View<float> offsets) override {
    run_cells(scaled, ScaleKeys{keys, scale, scaled, offsets});
  }
  void response_terms(const SoftmaxKeys& scaled, View<const float> key_gradient,
                      View<const float> offset_gradient, float temperature,
                      View<double> terms) override {
    run(terms.rows, ResponseTerms{scaled, key_gradient, offset_gradient, temperature, terms});
  }
  void scale_keys_backward(const SoftmaxKeys& scaled, ResponseScale scale, View<const double> sums,
                           View<const double> terms, double share,
                           View<float> key_gradient) override {
    run_cells(key_gradient, ScaleKeysBackward{scaled, scale, sums, terms, share, key_gradient});
  }
  void response_backward(View<const float> queries, const UniqueIds& unique,
                         const SoftmaxKeys& scaled, View<const double> sums,
                         View<const double> terms, View<float> map,
                         View<float> query_gradient) override {
    run(map.size(), ResponseMap{scaled, sums, terms, map});
    run_cells(query_gradient, ResponseBackward{queries, unique, map, query_gradient});
  }

  // ---- rows between ranks -----------------------------------------------------------------------
  void fill_normal_rows(View<float> x, const RowSharding& sharding, uint64_t key,
                        float stddev) override {
    run_cells(x, FillNormalRows<float>{x, sharding, key, stddev});
  }
  void fill_normal_rows(View<Bfloat16> x, const RowSharding& sharding, uint64_t key,
                        float stddev) override {
    if (x.size() > 0)
      static_cast<Derived&>(*this).for_each_cell(
          x.rows, x.cols, FillNormalRows<Bfloat16>{x, sharding, key, stddev});
  }
  void narrow(View<const float> x, View<Bfloat16> out) override { run(x.size(), Narrow{x, out}); }
  void shard_ids(View<const int32_t> ids, const RowSharding& sharding, View<int32_t> out) override {
    run(ids.size(), ShardIds{ids, sharding, out});
  }
  void local_rows(View<const int32_t> ids, const RowSharding& sharding,
                  View<int32_t> out) override {
    run(ids.size(), LocalRows{ids, sharding, out});
  }
  void keep_owned(View<const int32_t> ids, const RowSharding& sharding, View<float> rows) override {
    run_cells(rows, KeepOwned{ids, sharding, rows});
  }
  void route(const UniqueIds& sharded, const RowSharding& sharding, View<int32_t> ends,
             View<int32_t> local, View<int32_t> global, View<int32_t> lookups) override {
    run(ends.size(), FindOwners{sharded, sharding, ends});
    run(local.size(), Route{sharded, sharding, local, global, lookups});
  }
  void sum_repeats(const UniqueIds& unique, View<int32_t> weights) override {
    run(weights.size(), SumRepeats{unique, weights});
  }
  void codes_to_wire(View<const uint8_t> codes, View<const int32_t> index, View<const int32_t> ids,
                     const Tiers& tiers, View<uint8_t> wire) override {
    if (index.size() > 0)
      static_cast<Derived&>(*this).for_each_cell(index.size(), codes.cols,
                                                 CodesToWire{codes, index, ids, tiers, wire});
  }
  void wire_to_rows(View<const uint8_t> wire, View<const int32_t> ids, const Tiers& tiers,
                    int subspaces, View<const float> codebook, View<float> rows) override {
    run_cells(rows, WireToRows{wire, ids, tiers, subspaces, codebook, rows});
  }

  // ---- layers -----------------------------------------------------------------------------------
  void add_bias(View<const float> bias, View<float> x) override { run_cells(x, AddBias{bias, x}); }
  void add_bias_relu(View<const float> bias, View<float> x) override {
    run_cells(x, AddBiasRelu{bias, x});
  }
  void relu_backward(View<const float> output, View<float> gradient) override {
    run(gradient.size(), ReluBackward{output, gradient});
  }
  void add(View<const float> x, View<const float> y, View<float> out) override {
    run(out.size(), Add{x, y, out});
  }
  void dropout(View<const float> x, Dropout dropout, View<const StepState> state,
               View<float> out) override {
    if (dropout.rate > 0.0f)
      run(out.size(), ApplyDropout{x, dropout, state, out});
    else if (out.data != x.data)
      run(out.size(), Copy{x, out});
  }
  void add_bias_relu_dropout(View<const float> bias, Dropout dropout, View<const StepState> state,
                             View<float> x) override {
    if (dropout.rate > 0.0f)
      run_cells(x, AddBiasReluDropout{bias, dropout, state, x});
    else
      run_cells(x, AddBiasRelu{bias, x});
  }
  void relu_dropout_backward(View<const float> output, float rate, View<float> gradient) override {
    run(gradient.size(), ReluDropoutBackward{output, rate, gradient});
  }
  void add_bias_dropout_add(View<const float> bias, Dropout dropout, View<const StepState> state,
                            View<const float> residual, View<float> x) override {
    if (dropout.rate > 0.0f) {
      run_cells(x, AddBiasDropoutAdd{bias, dropout, state, residual, x});
    } else {
      run_cells(x, AddBias{bias, x});
      run(x.size(), Add{residual, x, x});
    }
  }
  void gather_features(Lookup rows, View<const int32_t> places, View<float> out) override {
    if (out.rows > 0 && places.size() > 0)
      static_cast<Derived&>(*this).for_each_cell(out.rows * places.size(), rows.rows.cols,
                                                 GatherFeatures{rows, places, out});
  }
  void part_features(View<const float> x, View<const int32_t> places, View<float> out) override {
    if (out.rows > 0 && places.size() > 0)
      static_cast<Derived&>(*this).for_each_cell(out.rows * places.size(), out.cols / places.size(),
                                                 PartFeatures{x, places, out});
  }
  void pool_bags(Lookup rows, View<const int32_t> ends, bool mean, int64_t first,
                 View<float> out) override {
    if (out.rows > 0)
      static_cast<Derived&>(*this).for_each_cell(out.rows, rows.rows.cols,
                                                 PoolBags{rows, ends, mean, first, out});
  }
  void spread_bags(View<const float> gradient, int64_t first, View<const int32_t> ends, bool mean,
                   View<float> rows) override {
    if (gradient.rows > 0)
      static_cast<Derived&>(*this).for_each_cell(gradient.rows, rows.cols,
                                                 SpreadBags{gradient, first, ends, mean, rows});
  }
  void take_columns(View<const float> x, int64_t first, View<float> out) override {
    run_cells(out, TakeColumns{x, first, out});
  }
  void put_columns(View<const float> x, int64_t first, View<float> out) override {
    run_cells(x, PutColumns{x, first, out});
  }
  void cross(View<const float> x0, View<const float> y, View<const float> bias, View<const float> x,
             View<float> out) override {
    run_cells(out, Cross{x0, y, bias, x, out});
  }
  void cross_backward(View<const float> x0, View<const float> y, View<const float> bias,
                      View<const float> out_gradient, View<float> y_gradient,
                      View<float> x0_gradient) override {
    run_cells(y_gradient, CrossBackward{x0, y, bias, out_gradient, y_gradient, x0_gradient});
  }
  void sequence_input(Lookup items, float scale, View<const float> positions,
                      View<const int32_t> position, Dropout dropout, View<const StepState> state,
                      View<float> out) override {
    const SequenceInput input{items, scale, positions, position, out};
    if (dropout.rate > 0.0f)
      run_cells(out, SequenceInputDropout{input, dropout, state});
    else
      run_cells(out, input);
  }
  void sum_positions(View<const float> x, Sequences sequences, View<float> sums) override {
    run_cells(sums, SumPositions{x, sequences, sums});
  }
  void row_dots(View<const float> x, Lookup y, View<float> out) override {
    run_rows(out.size(), x.cols, RowDots{x, y, out});
  }
  void row_dots_backward(View<const float> x, Lookup y, View<const float> out_gradient,
                         View<float> x_gradient, bool accumulate, View<float> y_gradient) override {
    if (accumulate)
      run_cells(x, RowDotsBackward<true>{x, y, out_gradient, x_gradient, y_gradient});
    else
      run_cells(x, RowDotsBackward<false>{x, y, out_gradient, x_gradient, y_gradient});
  }

  // ---- losses -----------------------------------------------------------------------------------
  void bce_with_logits(View<const float> logits, View<const float> labels, float scale,
                       View<float> losses, View<float> gradient) override {
    run(logits.size(), BceWithLogits{logits, labels, scale, losses, gradient});
  }
  void squared_loss(View<const float> predictions, View<const float> targets, float scale,
                    View<float> losses, View<float> gradient) override {
    run(predictions.size(), SquaredLoss{predictions, targets, scale, losses, gradient});
  }
  void add_item_biases(View<const float> biases, float mean, View<const int32_t> left,
                       View<const int32_t> right, View<float> predictions) override {
    run(predictions.size(), AddItemBiases{biases, mean, left, right, predictions});
  }

  // ---- ranking ----------------------------------------------------------------------------------
  void score_pairs(View<const float> users, View<const float> rows, View<float> scores) override {
    run_rows(scores.size(), rows.cols, ScorePairs{users, rows, scores});
  }
  void count_scores(const ScoreQuery& query, Histories excluded, RankCounts counts) override {
    run_rows(query.scores.rows, query.scores.cols, CountScores{query, excluded, counts});
  }
  void count_candidate_scores(const ScoreQuery& query, View<const int32_t> candidates,
                              RankCounts counts) override {
    run_rows(candidates.rows, candidates.cols, CountCandidateScores{query, candidates, counts});
  }

  /// f(row, column) over a matrix: here by splitting a flat index. A device to which the division
  /// is dear has its own of the same name.
  template <class F>
  void for_each_cell(int64_t rows, int64_t cols, const F& f) {
    static_cast<Derived&>(*this).for_each(rows * cols, SplitIndex<F>{f, cols});
  }
  /// f(row), each about `cols` elements of work.
  template <class F>
  void for_each_row(int64_t rows, int64_t, const F& f) {
    static_cast<Derived&>(*this).for_each(rows, f);
  }

 private:
  template <class F>
  void run(int64_t n, const F& f) {
    if (n > 0) static_cast<Derived&>(*this).for_each(n, f);
  }
  template <class F>
  void run_cells(View<const float> shape, const F& f) {
    if (shape.size() > 0) static_cast<Derived&>(*this).for_each_cell(shape.rows, shape.cols, f);
  }
  template <class F>
  void run_rows(int64_t rows, int64_t cols, const F& f) {
    if (rows > 0) static_cast<Derived&>(*this).for_each_row(rows, cols, f);
  }
};

}  // namespace mgqe
