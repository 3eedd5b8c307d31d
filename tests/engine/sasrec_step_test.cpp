// How many ops a step of SASRec is, and how many launches on a GPU: what its small batches cost.
#include <map>
#include <numeric>

#include "host/cpu/cpu_backend.hpp"
#include "host/train/training_loop.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

/// Two blocks over batches so small that every sum is done in one pass.
Config small_config() {
  Config config = default_config("sasrec");
  config.data.name = "synthetic";
  config.data.synthetic_users = 60;
  config.data.synthetic_items = 50;
  config.data.synthetic_actions = 14;
  config.embedding.scheme = "full";
  config.embedding.dim = 8;
  config.train.batch = 16;
  config.model.blocks = 2;
  config.model.dropout = 0.2;
  config.model.max_length = 10;
  resolve(config);
  return config;
}

/// Counts calls by op.
class CountingBackend final : public CpuBackend {
 public:
  std::map<std::string, int> calls;

#define MGQE_COUNTED(op, parameters, arguments) \
  void op parameters override {                 \
    ++calls[#op];                               \
    CpuBackend::op arguments;                   \
  }
  MGQE_COUNTED(zero, (void* device, size_t bytes), (device, bytes))
  MGQE_COUNTED(begin_step, (View<StepState> state, AdamOptions options), (state, options))
  MGQE_COUNTED(sample_sequences,
               (const SequenceSampler& sampler, View<const StepState> state,
                View<const int32_t> users, const SequenceTokens& tokens),
               (sampler, state, users, tokens))
  MGQE_COUNTED(concatenate,
               (View<const int32_t> first, View<const int32_t> second, View<int32_t> out),
               (first, second, out))
  MGQE_COUNTED(deduplicate, (View<const int32_t> ids, int64_t id_limit, UniqueIds unique),
               (ids, id_limit, unique))
  MGQE_COUNTED(sequence_input,
               (Lookup items, float scale, View<const float> positions,
                View<const int32_t> position, Dropout dropout, View<const StepState> state,
                View<float> out),
               (items, scale, positions, position, dropout, state, out))
  MGQE_COUNTED(layer_norm,
               (View<const float> x, View<const float> gain, View<const float> bias, float epsilon,
                View<float> out, View<float> stats),
               (x, gain, bias, epsilon, out, stats))
  MGQE_COUNTED(matmul, (Operand a, Operand b, View<float> out, bool accumulate),
               (a, b, out, accumulate))
  MGQE_COUNTED(add_bias, (View<const float> bias, View<float> x), (bias, x))
  MGQE_COUNTED(add_bias_relu, (View<const float> bias, View<float> x), (bias, x))
  void add_bias_each(std::span<const BiasedRows>) override { ++calls["add_bias_each"]; }
  MGQE_COUNTED(attention,
               (const AttentionInput& input, Sequences sequences, Dropout dropout,
                View<const StepState> state, View<float> out, View<float> log_sums),
               (input, sequences, dropout, state, out, log_sums))
  MGQE_COUNTED(add, (View<const float> x, View<const float> y, View<float> out), (x, y, out))
  MGQE_COUNTED(dropout,
               (View<const float> x, Dropout dropout, View<const StepState> state, View<float> out),
               (x, dropout, state, out))
  MGQE_COUNTED(add_bias_relu_dropout,
               (View<const float> bias, Dropout dropout, View<const StepState> state,
                View<float> x),
               (bias, dropout, state, x))
  MGQE_COUNTED(add_bias_dropout_add,
               (View<const float> bias, Dropout dropout, View<const StepState> state,
                View<const float> residual, View<float> x),
               (bias, dropout, state, residual, x))
  void sampled_loss(const SampledLoss&, View<double>) override { ++calls["sampled_loss"]; }
  MGQE_COUNTED(layer_norm_backward,
               (View<const float> x, View<const float> gain, View<const float> stats,
                View<const float> out_gradient, View<float> x_gradient, bool accumulate,
                View<float> gain_gradient, View<float> bias_gradient),
               (x, gain, stats, out_gradient, x_gradient, accumulate, gain_gradient, bias_gradient))
  MGQE_COUNTED(sum_rows, (View<const float> x, View<float> sums), (x, sums))
  void sum_rows_each(std::span<const SummedRows>) override { ++calls["sum_rows_each"]; }
  MGQE_COUNTED(relu_backward, (View<const float> output, View<float> gradient), (output, gradient))
  MGQE_COUNTED(relu_dropout_backward, (View<const float> output, float rate, View<float> gradient),
               (output, rate, gradient))
  MGQE_COUNTED(attention_backward,
               (const AttentionInput& input, Sequences sequences, Dropout dropout,
                View<const StepState> state, View<const float> out, View<const float> log_sums,
                View<const float> out_gradient, const AttentionGradients& gradients),
               (input, sequences, dropout, state, out, log_sums, out_gradient, gradients))
  MGQE_COUNTED(sum_positions, (View<const float> x, Sequences sequences, View<float> sums),
               (x, sequences, sums))
  MGQE_COUNTED(sum_gradients,
               (const UniqueIds& unique, View<const float> gradient, View<float> table_gradient),
               (unique, gradient, table_gradient))
  MGQE_COUNTED(scale_columns, (View<const float> rows, View<const float> weights, View<float> out),
               (rows, weights, out))
  MGQE_COUNTED(update_rows,
               (View<float> table, const UniqueIds& unique, View<const float> gradient,
                const RowUpdate& update, View<const StepState> state),
               (table, unique, gradient, update, state))
  MGQE_COUNTED(adam,
               (View<float> parameter, View<const float> gradient, Moments moments,
                AdamOptions options, View<const StepState> state),
               (parameter, gradient, moments, options, state))
  void adam_each(std::span<const DenseArray> arrays, AdamOptions, View<const StepState>) override {
    ++calls["adam_each"];
    EXPECT_EQ(arrays.size(), 31u) << "positions, 14 arrays a block, the last norm";
  }
#undef MGQE_COUNTED
};

TEST(SasrecStep, IsSoManyOpCalls) {
  CountingBackend backend;
  Config config = small_config();
  const auto task = make_task(backend, config);
  TrainingLoop loop(backend, *task, config);
  loop.begin_epoch(1);
  loop.step();
  backend.calls.clear();
  loop.step();
  // Those of one look-up table, and twice those of a block.
  const std::map<std::string, int> expected = {{"begin_step", 1},
                                               {"sample_sequences", 1},
                                               {"concatenate", 2},
                                               {"deduplicate", 1},
                                               {"sequence_input", 1},
                                               {"layer_norm", 2 * 2 + 1},
                                               {"matmul", 2 * (5 + 10)},
                                               {"add_bias_each", 2},
                                               {"attention", 2},
                                               {"add", 2},
                                               {"add_bias_relu_dropout", 2},
                                               {"add_bias_dropout_add", 2},
                                               {"sampled_loss", 1},
                                               {"layer_norm_backward", 2 * 2 + 1},
                                               {"dropout", 2 + 1},
                                               {"sum_rows", 2 * 2},
                                               {"sum_rows_each", 2},
                                               {"relu_dropout_backward", 2},
                                               {"attention_backward", 2},
                                               {"sum_positions", 1},
                                               {"scale_columns", 1},
                                               {"update_rows", 1},
                                               {"adam_each", 1}};
  EXPECT_EQ(backend.calls, expected);
}

TEST(SasrecStep, IsSoManyLaunchesOnAGpu) {
  std::unique_ptr<Backend> backend;
  try {
    backend = make_backend("cuda");
  } catch (const InputError& error) {
    GTEST_SKIP() << error.what();
  }
  Config config = small_config();
  const auto task = make_task(*backend, config);
  TrainingLoop loop(*backend, *task, config);
  loop.begin_epoch(1);
  loop.step();
  const int64_t before = backend->launches();
  loop.step();
  // An op is a launch or a call of a library, but for deduplicate (5), layer_norm_backward (2),
  // attention_backward (2), sampled_loss (2) and sum_rows_each (3 of so few rows).
  EXPECT_EQ(backend->launches() - before, 74 + 4 + 5 + 2 + 1 + 2 * 2);
}

}  // namespace
}  // namespace mgqe::testing
