// Backend: the engine's instruction set. Models, trainer and evaluator drive a device through it
// alone and never ask which device it is. Every op is asynchronous in one stream per backend;
// Memory::download and synchronize() wait.
//
// Shapes: B look-ups in a batch, n rows, d dimensions, D subspaces of width w = d / D, K centroids.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "host/core/quant_math.hpp"
#include "host/core/sampling.hpp"
#include "host/core/tensor.hpp"

namespace mgqe {

/// B look-ups into a matrix of rows: look-up b reads rows.row(index[b]). A full table is its own
/// rows (index = ids, nothing is copied); a quantized one decodes each distinct id once.
struct Lookup {
  View<const float> rows;     // (R, d)
  View<const int32_t> index;  // (B)
};

/// The distinct ids of a batch and who asked for them: sorted once, used by forward and backward.
struct UniqueIds {
  View<int32_t> ids;      // (B) the first *count are the distinct ids, ascending
  View<int32_t> offsets;  // (B + 1) look-ups of distinct id u: order[offsets[u] .. offsets[u+1])
  View<int32_t> order;    // (B) look-up positions sorted by (id, position)
  View<int32_t> inverse;  // (B) look-up b is distinct id number inverse[b]
  View<int32_t> count;    // (1)
};

/// Rows of a table an op works on: ids[0 .. *count), or all of first, first + 1, ... without ids.
struct RowSet {
  const int32_t* ids = nullptr;
  const int32_t* count = nullptr;  // in device memory; null: all `capacity` rows
  int64_t first = 0;
  int64_t capacity = 0;

  static RowSet range(int64_t first, int64_t rows) { return {nullptr, nullptr, first, rows}; }
  static RowSet of(const UniqueIds& unique) {
    return {unique.ids.data, unique.count.data, 0, unique.ids.rows};
  }
  MGQE_HD int64_t size() const { return count == nullptr ? capacity : *count; }
  MGQE_HD int64_t operator[](int64_t i) const { return ids == nullptr ? first + i : ids[i]; }
};

/// In double, because 1 - beta2 would lose half its digits in float.
struct AdamOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
};

/// Adam's running means of the gradient and its square, shaped like the parameter.
struct Moments {
  View<float> first;
  View<float> second;
};

/// M users, each with the item it should have ranked first.
struct RankQuery {
  View<const float> users;        // (M, d)
  View<const float> items;        // (n, d)
  View<const int32_t> positives;  // (M)
};

/// How a positive stands among its candidates; the positive itself is not counted. A score that
/// cannot be compared (NaN) counts as better, so that a broken model never looks good.
struct RankCounts {
  View<int32_t> greater;  // (M) candidates that score strictly higher
  View<int32_t> ties;     // (M) candidates that score the same
};

class Backend : public Memory {
 public:
  /// "cpu" or "cuda:0".
  virtual std::string name() const = 0;
  /// For people: processor or GPU model, threads, instruction set.
  virtual std::string description() const = 0;
  virtual void synchronize() = 0;

  // ---- set-up -----------------------------------------------------------------------------------
  /// x[i] = stddev * normal(key, i).
  virtual void fill_normal(View<float> x, uint64_t key, float stddev) = 0;
  /// x[i] uniform in (low, high).
  virtual void fill_uniform(View<float> x, uint64_t key, float low, float high) = 0;
  /// order (n): ids by descending counts (n), ascending id on ties.
  virtual void frequency_order(View<const int64_t> counts, View<int32_t> order) = 0;

  // ---- batches ----------------------------------------------------------------------------------
  /// state (1): counts the step and refreshes Adam's step sizes. First op of every step.
  virtual void begin_step(View<StepState> state, AdamOptions options) = 0;
  /// Pairs [(step_in_epoch - 1) * batch, ... + B) of the epoch; users, items, labels (B).
  virtual void sample_pairs(const PairSampler& sampler, View<const StepState> state,
                            View<int32_t> users, View<int32_t> items, View<float> labels) = 0;
  /// Sorts the ids (B) of a batch, all in [0, id_limit).
  virtual void deduplicate(View<const int32_t> ids, int64_t id_limit, UniqueIds unique) = 0;

  // ---- optimizers -------------------------------------------------------------------------------
  /// torch.optim.Adam on every element.
  virtual void adam(View<float> parameter, View<const float> gradient, Moments moments,
                    AdamOptions options, View<const StepState> state) = 0;
  /// torch.optim.SparseAdam on the rows of table (n, d) that the batch touched: sums each row's
  /// look-up gradients (B, d) in look-up order and updates the row, in one pass.
  virtual void sparse_adam(View<float> table, const UniqueIds& unique, View<const float> gradient,
                           Moments moments, AdamOptions options, View<const StepState> state) = 0;
  /// table_gradient (n, d): rows of touched ids = sum of their look-up gradients (B, d), in look-up
  /// order; other rows are left alone.
  virtual void sum_gradients(const UniqueIds& unique, View<const float> gradient,
                             View<float> table_gradient) = 0;

  // ---- product quantization ---------------------------------------------------------------------
  /// half_norms (K, D): 0.5 ||c_jk||^2 of every centroid of codebook (K, d).
  virtual void half_norms(View<const float> codebook, int subspaces, View<float> half_norms) = 0;
  /// Row i of the set, r = rows[i]: codes[i, j] = argmin over k < tiers.limit(r) of
  /// ||queries[r, j] - codebook[k, j]||^2 (the lowest index on ties), decoded[i, j] = that
  /// centroid. queries (n, d), codebook (K, d), half_norms (K, D), codes (|rows|, D), decoded
  /// (|rows|, d). squared_error (|rows|), or empty: ||queries[r] - decoded[i]||^2.
  virtual void assign(View<const float> queries, RowSet rows, View<const float> codebook,
                      View<const float> half_norms, const Tiers& tiers, View<uint8_t> codes,
                      View<float> decoded, View<float> squared_error) = 0;
  /// gradient (K, d) of scale/2 * sum over look-ups and dimensions of (c - sg(e))^2, each distinct
  /// row weighted by its look-ups; zero where no look-up chose the centroid. codes (B, D) by
  /// distinct id.
  virtual void codebook_gradient(View<const float> queries, const UniqueIds& unique,
                                 View<const uint8_t> codes, View<const float> codebook, float scale,
                                 View<float> gradient) = 0;
  /// codes (m, D), one byte each -> packed (m, packed_row_bytes(D, bits)).
  virtual void pack_codes(View<const uint8_t> codes, int bits, View<uint8_t> packed) = 0;
  /// packed (m, packed_row_bytes(D, bits)) and codebook (K, d) -> rows (m, d).
  virtual void decode(View<const uint8_t> packed, int bits, int subspaces,
                      View<const float> codebook, View<float> rows) = 0;

  // ---- GMF and its loss (He et al. 2017, eq. 9): logit = sum_i w_i p_i q_i + bias
  // -----------------
  /// weights (d + 1), the bias last; logits (B).
  virtual void gmf_forward(Lookup users, Lookup items, View<const float> weights,
                           View<float> logits) = 0;
  /// From logit_gradient (B): user_gradient (B, d), item_gradient (B, d), weight_gradient (d + 1).
  virtual void gmf_backward(Lookup users, Lookup items, View<const float> weights,
                            View<const float> logit_gradient, View<float> user_gradient,
                            View<float> item_gradient, View<float> weight_gradient) = 0;
  /// losses[b] = BCE(sigmoid(logits[b]), labels[b]); gradient[b] = scale * d losses[b] / d
  /// logits[b].
  virtual void bce_with_logits(View<const float> logits, View<const float> labels, float scale,
                               View<float> losses, View<float> gradient) = 0;
  /// sum[0] += sum of x, in a fixed order.
  virtual void accumulate(View<const float> x, View<double> sum) = 0;

  // ---- ranking ----------------------------------------------------------------------------------
  /// out (m, d): out[i] = table[ids[i]].
  virtual void gather(View<const float> table, View<const int32_t> ids, View<float> out) = 0;
  /// out (m, d) = rows (m, d) * weights (d), column by column.
  virtual void scale_columns(View<const float> rows, View<const float> weights,
                             View<float> out) = 0;
  /// Candidates of user m: all n items but its excluded ones. Scores are ranking_score's.
  virtual void rank_all(const RankQuery& query, Histories excluded, RankCounts counts) = 0;
  /// Candidates of user m: row m of candidates (M, C); -1 stands for none.
  virtual void rank_candidates(const RankQuery& query, View<const int32_t> candidates,
                               RankCounts counts) = 0;
};

/// device: "auto" (a GPU where one is present, else the CPU), "cpu", "cuda" or "cuda:N".
std::unique_ptr<Backend> make_backend(const std::string& device);

}  // namespace mgqe
