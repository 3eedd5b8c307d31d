// Quantized tables: product quantization (search, codebook gradient, packing), scalar
// quantization, hashing.
#pragma once

#include "host/base/half.hpp"
#include "host/engine/ops/types.hpp"
#include "host/packed/packed_tiers.hpp"

namespace mgqe {

/// Rows that one partial range of column_ranges covers.
inline constexpr int64_t kRangeChunk = 1024;
inline int64_t range_chunks(int64_t rows) { return (rows + kRangeChunk - 1) / kRangeChunk; }

/// Distinct rows that a softmax over keys encoded, and the gradient that comes back to them.
struct SoftmaxRows {
  View<const float> queries;   // (n, d)
  RowSet rows;                 // the rows of queries
  View<const uint8_t> codes;   // (|rows|, D)
  View<const float> gradient;  // (|rows|, d) of the loss by the decoded row, look-ups summed
};

/// What that softmax compares: score_jk = e_j . keys_jk - offsets_jk.
struct SoftmaxKeys {
  View<const float> keys;     // (K, d)
  View<const float> offsets;  // (K, D)
};

struct SoftmaxGradients {
  View<float> queries;  // (|rows|, d)
  View<float> keys;     // (K, d)
  View<float> offsets;  // (K, D)
  View<float> values;   // (K, d) of the value that each code chose
};

/// Keys whose responses e_j . key_jk are divided by a temperature and, where moments are given,
/// batch-normalized by index k before: scaled = key / divisor_k, offset = mean_k / divisor_k, where
/// divisor_k = sqrt(variance_k + kDistanceEpsilon) * temperature; without, mean 0 and temperature.
struct ResponseScale {
  View<const float> moments;  // (K, 2): mean, variance; or empty
  float temperature = 1.0f;
};

/// Room for a back end that searches first and sums the gradient afterwards.
struct AssignScratch {
  View<float> half_norms;  // (K, D)
  View<uint8_t> codes;     // (B, D)
};

class QuantizerOps {
 public:
  virtual ~QuantizerOps() = default;

  /// out (K, d) = codebook (K, d), each value rounded to binary16 as to_half does.
  virtual void round_to_half(View<const float> codebook, View<float> out) = 0;
  /// half_norms (K, D): 0.5 ||c_jk||^2 of every centroid of codebook (K, d).
  virtual void half_norms(View<const float> codebook, int subspaces, View<float> half_norms) = 0;
  /// Row i of the set, r = rows[i]: codes[i, j] = argmin over k < tiers.limit(r) of
  /// ||queries[r, j] - codebook[k, j]||^2 (the lowest index on ties), decoded[i, j] = that
  /// centroid. queries (n, d), codebook (K, d), half_norms (K, D), codes (|rows|, D), decoded
  /// (|rows|, d). squared_error (|rows|), or empty: ||queries[r] - decoded[i]||^2. Rows of a tier
  /// with limit 0 are not this codebook's: they are skipped, and what is written for them left
  /// alone.
  virtual void assign(View<const float> queries, RowSet rows, View<const float> codebook,
                      View<const float> half_norms, const Tiers& tiers, View<uint8_t> codes,
                      View<float> decoded, View<float> squared_error) = 0;
  /// gradient (K, d) of scale/2 * sum over look-ups and dimensions of (c - sg(e))^2, each distinct
  /// row weighted by its look-ups; zero where no look-up chose the centroid. codes (B, D) by
  /// distinct id. Rows of a tier with limit 0 are skipped.
  virtual void codebook_gradient(View<const float> queries, const UniqueIds& unique,
                                 const Tiers& tiers, View<const uint8_t> codes,
                                 View<const float> codebook, float scale, View<float> gradient) = 0;
  /// half_norms, assign of the distinct ids and codebook_gradient, with the same bits. Whether
  /// anything is left in scratch is the back end's own.
  virtual void assign_with_gradient(View<const float> queries, const UniqueIds& unique,
                                    View<const float> codebook, const Tiers& tiers, float scale,
                                    const AssignScratch& scratch, View<float> decoded,
                                    View<float> gradient) {
    half_norms(codebook, static_cast<int>(scratch.codes.cols), scratch.half_norms);
    assign(queries, RowSet::of(unique), codebook, scratch.half_norms, tiers, scratch.codes, decoded,
           {});
    codebook_gradient(queries, unique, tiers, scratch.codes, codebook, scale, gradient);
  }
  /// out (B, d) = gradient (B, d) by look-up + scale * (e - c), where e = queries[id] and
  /// c = decoded[inverse] of the look-up's distinct id: adds the gradient of scale/2 * sum of
  /// (sg(c) - e)^2. out may be gradient and overlaps nothing else: many look-ups read a row of
  /// decoded.
  virtual void commitment_gradient(View<const float> queries, const UniqueIds& unique,
                                   View<const float> decoded, View<const float> gradient,
                                   float scale, View<float> out) = 0;

  /// partials (K D, 3) by (k, j): the look-ups whose tier may use centroid index k, and the sums of
  /// their squared distances to it in subspace j and of the squares of those.
  virtual void distance_sums(View<const float> queries, const UniqueIds& unique, const Tiers& tiers,
                             View<const float> codebook, View<double> partials) = 0;
  /// Moments of the squared distances by centroid index k, pooled over look-ups and subspaces, from
  /// the partials of distance_sums: moments (K, 2) = mean, variance; running (K, 2) moves towards
  /// them by 1 - kDistanceMomentum. Where no look-up may use k, running stays and moments are
  /// running's.
  virtual void combine_moments(View<const double> partials, View<float> moments,
                               View<float> running) = 0;
  /// As assign, but argmin of (distance - mean_k) / sqrt(variance_k + kDistanceEpsilon) with
  /// moments (K, 2).
  virtual void assign_normalized(View<const float> queries, RowSet rows, View<const float> codebook,
                                 View<const float> moments, const Tiers& tiers, View<uint8_t> codes,
                                 View<float> decoded, View<float> squared_error) = 0;

  // ---- a softmax over keys (DPQ-SX) -------------------------------------------------------------
  /// Backward of a code chosen by argmax of score_k, with the softmax over k < K in its place
  /// (straight-through): output = sum_k y_k value_k with y one-hot, d y = d softmax(score).
  virtual void softmax_backward(const SoftmaxRows& rows, const SoftmaxKeys& keys,
                                View<const float> values, const SoftmaxGradients& gradients) = 0;
  /// Moments of responses e_j . key_jk come from those of rows alone: sums (d, w + 2) by component
  /// c, over look-ups: how many there are, the sum of e_c, the sums of e_c times each of the w
  /// components of its subspace.
  virtual void row_moments(View<const float> queries, const UniqueIds& unique,
                           View<double> sums) = 0;
  /// moments (K, 2) = mean and variance of the responses to keys (K, d) by index k, pooled over
  /// look-ups and subspaces; running (K, 2) as combine_moments has it. Of no look-ups moments are
  /// running's.
  virtual void response_moments(View<const double> sums, View<const float> keys,
                                View<float> moments, View<float> running) = 0;
  /// scaled (K, d) and offsets (K, D) of keys (K, d).
  virtual void scale_keys(View<const float> keys, ResponseScale scale, View<float> scaled,
                          View<float> offsets) = 0;
  /// What batch normalization's mean and variance pass back, from the gradients by scaled keys
  /// (K, d) and by offsets (K, D): terms (K, 2), summed over rows and subspaces: of the gradient by
  /// the score, and of its product with the score, times temperature^2.
  virtual void response_terms(const SoftmaxKeys& scaled, View<const float> key_gradient,
                              View<const float> offset_gradient, float temperature,
                              View<double> terms) = 0;
  /// key_gradient (K, d): by scaled keys -> by keys. share: of what the moments pass back, this
  /// rank's. sums and terms of all ranks, empty without moments.
  virtual void scale_keys_backward(const SoftmaxKeys& scaled, ResponseScale scale,
                                   View<const double> sums, View<const double> terms, double share,
                                   View<float> key_gradient) = 0;
  /// query_gradient (|unique|, d) by the scores alone -> with what the moments pass back: to a row
  /// of n look-ups n (v_c + sum_q m_cq e_q) less, where map (d, w + 1), which is written, has v_c
  /// and m_c.
  virtual void response_backward(View<const float> queries, const UniqueIds& unique,
                                 const SoftmaxKeys& scaled, View<const double> sums,
                                 View<const double> terms, View<float> map,
                                 View<float> query_gradient) = 0;

  /// counts (D, K) += how often each code is chosen in each subspace of codes (m, D), one byte
  /// each; a code of K or more is counted nowhere.
  virtual void count_codes(View<const uint8_t> codes, View<int32_t> counts) = 0;
  /// codes (m, D), one byte each -> packed (m, packed_row_bytes(D, bits)).
  virtual void pack_codes(View<const uint8_t> codes, int bits, View<uint8_t> packed) = 0;
  /// out (|rows|, d): the rows of a packed table, by range or by ids; the tier comes from the id.
  virtual void decode_rows(const PackedTiers& table, RowSet rows, View<float> out) = 0;
  /// The same, each value rounded to binary16 as to_half does.
  virtual void decode_rows(const PackedTiers& table, RowSet rows, View<Half> out) = 0;
  /// packed (m, packed_row_bytes(D, bits)) and codebook (K, d) -> rows (m, d).
  void decode(View<const uint8_t> packed, int bits, int subspaces, View<const float> codebook,
              View<float> rows) {
    decode_rows(PackedTiers::single(packed, bits, subspaces, codebook),
                RowSet::range(0, packed.rows), rows);
  }
  void decode(View<const uint8_t> packed, int bits, int subspaces, View<const float> codebook,
              View<Half> rows) {
    decode_rows(PackedTiers::single(packed, bits, subspaces, codebook),
                RowSet::range(0, packed.rows), rows);
  }

  /// low, high (d): least and greatest finite value of each column of table (n, d), 0 where it has
  /// none. partials (2 range_chunks(n), d) is scratch.
  virtual void column_ranges(View<const float> table, View<float> partials, View<float> low,
                             View<float> high) = 0;
  /// rows (m, d) -> packed (m, packed_row_bytes(d, bits)): the scalar_cell of every value, bits 1
  /// to 16; low, high (d).
  virtual void pack_cells(View<const float> rows, View<const float> low, View<const float> high,
                          int bits, View<uint8_t> packed) = 0;
  /// The inverse, of a set of rows of packed (n, row bytes): out (|rows|, d) = the middles of the
  /// buckets. The host knows the size of the set.
  virtual void decode_cells(View<const uint8_t> packed, RowSet rows, int bits,
                            View<const float> low, View<const float> high, View<float> out) = 0;

  /// rows (|ids|) = hash_bucket(ids[i], buckets). The host knows the size of the set.
  virtual void hash_ids(RowSet ids, int64_t buckets, View<int32_t> rows) = 0;

  // ---- rows that are made of others -------------------------------------------------------------
  /// quotients, remainders (|ids|) of ids by divisor; either may be empty. The host knows the size.
  virtual void divide_ids(RowSet ids, int64_t divisor, View<int32_t> quotients,
                          View<int32_t> remainders) = 0;
  /// out (B, d): the row of look-up b times factors (B, d), or times the one of factors (B, 1). out
  /// may be factors.
  virtual void multiply_rows(Lookup x, View<const float> factors, View<float> out) = 0;
  /// out (|ids|, w): of ids in [begin, begin + block.rows) the row id - begin of block (n, w), 0 of
  /// others. The host knows the size of the set.
  virtual void block_rows(View<const float> block, RowSet ids, int64_t begin, View<float> out) = 0;
  /// out (B): of ids (B) in [begin, begin + rows) id - begin, of others `rows`.
  virtual void block_ids(View<const int32_t> ids, int64_t begin, int64_t rows,
                         View<int32_t> out) = 0;
  /// Takes id out of the distinct ids of a batch, where it is the last of them in ascending order.
  virtual void leave_out_last(UniqueIds unique, int32_t id) = 0;

  // ---- learned steps (LSQ; Esser et al. 2020) ---------------------------------------------------
  /// low, high (d): the bounds whose 2^bits cells have the middles e^log_steps[c] times -2^(bits-1)
  /// to 2^(bits-1) - 1.
  virtual void step_bounds(View<const float> log_steps, int bits, View<float> low,
                           View<float> high) = 0;
  /// out (B, d): every value of the look-ups at the middle of its scalar_cell, the nearest one.
  virtual void round_to_steps(Lookup x, View<const float> low, View<const float> high, int bits,
                              View<float> out) = 0;
  /// From gradient (B, d) by what round_to_steps gave: x_gradient (B, d), straight through but 0 at
  /// the first and the last middle and beyond; step_terms (B, d), whose column sums are the
  /// gradient by log_steps. x_gradient may be gradient.
  virtual void round_to_steps_backward(Lookup x, View<const float> low, View<const float> high,
                                       int bits, View<const float> gradient, View<float> x_gradient,
                                       View<float> step_terms) = 0;
};

}  // namespace mgqe
