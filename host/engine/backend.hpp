// Backend: the engine's instruction set, grouped by concern in engine/ops/. Models, trainer and
// evaluator drive a device through it alone and never ask which device it is. Every op is
// asynchronous in one stream per backend; Memory::download and synchronize() wait.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "host/engine/communicator.hpp"
#include "host/engine/ops/batch_ops.hpp"
#include "host/engine/ops/ceiling_ops.hpp"
#include "host/engine/ops/exchange_ops.hpp"
#include "host/engine/ops/layer_ops.hpp"
#include "host/engine/ops/optimizer_ops.hpp"
#include "host/engine/ops/quantizer_ops.hpp"
#include "host/engine/ops/ranking_ops.hpp"
#include "host/engine/step_runner.hpp"

namespace mgqe {

class Backend : public Memory,
                public BatchOps,
                public OptimizerOps,
                public QuantizerOps,
                public LayerOps,
                public ExchangeOps,
                public RankingOps,
                public CeilingOps {
 public:
  /// "cpu" or "cuda:0".
  virtual std::string name() const = 0;
  /// For people: processor or GPU model, threads, instruction set.
  virtual std::string description() const = 0;
  /// Of the memory that arrays live in: the same for every process that shares it.
  virtual std::string address() const = 0;
  virtual void synchronize() = 0;
  /// Of the memory that arrays live in, what is free now; of a CPU's, all processes share it.
  virtual int64_t free_bytes() const = 0;

  /// The ranks this back end computes with; a back end begins alone.
  Communicator& communicator() const { return *communicator_; }
  void join(std::unique_ptr<Communicator> ranks) { communicator_ = std::move(ranks); }

  /// For one training loop; it records ops of this back end where that pays.
  virtual std::unique_ptr<StepRunner> make_step_runner() { return std::make_unique<EagerSteps>(); }

  /// A back end of the same device whose ops run beside this one's, in a stream of its own, and
  /// read and write this one's arrays; null where ops run as they are called. It stays alone.
  virtual std::unique_ptr<Backend> make_second_stream() { return nullptr; }
  /// What is called from here on runs after all that has been called on `other`, of the same
  /// device.
  virtual void wait_for(Backend& /*other*/) {}

  /// Calls both; the ops of one may run beside those of the other, so they share no array that
  /// either writes. What is called afterwards follows both.
  virtual void side_by_side(const std::function<void()>& first,
                            const std::function<void()>& second) {
    first();
    second();
  }

  /// Seconds that the device takes for the ops called in `work`, by its own clock; waits for them.
  virtual double seconds_of(const std::function<void()>& work);
  /// Kernels and calls of libraries that have been handed to the device; 0 where ops run as they
  /// are called.
  virtual int64_t launches() const { return 0; }

  /// Names what follows, until the matching end_range(), in a profiler's timeline: use a
  /// ProfileRange (host/engine/profile_range.hpp). Nothing where there is no profiler.
  virtual void begin_range(const char* /*name*/) {}
  virtual void end_range() noexcept {}

 private:
  std::unique_ptr<Communicator> communicator_ = make_solo();
};

/// Whether make_backend(device) makes one of a GPU, if the GPU is willing; refuses the same names.
bool runs_on_gpu(const std::string& device);

/// device: "auto" or "auto:N" (GPU 0 or N where it is there and runs this build's kernels, else the
/// CPU, with a line on stderr where a GPU is left alone), "cpu", "cuda" or "cuda:N". InputError for
/// a GPU that is named and cannot be used.
std::unique_ptr<Backend> make_backend(const std::string& device);

}  // namespace mgqe
