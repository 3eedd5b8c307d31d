// StepGraphs: training steps recorded as CUDA graphs.
#pragma once

#include "cuda/cuda_backend.cuh"

namespace mgqe {

class StepGraphs final : public RecordedSteps {
 public:
  explicit StepGraphs(CudaBackend& backend) : backend_(backend) {}

 private:
  std::unique_ptr<Recording> record(const StepBody& body, int64_t times) override;
  uint64_t scratch_version() const override { return backend_.scratch_version(); }

  CudaBackend& backend_;
};

}  // namespace mgqe
