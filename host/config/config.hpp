// The one Config of a run. Its fields are listed once, in visit_fields below; the command line, its
// help, JSON files, result.json and checkpoints are all derived from that list.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "host/config/choices.hpp"

namespace mgqe {

template <class T>
inline constexpr bool is_list = false;
template <class T>
inline constexpr bool is_list<std::vector<T>> = true;

struct DataConfig {
  std::string name = "auto";
  int64_t synthetic_users = 6040;
  int64_t synthetic_items = 3416;
  int64_t synthetic_actions = 165;
  int64_t synthetic_pair_items = 290'000;
  int64_t synthetic_pairs = 17'000'000;
  int64_t synthetic_table_rows = 100'000;
  int64_t synthetic_examples = 1'000'000;
  uint64_t synthetic_seed = 1;
};

struct ModelConfig {
  std::string name = "gmf";
  TaskKind task = TaskKind::kRanking;
  int64_t mlp_dim = 0;
  int pretrain_epochs = 0;
  int blocks = 2;
  int heads = 1;
  int64_t max_length = 200;
  double dropout = 0.2;
  int cross_layers = 3;
  std::vector<int> hidden = {400, 400, 400};
  std::vector<int> bottom = {64};
  DenseType dense_type = DenseType::kF32;
};

/// Whose rows a table has.
enum class Entity { kUser, kItem };

/// Sizes of the tables of one entity where they differ from the others'; empty: as those.
struct SideSizes {
  std::vector<int> subspaces;
  std::vector<int> centroids;
  std::vector<double> tiers;

  bool given() const { return !subspaces.empty() || !centroids.empty() || !tiers.empty(); }
};

struct EmbeddingConfig {
  std::string scheme = "mgqe";
  SchemeTables tables = SchemeTables::kBoth;
  int64_t dim = 64;
  int rank = 16;
  int bits = 4;
  int64_t buckets = 1024;
  std::vector<int> widths;  // empty: resolve() takes mixed_dim's own
  Variant variant = Variant::kSharedK;
  std::vector<int> subspaces = {32};
  std::vector<int> centroids;  // empty: resolve() takes the scheme's own
  std::vector<double> tiers;   // likewise
  SideSizes user, item;
  CodebookType codebook_type = CodebookType::kF32;
  CodebookScope codebook_scope = CodebookScope::kShared;
  int64_t full_rows = 100;
  std::string field_sizes;
  BagPooling bag_pooling = BagPooling::kMean;
  int bag_length = 16;
  std::string budget;
  int budget_warmup = 2;
  double init_stddev = 0.01;
  double codebook_weight = 1.0;
  double commitment_weight = 0.0;
  DistanceBn distance_bn = DistanceBn::kNone;
  double softmax_temperature = 1.0;
  int kmeans_start = 0;
  Grouping grouping = Grouping::kTier;
  Faithful faithful = Faithful::kPaper;
};

struct TrainConfig {
  int epochs = 20;
  int64_t batch = 256;
  int negatives = 4;
  Optimizer optimizer = Optimizer::kSparseAdam;
  RowType row_type = RowType::kF32;
  RowType gradient_type = RowType::kF32;
  double lr = 1e-3;
  double table_lr = 0.0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double l2 = 0.0;
  double lr_decay = 1.0;
  int lr_patience = 1;
  int patience = 0;
  int evaluate_every = 1;
  std::string warm_start;
};

struct RunConfig {
  uint64_t seed = 1;
  std::string device = "auto";
  std::string out;
  int candidates = 100;
  int64_t evaluate_users = 0;
  Shard shard = Shard::kAuto;
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
  visit(
      "data", "name", "--data", data.name,
      "ml-1m, ncf, video, synthetic, or the path of a file; auto takes ml-1m where it is found, "
      "else synthetic. Relevance: steam, relevance-synthetic, or the path of a file of `item item "
      "score`. Ctr: the cache that `mgqe prepare` wrote, frappe, flights or ctr-synthetic");
  visit("data", "synthetic_users", "--synthetic-users", data.synthetic_users,
        "users of the synthetic data set");
  visit("data", "synthetic_items", "--synthetic-items", data.synthetic_items,
        "items of the synthetic data set, 1e3 to 1e8");
  visit("data", "synthetic_actions", "--synthetic-actions", data.synthetic_actions,
        "mean actions a user of the synthetic data set");
  visit("data", "synthetic_pair_items", "--synthetic-pair-items", data.synthetic_pair_items,
        "items of relevance-synthetic");
  visit("data", "synthetic_pairs", "--synthetic-pairs", data.synthetic_pairs,
        "scored pairs of relevance-synthetic");
  visit("data", "synthetic_table_rows", "--synthetic-table-rows", data.synthetic_table_rows,
        "ctr-synthetic: rows of its 26 fields together, 300 or more");
  visit("data", "synthetic_examples", "--synthetic-examples", data.synthetic_examples,
        "ctr-synthetic: training rows; a tenth as many for validation, and for test");
  visit("data", "synthetic_seed", "--synthetic-seed", data.synthetic_seed,
        "seed the synthetic data set is generated from");

  auto& model = config.model;
  visit("model", "name", "--model", model.name, "backbone");
  visit(
      "model", "task", "--task", model.task,
      "ranking (leave-one-out), relevance (scores of item pairs, RMSE) or ctr (labels of rows with "
      "many fields, AUC)");
  visit("model", "mlp_dim", "--mlp-dim", model.mlp_dim,
        "neumf: dimension m of the perceptron's tables, whose layers are 2m-m-m/2-m/4; 0 takes "
        "--dim");
  visit("model", "pretrain_epochs", "--pretrain-epochs", model.pretrain_epochs,
        "neumf: epochs its GMF and MLP halves train apart before they are joined");
  visit("model", "blocks", "--blocks", model.blocks, "sasrec: self-attention blocks");
  visit("model", "heads", "--heads", model.heads, "sasrec: attention heads; divides the dimension");
  visit("model", "max_length", "--max-length", model.max_length,
        "sasrec: latest actions of a user that are read");
  visit("model", "dropout", "--dropout", model.dropout, "sasrec: dropout rate");
  visit("model", "cross_layers", "--cross-layers", model.cross_layers,
        "dcn: cross layers beside the deep ones; 0 leaves a deep network alone");
  visit("model", "hidden", "--hidden", model.hidden,
        "dcn, dlrm: widths of the deep layers; dlrm's follow the dot products. 0: none");
  visit("model", "bottom", "--bottom", model.bottom,
        "dlrm: widths of the layers that dense fields pass first; one of --dim follows. 0: none");
  visit(
      "model", "dense_type", "--dense-type", model.dense_type,
      "weights of the layers as they are served and evaluated: f32, bf16, or int8 with a scale an "
      "output; training moves f32 ones");

  auto& embedding = config.embedding;
  visit("embedding", "scheme", "--embedding", embedding.scheme, "embedding scheme");
  visit("embedding", "tables", "--tables", embedding.tables,
        "tables of that scheme: both, users or items; the others are full");
  visit("embedding", "dim", "--dim", embedding.dim, "embedding dimension d");
  visit("embedding", "rank", "--rank", embedding.rank, "low_rank: r, below the dimension");
  visit("embedding", "bits", "--bits", embedding.bits,
        "scalar_quantized, lsq: bits of a component, 1 (lsq 2) to 16");
  visit(
      "embedding", "buckets", "--buckets", embedding.buckets,
      "hashed, multiplexed, memcom: rows that the ids of a table share; quotient_remainder: those "
      "of the remainders");
  visit("embedding", "widths", "--widths", embedding.widths,
        "mixed_dim: dimension of the rows of each tier before they are projected to --dim, most "
        "popular tier first, non-increasing [d, d/4]");
  visit("embedding", "variant", "--variant", embedding.variant,
        "mgqe: shared_k (one codebook, tier i uses its first K_i centroids), private_k (a codebook "
        "of K_i a tier) or private_d (a codebook of D_i subspaces a tier)");
  visit("embedding", "subspaces", "--subspaces", embedding.subspaces,
        "D, codes per id; divides the dimension. private_d: one a tier, most popular tier first");
  visit("embedding", "centroids", "--centroids", embedding.centroids,
        "K, 1 to 256; mgqe: one a tier, most popular tier first, non-increasing [256,64; 256 where "
        "there is one codebook size]");
  visit("embedding", "tiers", "--tiers", embedding.tiers,
        "mgqe, mixed_dim: where tiers end, as cumulative fractions of the ids by popularity, "
        "ascending [0.1]");
  visit("embedding", "user_subspaces", "--user-subspaces", embedding.user.subspaces,
        "mgqe: --subspaces of the tables of users alone");
  visit("embedding", "user_centroids", "--user-centroids", embedding.user.centroids,
        "mgqe: --centroids of the tables of users alone; one value without --user-tiers: no tiers");
  visit("embedding", "user_tiers", "--user-tiers", embedding.user.tiers,
        "mgqe: --tiers of the tables of users alone");
  visit("embedding", "item_subspaces", "--item-subspaces", embedding.item.subspaces,
        "mgqe: --subspaces of the tables of items alone");
  visit("embedding", "item_centroids", "--item-centroids", embedding.item.centroids,
        "mgqe: --centroids of the tables of items alone; one value without --item-tiers: no tiers");
  visit("embedding", "item_tiers", "--item-tiers", embedding.item.tiers,
        "mgqe: --tiers of the tables of items alone");
  visit("embedding", "codebook_type", "--codebook-type", embedding.codebook_type,
        "centroids as they are served: f32, or f16, which halves codebooks; training looks up the "
        "rounded values and moves f32 ones");
  visit("embedding", "codebook_scope", "--codebook", embedding.codebook_scope,
        "ctr: shared (all fields are rows of one table, with one codebook), field (a table and a "
        "codebook each) or group (fields whose rows have as many digits share one)");
  visit("embedding", "full_rows", "--full-rows", embedding.full_rows,
        "ctr: fields of so many rows or fewer stay full; with 0 and a budget they leave more to "
        "the others");
  visit("embedding", "field_sizes", "--field-sizes", embedding.field_sizes,
        "ctr: fields that have a table, a scheme and sizes of their own, e.g. "
        "'user:centroids=64/16,subspaces=4;hour:scheme=full' [none]");
  visit("embedding", "bag_pooling", "--bag-pooling", embedding.bag_pooling,
        "ctr: what the vectors of a field with several values become: their mean or sum");
  visit("embedding", "bag_length", "--bag-length", embedding.bag_length,
        "ctr: values of such a field that are read of a row, the first");
  visit("embedding", "budget", "--budget", embedding.budget,
        "mgqe: bytes of all tables, e.g. 10% of full ones, 300KiB or 300000: centroids and tiers "
        "that lose least are found in it, after a warm-up of full tables [none]");
  visit("embedding", "budget_warmup", "--budget-warmup", embedding.budget_warmup,
        "epochs of that warm-up; one more measures how much each row's error costs");
  visit("embedding", "init_stddev", "--init-stddev", embedding.init_stddev,
        "standard deviation of the initial tables and codebooks");
  visit("embedding", "codebook_weight", "--codebook-weight", embedding.codebook_weight,
        "weight of the codebook loss");
  visit("embedding", "commitment_weight", "--commitment-weight", embedding.commitment_weight,
        "weight of the commitment loss, which draws queries to their centroids");
  visit("embedding", "distance_bn", "--distance-bn", embedding.distance_bn,
        "none, or tf: batch-normalize distances (dpq_sx: responses) as the DPQ authors' code does");
  visit("embedding", "softmax_temperature", "--softmax-temperature", embedding.softmax_temperature,
        "dpq_sx: divides the responses that the softmax is of; the codes stay the same");
  visit("embedding", "kmeans_start", "--kmeans-start", embedding.kmeans_start,
        "k-means iterations over the initial rows that start the codebooks; 0 for none");
  visit(
      "embedding", "grouping", "--grouping", embedding.grouping,
      "tier (distinct ids of a batch, sorted by tier, are searched once) or lookup (every look-up "
      "on its own)");
  visit("embedding", "faithful", "--faithful", embedding.faithful,
        "preset of the options above: paper (none of them) or dpq-code (as the DPQ authors' code)");

  auto& train = config.train;
  visit("train", "epochs", "--epochs", train.epochs, "passes over the training set");
  visit("train", "batch", "--batch", train.batch,
        "pairs a step, negatives included; sasrec: sequences");
  visit("train", "negatives", "--negatives", train.negatives,
        "uniform negatives per positive, drawn anew each epoch");
  visit("train", "optimizer", "--optimizer", train.optimizer,
        "sparse_adam (touched rows only), adam (every row, every step), rowwise_adagrad (tables: "
        "one sum of squares a row; Adam elsewhere) or sgd");
  visit("train", "row_type", "--row-type", train.row_type,
        "how table rows are stored: f32, or bf16, which rounds stochastically (half the memory; "
        "--optimizer rowwise_adagrad or sgd, --embedding full, dpq_vq or mgqe)");
  visit("train", "gradient_type", "--gradient-type", train.gradient_type,
        "several ranks: f32, or bf16, of row gradients on their way");
  visit("train", "lr", "--lr", train.lr, "learning rate");
  visit("train", "table_lr", "--table-lr", train.table_lr,
        "learning rate of table rows; 0 for that of --lr");
  visit("train", "beta1", "--beta1", train.beta1, "Adam's decay of the mean gradient");
  visit("train", "beta2", "--beta2", train.beta2, "Adam's decay of the mean squared gradient");
  visit("train", "epsilon", "--epsilon", train.epsilon, "Adam's and Adagrad's epsilon");
  visit("train", "l2", "--l2", train.l2, "L2 penalty on the embedding rows of a batch");
  visit("train", "lr_decay", "--lr-decay", train.lr_decay,
        "what every learning rate is multiplied by where validation gets no better; 1 keeps them");
  visit("train", "lr_patience", "--lr-patience", train.lr_patience,
        "evaluations in a row without a better one after which --lr-decay is due");
  visit("train", "patience", "--patience", train.patience,
        "stop after so many evaluations without a better one; 0 trains every epoch");
  visit("train", "evaluate_every", "--evaluate-every", train.evaluate_every,
        "epochs between evaluations; the last epoch is always evaluated");
  visit("train", "warm_start", "--warm-start", train.warm_start,
        "model.safetensors of a run of full tables on the same data: begin at its rows, with "
        "codebooks "
        "that k-means makes of them, and at its layers [none]");

  auto& run = config.run;
  visit("run", "seed", "--seed", run.seed, "seed of everything random");
  visit("run", "device", "--device", run.device, "auto, cpu, cuda or cuda:N");
  visit("run", "out", "--out", run.out, "folder for the results; made when missing");
  visit("run", "candidates", "--candidates", run.candidates,
        "items the positive is ranked against in the sampled protocol");
  visit("run", "evaluate_users", "--evaluate-users", run.evaluate_users,
        "users to evaluate, drawn from the seed; 0 for all");
  visit("run", "shard", "--shard", run.shard,
        "several ranks: rows shards the rows of tables over them, none keeps whole tables on each, "
        "auto shards large ones");
}

/// {"data": {"name": ...}, "model": ..., ...}
nlohmann::json to_json(const Config& config);

/// Sets the fields that `json` names; an unknown section or key, or a value of the wrong type, is
/// an InputError that begins with `where`.
void update_from_json(Config& config, const nlohmann::json& json, const std::string& where);

/// The fields of two configurations that differ, for people: "train.lr 0.001, not 0.002; ...".
/// Empty where none does but those of `except`, each a "section.key".
std::string differences(const Config& there, const Config& here,
                        const std::vector<std::string>& except);

/// For people: "mgqe private_k d=64 D=32 K=256/64", "low_rank d=64 r=16".
std::string scheme_label(const EmbeddingConfig& embedding);

/// The options of the tables of one entity: its own sizes where they were given, and scheme full
/// where --tables leaves them out. The config must be resolved.
EmbeddingConfig side_config(const EmbeddingConfig& embedding, Entity entity);
/// "user" or "item"
const char* name_of(Entity entity);

/// The options in use that published code has and the paper leaves open, by name; empty where none.
std::string options_beyond_paper(const EmbeddingConfig& embedding);

/// Fills what depends on other fields: centroids and tiers that were not given, by scheme.
void resolve(Config& config);

/// Refuses combinations that make no sense, naming the flag and what is allowed. Reads no data.
void validate(const Config& config);

}  // namespace mgqe
