// The registry of backbones: a new one is one pair of files and one line in each function here.
#include "models/model.hpp"

#include "models/gmf.hpp"

namespace mgqe {

std::unique_ptr<Model> make_model(Backend& backend, const Config& config, int64_t users,
                                  int64_t items) {
  if (config.model.name == "gmf") return std::make_unique<Gmf>(backend, config, users, items);
  input_error("--model ", config.model.name, " is unknown: choose gmf");
}

std::unique_ptr<Ranker> make_ranker(Backend& backend, const PackedModel& model) {
  if (model.backbone == "gmf") return std::make_unique<GmfRanker>(backend, model);
  input_error("the artifact's backbone ", model.backbone, " is unknown to this version: gmf");
}

OptimizerOptions optimizer_options(const TrainConfig& config) {
  return {{config.lr, config.beta1, config.beta2, config.epsilon},
          config.optimizer == "sparse_adam"};
}

}  // namespace mgqe
