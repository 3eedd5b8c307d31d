// The one Config of a run. Its fields are listed once, in visit_fields below; the command line, its
// help, JSON files, result.json and checkpoints are all derived from that list.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace mgqe {

struct DataConfig {
  std::string name = "auto";
  int64_t synthetic_users = 6040;
  int64_t synthetic_items = 3416;
  int64_t synthetic_actions = 165;
  uint64_t synthetic_seed = 1;
};

struct ModelConfig {
  std::string name = "gmf";
};

struct EmbeddingConfig {
  std::string scheme = "mgqe";
  int64_t dim = 64;
  int subspaces = 32;
  std::vector<int> centroids = {256, 64};
  std::vector<double> tiers = {0.1};
  double init_stddev = 0.01;
  double codebook_weight = 1.0;
};

struct TrainConfig {
  int epochs = 20;
  int64_t batch = 256;
  int negatives = 4;
  std::string optimizer = "sparse_adam";
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
};

struct RunConfig {
  uint64_t seed = 1;
  std::string device = "auto";
  std::string out;
  int candidates = 100;
  int64_t evaluate_users = 0;
};

struct Config {
  DataConfig data;
  ModelConfig model;
  EmbeddingConfig embedding;
  TrainConfig train;
  RunConfig run;
};

/// Calls visit(section, key, flag, value&, help) for every field. `config` may be const.
template <class ConfigType, class Visit>
void visit_fields(ConfigType& config, Visit&& visit) {
  auto& data = config.data;
  visit("data", "name", "--data", data.name,
        "ml-1m, ncf, synthetic, or the path of a file; auto takes ml-1m where it is found, else "
        "synthetic");
  visit("data", "synthetic_users", "--synthetic-users", data.synthetic_users,
        "users of the synthetic data set");
  visit("data", "synthetic_items", "--synthetic-items", data.synthetic_items,
        "items of the synthetic data set, 1e3 to 1e8");
  visit("data", "synthetic_actions", "--synthetic-actions", data.synthetic_actions,
        "mean actions a user of the synthetic data set");
  visit("data", "synthetic_seed", "--synthetic-seed", data.synthetic_seed,
        "seed the synthetic data set is generated from");

  visit("model", "name", "--model", config.model.name, "backbone: gmf");

  auto& embedding = config.embedding;
  visit("embedding", "scheme", "--embedding", embedding.scheme, "embedding scheme: full or mgqe");
  visit("embedding", "dim", "--dim", embedding.dim, "embedding dimension d");
  visit("embedding", "subspaces", "--subspaces", embedding.subspaces,
        "D, codes per id; divides the dimension");
  visit("embedding", "centroids", "--centroids", embedding.centroids,
        "K of each tier, 1 to 256, most popular tier first, non-increasing");
  visit("embedding", "tiers", "--tiers", embedding.tiers,
        "where tiers end, as cumulative fractions of the ids by popularity, ascending; one fewer "
        "than --centroids");
  visit("embedding", "init_stddev", "--init-stddev", embedding.init_stddev,
        "standard deviation of the initial tables and codebooks");
  visit("embedding", "codebook_weight", "--codebook-weight", embedding.codebook_weight,
        "weight of the codebook loss");

  auto& train = config.train;
  visit("train", "epochs", "--epochs", train.epochs, "passes over the training set");
  visit("train", "batch", "--batch", train.batch, "pairs a step, negatives included");
  visit("train", "negatives", "--negatives", train.negatives,
        "uniform negatives per positive, drawn anew each epoch");
  visit("train", "optimizer", "--optimizer", train.optimizer,
        "sparse_adam (touched rows only) or adam (every row, every step)");
  visit("train", "lr", "--lr", train.lr, "learning rate");
  visit("train", "beta1", "--beta1", train.beta1, "Adam's decay of the mean gradient");
  visit("train", "beta2", "--beta2", train.beta2, "Adam's decay of the mean squared gradient");
  visit("train", "epsilon", "--epsilon", train.epsilon, "Adam's epsilon");

  auto& run = config.run;
  visit("run", "seed", "--seed", run.seed, "seed of everything random");
  visit("run", "device", "--device", run.device, "auto, cpu, cuda or cuda:N");
  visit("run", "out", "--out", run.out, "folder for the results; made when missing");
  visit("run", "candidates", "--candidates", run.candidates,
        "items the positive is ranked against in the sampled protocol");
  visit("run", "evaluate_users", "--evaluate-users", run.evaluate_users,
        "users to evaluate, drawn from the seed; 0 for all");
}

/// {"data": {"name": ...}, "model": ..., ...}
nlohmann::json to_json(const Config& config);

/// Sets the fields that `json` names; an unknown section or key, or a value of the wrong type, is
/// an InputError that begins with `where`.
void update_from_json(Config& config, const nlohmann::json& json, const std::string& where);

/// Refuses combinations that make no sense, naming the flag and what is allowed. Reads no data.
void validate(const Config& config);

}  // namespace mgqe
