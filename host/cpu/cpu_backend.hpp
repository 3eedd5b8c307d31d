// CpuBackend: every op on the threads of the pool. Results do not depend on the number of threads.
#pragma once

#include <vector>

#include "host/cpu/assign_task.hpp"
#include "host/cpu/runtime/parallel.hpp"
#include "host/engine/functors/elementwise.hpp"

namespace mgqe {

class CpuBackend : public Elementwise<CpuBackend> {
 public:
  void* allocate(size_t bytes) override;
  void release(void* pointer) noexcept override;
  void upload(void* device, const void* host, size_t bytes) override;
  void download(void* host, const void* device, size_t bytes) override;
  void zero(void* device, size_t bytes) override;

  std::string name() const override { return "cpu"; }
  std::string description() const override;
  std::string address() const override;  // the machine's name
  void synchronize() override {}
  int64_t free_bytes() const override;

  void sample_pairs(const PairSampler& sampler, View<const StepState> state, View<int32_t> users,
                    View<int32_t> items, View<float> labels) override;
  void frequency_order(View<const int64_t> counts, View<int32_t> order) override;
  void deduplicate(View<const int32_t> ids, int64_t id_limit, UniqueIds unique) override;

  void adam(View<float> parameter, View<const float> gradient, Moments moments, AdamOptions options,
            View<const StepState> state) override;
  void update_rows(View<float> table, const UniqueIds& unique, View<const float> gradient,
                   const RowUpdate& update, View<const StepState> state) override;
  void sum_gradients(const UniqueIds& unique, View<const float> gradient,
                     View<float> table_gradient) override;
  void sum_positions(View<const float> x, Sequences sequences, View<float> sums) override;

  void half_norms(View<const float> codebook, int subspaces, View<float> half_norms) override;
  void assign(View<const float> queries, RowSet rows, View<const float> codebook,
              View<const float> half_norms, const Tiers& tiers, View<uint8_t> codes,
              View<float> decoded, View<float> squared_error) override;
  void assign_with_gradient(View<const float> queries, const UniqueIds& unique,
                            View<const float> codebook, const Tiers& tiers, float scale,
                            const AssignScratch& scratch, View<float> decoded,
                            View<float> gradient) override;
  void decode_rows(const PackedTiers& table, RowSet rows, View<float> out) override;
  void decode_rows(const PackedTiers& table, RowSet rows, View<Half> out) override;
  void codebook_gradient(View<const float> queries, const UniqueIds& unique, const Tiers& tiers,
                         View<const uint8_t> codes, View<const float> codebook, float scale,
                         View<float> gradient) override;
  void distance_sums(View<const float> queries, const UniqueIds& unique, const Tiers& tiers,
                     View<const float> codebook, View<double> partials) override;
  void assign_normalized(View<const float> queries, RowSet rows, View<const float> codebook,
                         View<const float> moments, const Tiers& tiers, View<uint8_t> codes,
                         View<float> decoded, View<float> squared_error) override;
  void softmax_backward(const SoftmaxRows& rows, const SoftmaxKeys& keys, View<const float> values,
                        const SoftmaxGradients& gradients) override;

  void matmul(Operand a, Operand b, View<float> out, bool accumulate) override;
  void sum_rows(View<const float> x, View<float> sums) override;
  void layer_norm(View<const float> x, View<const float> gain, View<const float> bias,
                  float epsilon, View<float> out, View<float> stats) override;
  void layer_norm_backward(View<const float> x, View<const float> gain, View<const float> stats,
                           View<const float> out_gradient, View<float> x_gradient, bool accumulate,
                           View<float> gain_gradient, View<float> bias_gradient) override;
  void attention(const AttentionInput& input, Sequences sequences, Dropout dropout,
                 View<const StepState> state, View<float> out, View<float> log_sums) override;
  void attention_backward(const AttentionInput& input, Sequences sequences, Dropout dropout,
                          View<const StepState> state, View<const float> out,
                          View<const float> log_sums, View<const float> out_gradient,
                          const AttentionGradients& gradients) override;
  void attention_of_last(const AttentionInput& input, Sequences sequences,
                         View<float> out) override;

  void gather_features(Lookup rows, View<const int32_t> places, View<float> out) override;
  void part_features(View<const float> x, View<const int32_t> places, View<float> out) override;
  void dot_pairs(View<const float> x, int64_t dim, View<float> out) override;
  void dot_pairs_backward(View<const float> x, int64_t dim, View<const float> out_gradient,
                          View<float> x_gradient) override;

  void gmf_forward(Lookup users, Lookup items, View<const float> weights,
                   View<float> logits) override;
  void gmf_backward(Lookup users, Lookup items, View<const float> weights,
                    View<const float> logit_gradient, View<float> user_gradient,
                    View<float> item_gradient, View<float> weight_gradient) override;
  void accumulate(View<const float> x, View<double> sum) override;

  void count_codes(View<const uint8_t> codes, View<int32_t> counts) override;
  void count_items(const RankQuery& query, Histories excluded, RankCounts counts) override;
  void count_candidates(const RankQuery& query, View<const int32_t> candidates,
                        RankCounts counts) override;

  int fma_workers() const override { return thread_count(); }
  int64_t run_fma_chains(int64_t steps, float factor, float addend, View<float> sums) override;
  void copy(View<const float> x, View<float> out) override;
  void fill(View<float> x, float value) override;

  /// Elements below which a second thread costs more than it brings.
  static constexpr int64_t kElementGrain = 4096;

  template <class F>
  void for_each(int64_t n, const F& f) {
    parallel_ranges(n, kElementGrain, [&f](int64_t begin, int64_t end) {
#pragma GCC ivdep
      for (int64_t i = begin; i < end; ++i) f(i);
    });
  }
  template <class F>
  void for_each_cell(int64_t rows, int64_t cols, const F& f) {
    parallel_ranges(rows, row_grain(cols), [&f, cols](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
#pragma GCC ivdep
        for (int64_t c = 0; c < cols; ++c) f(r, c);
      }
    });
  }
  template <class F>
  void for_each_row(int64_t rows, int64_t cols, const F& f) {
    parallel_ranges(rows, row_grain(cols), [&f](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) f(r);
    });
  }

 private:
  static int64_t row_grain(int64_t cols) {
    return std::max<int64_t>(1, kElementGrain / std::max<int64_t>(1, cols));
  }

  std::vector<uint64_t> sort_keys_, sort_buffer_;  // deduplicate
  std::vector<float> packed_codebook_;             // assign
  std::vector<AssignBlock> assign_blocks_;         // assign
  std::vector<float> transposed_codebook_;         // distance_sums, assign_normalized
  std::vector<float> softmax_scratch_;             // softmax_backward
  std::vector<Half> half_codebooks_;               // decode_rows
  std::vector<float> partials_;  // gmf_backward, matmul, sum_rows, layer_norm_backward
};

}  // namespace mgqe
