// What ops take and give besides plain views. Trivially copyable, so that kernels take them by
// value.
//
// Shapes: B look-ups in a batch, n rows, d dimensions, D subspaces of width w = d / D, K centroids,
// T tokens in a batch of sequences.
#pragma once

#include <cstdint>
#include <limits>

#include "host/base/sampling.hpp"
#include "host/base/tensor.hpp"
#include "host/packed/quant_math.hpp"

namespace mgqe {

/// B look-ups into a matrix of rows: look-up b reads rows.row(index[b]). A full table is its own
/// rows (index = ids, nothing is copied); a quantized one decodes each distinct id once.
struct Lookup {
  View<const float> rows;     // (R, d)
  View<const int32_t> index;  // (B)
};

/// The distinct ids of a batch and who asked for them: sorted once, used by forward and backward;
/// ops ask no more of their order than that it is `order`'s. Among ranks one may stand for many.
struct UniqueIds {
  View<int32_t> ids;      // (B) the first *count: ascending, or, of what a rank asks, by owner
  View<int32_t> offsets;  // (B + 1) look-ups of distinct id u: order[offsets[u] .. offsets[u+1])
  View<int32_t> order;    // (B) look-up positions sorted by (id, position)
  View<int32_t> inverse;  // (B) look-up b is distinct id number inverse[b]
  View<int32_t> count;    // (1)
  View<const int32_t> repeats{};  // (B) look-ups that look-up b stands for; empty: one each
  View<const int32_t> weights{};  // (B) of distinct id u, its repeats summed; empty: its look-ups
  bool gathered = false;          // the table at hand has row ids[u] as its row u

  /// Where the table at hand has the row of distinct id u.
  MGQE_HD int64_t place(int64_t u) const { return gathered ? u : ids[u]; }

  MGQE_HD int32_t repeats_of(int64_t b) const { return repeats.data == nullptr ? 1 : repeats[b]; }
  MGQE_HD int32_t weight(int64_t u) const {
    return weights.data == nullptr ? offsets[u + 1] - offsets[u] : weights[u];
  }
};

/// Rows of a table an op works on: ids[0 .. *count), or all of first, first + 1, ... without ids.
struct RowSet {
  const int32_t* ids = nullptr;
  const int32_t* count = nullptr;  // in device memory; null: all `capacity` rows
  int64_t first = 0;
  int64_t capacity = 0;
  bool gathered = false;  // the table at hand has row number i of the set as its row i

  static RowSet range(int64_t first, int64_t rows) { return {nullptr, nullptr, first, rows}; }
  static RowSet of(const UniqueIds& unique) {
    return {unique.ids.data, unique.count.data, 0, unique.ids.rows, unique.gathered};
  }
  static RowSet of(View<const int32_t> ids) { return {ids.data, nullptr, 0, ids.rows}; }
  MGQE_HD int64_t size() const { return count == nullptr ? capacity : *count; }
  MGQE_HD int64_t operator[](int64_t i) const { return ids == nullptr ? first + i : ids[i]; }
  /// Where the table at hand has row number i.
  MGQE_HD int64_t place(int64_t i) const { return gathered ? i : (*this)[i]; }
};

/// In double, because 1 - beta2 would lose half its digits in float.
struct AdamOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double l2 = 0.0;  // added to the gradient: l2 * parameter, as torch's weight_decay does
};

/// Adam's running means of the gradient and its square, shaped like the parameter.
struct Moments {
  View<float> first;
  View<float> second;
};

/// An array under a dense optimizer.
struct DenseArray {
  View<float> parameter;
  View<const float> gradient;
  Moments moments;  // none under SGD
};

/// How a row of a table follows from its summed gradient g (d); row_rules.hpp has the formulas.
enum class RowRule { kSparseAdam, kRowwiseAdagrad, kSgd };

/// A rule and the state it keeps; the other views stay empty.
struct RowUpdate {
  RowRule rule = RowRule::kSparseAdam;
  AdamOptions options;      // Adagrad reads no betas, SGD the learning rate and l2 alone
  Moments moments;          // kSparseAdam: (n, d) each
  View<float> square_sums;  // kRowwiseAdagrad: (n) sum over steps of the mean of g^2
};

/// A matrix as one side of a product.
struct Operand {
  View<const float> matrix;
  bool transposed = false;

  Operand(View<const float> matrix) : matrix(matrix) {}
  Operand(View<float> matrix) : matrix(matrix) {}
  Operand(const Tensor<float>& matrix) : matrix(matrix.view()) {}

  int64_t rows() const { return transposed ? matrix.cols : matrix.rows; }
  int64_t cols() const { return transposed ? matrix.rows : matrix.cols; }
};
inline Operand transposed(Operand operand) {
  operand.transposed = !operand.transposed;
  return operand;
}

/// Of dense layers that stand beside each other.
struct BiasedRows {
  View<const float> bias;  // (n)
  View<float> x;           // (m, n)
};
struct SummedRows {
  View<const float> x;  // (m, n)
  View<float> sums;     // (n)
};

/// Which elements a layer drops in a step is a function of (key, step, element): nothing is stored.
struct Dropout {
  uint64_t key = 0;
  float rate = 0.0f;
  int64_t first_row = 0;  // number of the array's first row in the whole batch, of all ranks
};

/// B sequences of a batch, concatenated without padding: sequence b is the tokens
/// [offsets[b], offsets[b + 1]).
struct Sequences {
  View<const int32_t> offsets;  // (B + 1), from 0 to T
  int64_t longest = 0;          // no sequence has more tokens
};

struct AttentionInput {
  View<const float> q, k, v;  // (T, d); q of attention_of_last (S, d)
  int heads = 1;              // divides d
};

struct AttentionGradients {
  View<float> q, k, v;  // (T, d)
};

/// T tokens, each to be told from one sampled item by its score of the item that came next.
struct SampledLoss {
  View<const float> x;                                           // (T, d)
  Lookup positives, negatives;                                   // (T)
  float scale = 1.0f;                                            // of the gradients
  View<float> x_gradient, positive_gradient, negative_gradient;  // (T, d)
  // For a back end that goes op by op:
  View<const float> ones, zeros;               // (T)
  View<float> logits, losses, logit_gradient;  // (T)
};

/// Where sample_sequences writes: T tokens of B sequences.
struct SequenceTokens {
  Sequences sequences;
  View<int32_t> inputs;     // (T) item read
  View<int32_t> positions;  // (T) 0 .. max length - 1; the last token of a sequence has the highest
  View<int32_t> positives;  // (T) item that came next
  View<int32_t> negatives;  // (T) item outside the user's training set
};

/// A chunk of the catalogue, of consecutive items or of those that one rank has: row r of its
/// arrays is that of item first + r stride.
struct ItemChunk {
  int64_t first = 0;
  int64_t rows = 0;
  int64_t stride = 1;

  MGQE_HD int64_t item(int64_t row) const { return first + row * stride; }
  /// The row of an item; -1 where it is in another chunk.
  MGQE_HD int64_t place(int64_t item) const {
    const int64_t offset = item - first;
    if (offset < 0) return -1;
    const int64_t row = stride == 1 ? offset : offset / stride;
    return row < rows && row * stride == offset ? row : -1;
  }
};

/// What M users should each have ranked first.
struct Positives {
  View<const int32_t> items;  // (M), of any chunk
  View<const float> scores;   // (M)
};

/// Of a count that has to be exact.
inline constexpr int32_t kEveryItem = std::numeric_limits<int32_t>::max();

/// M users against the items of a chunk, whose scores are ranking_score's.
struct RankQuery {
  View<const float> users;  // (M, d)
  View<const float> items;  // (c, d)
  ItemChunk chunk;
  Positives positives;
  int32_t enough = kEveryItem;  // as RankCounts has it
};

/// The same where a backbone has computed the scores.
struct ScoreQuery {
  View<const float> scores;  // (M, c)
  ItemChunk chunk;
  Positives positives;
};

/// How a positive stands among its candidates; the positive itself is not counted. A score that
/// cannot be compared (NaN) counts as better, so that a broken model never looks good. Once there
/// are `enough` better ones, more may be left out, and ties with them: who asks for the first ten
/// need not know of an eleventh.
struct RankCounts {
  View<int32_t> greater;  // (M) candidates that score strictly higher
  View<int32_t> ties;     // (M) candidates that score the same
};

}  // namespace mgqe
