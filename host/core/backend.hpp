// Backend: the engine's instruction set, grouped by concern in host/core/ops/. Models, trainer and
// evaluator drive a device through it alone and never ask which device it is. Every op is
// asynchronous in one stream per backend; Memory::download and synchronize() wait.
#pragma once

#include <memory>
#include <string>

#include "host/core/ops/batch_ops.hpp"
#include "host/core/ops/layer_ops.hpp"
#include "host/core/ops/optimizer_ops.hpp"
#include "host/core/ops/quantizer_ops.hpp"
#include "host/core/ops/ranking_ops.hpp"

namespace mgqe {

class Backend : public Memory,
                public BatchOps,
                public OptimizerOps,
                public QuantizerOps,
                public LayerOps,
                public RankingOps {
 public:
  /// "cpu" or "cuda:0".
  virtual std::string name() const = 0;
  /// For people: processor or GPU model, threads, instruction set.
  virtual std::string description() const = 0;
  virtual void synchronize() = 0;
};

/// device: "auto" (a GPU where one is present, else the CPU), "cpu", "cuda" or "cuda:N".
std::unique_ptr<Backend> make_backend(const std::string& device);

}  // namespace mgqe
