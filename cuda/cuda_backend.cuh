// CudaBackend: every op on one GPU, in one stream; ops that may run side by side go to a second.
// Each op is a launcher in <idea>.cu over bodies in <idea>_kernel.cuh. Grids are sized from
// capacities the host knows; counts that live in device memory (RowSet, UniqueIds) are read by the
// kernels alone, so nothing is read back.
#pragma once

#include <memory>
#include <optional>

#include "cuda/blas.cuh"
#include "cuda/device_memory.cuh"
#include "cuda/device_wait.cuh"
#include "cuda/elementwise_kernel.cuh"
#include "cuda/event.cuh"
#include "cuda/launch.cuh"
#include "host/engine/functors/elementwise.hpp"

namespace mgqe {

/// Blocks that give each of `items` a place, `per_block` to a block, but at most `limit`: kernels
/// stride over what is left. At least 1.
inline unsigned grid_for(int64_t items, int64_t per_block, int64_t limit) {
  const int64_t blocks = (items + per_block - 1) / per_block;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks < limit ? blocks : limit);
}

class CudaBackend final : public Elementwise<CudaBackend> {
 public:
  enum class Priority { kUsual, kHigh };  // of its stream
  /// first: whose second stream this is; it outlives it.
  explicit CudaBackend(int device, Priority priority = Priority::kUsual,
                       CudaBackend* first = nullptr);
  ~CudaBackend() override;
  CudaBackend(const CudaBackend&) = delete;
  CudaBackend& operator=(const CudaBackend&) = delete;

  void* allocate(size_t bytes) override;
  void release(void* pointer) noexcept override;
  void upload(void* device, const void* host, size_t bytes) override;
  void download(void* host, const void* device, size_t bytes) override;
  void zero(void* device, size_t bytes) override;

  std::string name() const override;
  std::string description() const override;
  std::string address() const override;  // the machine's name, and the GPU's place on its bus
  void synchronize() override;
  int64_t free_bytes() const override;

  std::unique_ptr<StepRunner> make_step_runner() override;
  std::unique_ptr<Backend> make_second_stream() override;
  void wait_for(Backend& other) override;
  void side_by_side(const std::function<void()>& first,
                    const std::function<void()>& second) override;
  double seconds_of(const std::function<void()>& work) override;
  int64_t launches() const override { return detail::launches; }
  void begin_range(const char* name) override;
  void end_range() noexcept override;

  void frequency_order(View<const int64_t> counts, View<int32_t> order) override;
  void deduplicate(View<const int32_t> ids, int64_t id_limit, UniqueIds unique) override;

  void adam_each(std::span<const DenseArray> arrays, AdamOptions options,
                 View<const StepState> state) override;
  void sgd_each(std::span<const DenseArray> arrays, double learning_rate, double l2,
                View<const StepState> state) override;
  void update_rows(View<float> table, const UniqueIds& unique, View<const float> gradient,
                   const RowUpdate& update, View<const StepState> state) override;
  void sum_gradients(const UniqueIds& unique, View<const float> gradient,
                     View<float> table_gradient) override;

  void assign(View<const float> queries, RowSet rows, View<const float> codebook,
              View<const float> half_norms, const Tiers& tiers, View<uint8_t> codes,
              View<float> decoded, View<float> squared_error) override;
  void decode_rows(const PackedTiers& table, RowSet rows, View<float> out) override;
  void decode_rows(const PackedTiers& table, RowSet rows, View<Half> out) override;
  void codebook_gradient(View<const float> queries, const UniqueIds& unique, const Tiers& tiers,
                         View<const uint8_t> codes, View<const float> codebook, float scale,
                         View<float> gradient) override;
  void distance_sums(View<const float> queries, const UniqueIds& unique, const Tiers& tiers,
                     View<const float> codebook, View<double> partials) override;
  void row_moments(View<const float> queries, const UniqueIds& unique, View<double> sums) override;
  void softmax_backward(const SoftmaxRows& rows, const SoftmaxKeys& keys, View<const float> values,
                        const SoftmaxGradients& gradients) override;

  void matmul(Operand a, Operand b, View<float> out, bool accumulate) override;
  void add_bias_each(std::span<const BiasedRows> all) override;
  void sum_rows(View<const float> x, View<float> sums) override;
  void sum_rows_each(std::span<const SummedRows> all) override;
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
  void row_dots(View<const float> x, Lookup y, View<float> out) override;
  void row_dots_backward(View<const float> x, Lookup y, View<const float> out_gradient,
                         View<float> x_gradient, bool accumulate, View<float> y_gradient) override;
  void sampled_loss(const SampledLoss& tokens, View<double> loss_sum) override;

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
  void count_scores(const ScoreQuery& query, Histories excluded, RankCounts counts) override;
  void count_candidate_scores(const ScoreQuery& query, View<const int32_t> candidates,
                              RankCounts counts) override;

  /// The stream that ops go to, with its device made current for the calling thread.
  cudaStream_t stream() const {
    MGQE_CUDA(cudaSetDevice(device_), "device ", device_);
    return lane_->stream;
  }
  /// Changes when scratch moves: launches recorded before name memory that is gone.
  uint64_t scratch_version() const {
    return lanes_[0].workspace.version() + lanes_[1].workspace.version();
  }

  /// Returns once `stream` is done, in a wait that other ranks know of.
  void wait(cudaStream_t stream) const { wait_for_stream(stream, watch()); }
  /// A stream of this device never gets done: nothing that it may use is given back any more, and
  /// the process is to end.
  void abandon() noexcept { root().abandoned_ = true; }

  int fma_workers() const override { return multiprocessors_; }
  int64_t cache_bytes() const override;
  int64_t run_fma_chains(int64_t steps, float factor, float addend, View<float> sums) override;
  void copy(View<const float> x, View<float> out) override;
  void fill(View<float> x, float value) override;

  /// Runs f(0) ... f(n - 1), n >= 1, a thread each.
  template <class F>
  void for_each(int64_t n, const F& f) {
    const unsigned grid = grid_for(n, kElementThreads, resident_blocks(kElementThreads));
    MGQE_LAUNCH(for_each_kernel<F>, grid, kElementThreads, 0, stream(), n, f);
  }

 private:
  /// Blocks of `threads` that fill the GPU a few times over: more only cost their start.
  int64_t resident_blocks(int threads) const {
    constexpr int kWaves = 4;
    return static_cast<int64_t>(kWaves) * multiprocessors_ *
           (threads_per_multiprocessor_ / threads);
  }
  /// out = sum over the live chunks of partials (chunks, out.size()), in chunk order.
  void sum_chunks(const float* partials, ChunkCount chunks, View<float> out);
  /// The same of up to kMostSums arrays of one size, whose partials (chunks, arrays, size) lie
  /// beside each other.
  void sum_chunks(const float* partials, ChunkCount chunks, std::span<const View<float>> outs);
  /// accumulate() with room for kAccumulateBlocks partial sums.
  static constexpr int kAccumulateBlocks = 128;
  void accumulate(View<const float> x, double* partials, View<double> sum);
  /// Every touched row by the rule of row_rules.hpp, from the sum of its look-up gradients (B, d).
  template <class Rule>
  void reduce_rows(const Rule& rule, const UniqueIds& unique, View<const float> gradient);
  template <class Shape, class Rule>
  void reduce_rows_as(const Rule& rule, const UniqueIds& unique, View<const float> gradient);

  /// A stream, and what ops that run in order in it share.
  struct Lane {
    cudaStream_t stream = nullptr;
    Workspace workspace;
    std::unique_ptr<Blas> blas;  // from the first matmul on
  };
  Workspace& workspace() { return lane_->workspace; }
  /// What is called in `waiting` from here on follows what has been called in `leading`.
  void hold_back(cudaStream_t waiting, cudaStream_t leading);

  /// What the ranks know of waits; null where this one is alone.
  DeviceWatch* watch() const { return dynamic_cast<DeviceWatch*>(&root().communicator()); }
  const CudaBackend& root() const { return first_ != nullptr ? *first_ : *this; }
  CudaBackend& root() { return first_ != nullptr ? *first_ : *this; }
  /// Waits for its streams; false where memory that they use must be left to them.
  bool come_to_rest() noexcept;

  int device_;
  CudaBackend* first_;
  bool abandoned_ = false;  // of the first of several streams
  int multiprocessors_ = 0;
  int threads_per_multiprocessor_ = 0;
  Lane lanes_[2];  // the second is that of side_by_side
  Lane* lane_ = lanes_;
  std::optional<Event> reached_;  // a place in a stream that another waits for
};

extern template class Elementwise<CudaBackend>;

}  // namespace mgqe
