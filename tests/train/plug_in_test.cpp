// A scheme and a backbone that the project knows nothing of, added from without: they are trained,
// packed, written, read, evaluated, sized and placed, and their options refused, by the code that
// serves the built-in ones.
#include <filesystem>
#include <numeric>

#include "experiments/grid/run_key.hpp"
#include "host/io/artifact.hpp"
#include "host/train/trainer.hpp"
#include "models/backbones/pair_model.hpp"
#include "models/embeddings/full.hpp"
#include "models/embeddings/scheme.hpp"
#include "models/features/evaluation_plan.hpp"
#include "models/features/placement.hpp"
#include "models/scorers/gmf_scorer.hpp"
#include "tests/support/config_testing.hpp"
#include "tests/support/run_testing.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

// ---- rounded: trained as a full table, served as integers times one scale -----------------------

constexpr SchemeTraits kRoundedTraits = {
    .name = "rounded",
    .sizes = {"bits"},
    .validate =
        [](const EmbeddingConfig& embedding) {
          if (embedding.bits < 2 || embedding.bits > 7)
            input_error("--bits ", embedding.bits, " is out of range: 2 to 7");
        },
    .validate_dim =
        [](const EmbeddingConfig&, int64_t dim, const char* flag) {
          if (dim % 2 != 0) input_error(flag, " ", dim, " is odd: rounded takes even ones");
        },
    .label = [](const EmbeddingConfig& e) { return " b=" + std::to_string(e.bits); },
};

class PackedRounded final : public PackedScheme {
  std::string name() const override { return "rounded"; }
  std::vector<PackedField> fields() const override { return {{"bits", &PackedTable::bits, 7}}; }
  std::vector<ArraySpec> expected_arrays(const PackedTable& table) const override {
    return {{"cells", DType::kU8, {table.rows, table.dim}, 0}, {"scale", DType::kF32, {1}}};
  }
  int64_t formula_bits(const PackedTable& table) const override {
    return table.rows * table.dim * table.bits + 32;
  }
  int64_t padding_bits(const PackedTable& table) const override {
    return table.rows * table.dim * (8 - table.bits);
  }
};

/// In host memory: what it decodes is small.
class RoundedDecoder final : public TableDecoder {
 public:
  RoundedDecoder(Backend& backend, const DevicePackedTable& table)
      : backend_(backend), table_(table) {}
  void decode(RowSet rows, View<float> out) override {
    const PackedTable table = table_;
    const auto cells = table.arrays.at("cells").as<uint8_t>();
    const float scale = table.arrays.at("scale").as<float>()[0];
    std::vector<int32_t> ids(static_cast<size_t>(rows.capacity));
    if (rows.ids != nullptr)
      backend_.download(ids.data(), rows.ids, ids.size() * sizeof(int32_t));
    else
      std::iota(ids.begin(), ids.end(), static_cast<int32_t>(rows.first));
    std::vector<float> decoded;
    for (const int32_t id : ids)
      for (int64_t c = 0; c < table.dim; ++c)
        decoded.push_back(scale *
                          static_cast<float>(cells[id * table.dim + c] - (1 << (table.bits - 1))));
    backend_.upload(out.data, decoded.data(), decoded.size() * sizeof(float));
  }

 private:
  Backend& backend_;
  const DevicePackedTable& table_;
};

class RoundedEmbedding final : public Embedding {
 public:
  RoundedEmbedding(Backend& backend, const EmbeddingSpec& spec)
      : Embedding(backend, spec.config.dim), bits_(spec.config.bits), full_(backend, spec) {}

  Lookup forward(const IdBatch& ids) override { return full_.forward(ids); }
  void backward(View<const float> gradient) override { full_.backward(gradient); }
  void step(View<const StepState> state) override { full_.step(state); }
  DevicePackedTable pack() override {
    PackedTable packed = full_.pack();
    packed.scheme = "rounded";
    packed.bits = bits_;
    const HostArray table = std::move(packed.arrays.at("table"));
    const int middle = 1 << (bits_ - 1);
    float greatest = 0.0f;
    for (const float value : table.as<float>()) greatest = std::max(greatest, std::abs(value));
    const float scale = greatest / static_cast<float>(middle - 1);
    std::vector<uint8_t> cells;
    for (const float value : table.as<float>())
      cells.push_back(static_cast<uint8_t>(middle + std::lround(value / scale)));
    packed.arrays.clear();
    packed.arrays.emplace("cells", HostArray(cells, {packed.rows, packed.dim}));
    packed.arrays.emplace("scale", HostArray(std::vector<float>{scale}, {1}));
    return upload_table(backend_, packed, RowSharding::whole(packed.rows));
  }
  void visit(const TensorVisitor& visitor) override { full_.visit(visitor); }

 private:
  int bits_;
  FullEmbedding full_;
};

constexpr EmbeddingScheme kRounded = {
    .name = "rounded",
    .make = [](Backend& backend, const EmbeddingSpec& spec) -> std::unique_ptr<Embedding> {
      return std::make_unique<RoundedEmbedding>(backend, spec);
    },
    .lookup_bytes = [](const EmbeddingConfig&, int64_t) { return int64_t{3}; },
};

// ---- dot: logit(u, i) = p_u . q_i, with nothing to learn but the tables -------------------------

class Dot final : public Interaction {
 public:
  Dot(Backend& backend, int64_t dim) : backend_(backend), unused_(backend, dim + 1) {
    std::vector<float> ones(static_cast<size_t>(dim), 1.0f);
    ones.push_back(0.0f);  // the bias
    weights_ = Tensor<float>(backend, ones);
  }

  bool symmetric() const override { return true; }
  void forward(Side left, Side right, View<float> logits) override {
    backend_.gmf_forward(left[0], right[0], weights_, logits);
  }
  void backward(Side left, Side right, View<const float> logit_gradient,
                SideGradient left_gradients, SideGradient right_gradients) override {
    backend_.gmf_backward(left[0], right[0], weights_, logit_gradient, left_gradients[0],
                          right_gradients[0], unused_);
  }
  void step(View<const StepState>) override {}
  void pack(ArrayMap& arrays) const override {
    arrays.emplace("gmf.weights", HostArray(weights_.to_host(), {weights_.rows()}));
  }
  void visit(const TensorVisitor&) override {}

 private:
  Backend& backend_;
  Tensor<float> weights_, unused_;  // (d + 1)
};

const Backbone kDot = {
    .name = "dot",
    .batch = BatchKind::kPairs,
    .options = {"blocks"},
    .set_defaults = [](Config& config) { config.train.epochs = 7; },
    .validate =
        [](const Config& config) {
          if (config.model.blocks > 3)
            input_error("--blocks ", config.model.blocks, " is out of range: 1 to 3");
        },
    .tables = [](const Config& config) -> std::vector<TableSpec> {
      return {{"user", Entity::kUser, config.embedding.dim, "--dim", RandomStream::kUserTable,
               RandomStream::kUserCodebook},
              {"item", Entity::kItem, config.embedding.dim, "--dim", RandomStream::kItemTable,
               RandomStream::kItemCodebook}};
    },
    .lookups = pair_lookups,
    .make_model = [](Backend& backend, const Config& config,
                     const Catalogue& catalogue) -> std::unique_ptr<Model> {
      return std::make_unique<PairModel>(backend, config, catalogue,
                                         std::make_unique<Dot>(backend, config.embedding.dim));
    },
    .make_ranker = [](Backend& backend, const auto& model) -> std::unique_ptr<Ranker> {
      return std::make_unique<GmfRanker>(backend, model);
    },
    .make_relevance_model = nullptr,
    .make_pair_scorer = nullptr,
    .ranker_bytes =
        [](const ScorerPlan& plan) {
          return plan.scan_readers(GmfRanker::kMaxUsers, GmfRanker::kMaxUsers);
        },
    .pair_scorer_bytes = nullptr,
};

class PlugIn : public OnEveryBackend {
 protected:
  static void SetUpTestSuite() {
    static const PackedRounded packed;
    static const bool once = [] {
      register_scheme(
          kRoundedTraits, packed,
          [](Backend& backend, const DevicePackedTable& table,
             int64_t) -> std::unique_ptr<TableDecoder> {
            return std::make_unique<RoundedDecoder>(backend, table);
          },
          kRounded);
      register_backbone(kDot);
      return true;
    }();
    ASSERT_TRUE(once);
  }
  static Config config() {
    Config config = small_config("rounded", "");
    config.model.name = "dot";
    config.embedding.bits = 6;
    config.train.epochs = 3;
    return config;
  }
};

TEST_P(PlugIn, TrainsPacksEvaluatesAndIsSized) {
  const auto folder = std::filesystem::temp_directory_path() / "mgqe_plug_in";
  std::filesystem::remove_all(folder);
  Config given = config();
  given.run.out = folder.string();
  ASSERT_EQ(refusal(given), "");
  const auto task = make_task(backend(), given);
  const auto result = Trainer(backend(), *task, given, "test").run();
  EXPECT_LT(result["train_loss"].back(), result["train_loss"].front());

  SizeReport size;
  const Artifact artifact = read_artifact(folder.string() + "/model.safetensors", &size);
  ASSERT_EQ(artifact.model.tables.size(), 2u);
  int64_t formula = 0;
  for (const auto& [name, table] : artifact.model.tables) {
    EXPECT_EQ(table.scheme, "rounded");
    EXPECT_EQ(table.bits, 6);
    formula += table.rows * table.dim * 6 + 32;
    EXPECT_EQ(table.formula_bits(), table.rows * table.dim * 6 + 32);
    EXPECT_EQ(table.payload_bits(), table.formula_bits() + table.padding_bits());
  }
  EXPECT_EQ(size.payload_bits - size.padding_bits, formula);
  EXPECT_EQ(task->evaluate(artifact.model, Split::kTest).json, result["test"]);
  std::filesystem::remove_all(folder);
}

TEST_P(PlugIn, IsPlannedNamedAndKeyedByItsDescriptors) {
  const Config given = config();
  EXPECT_EQ(scheme_label(given.embedding), "rounded d=16 b=6");
  EXPECT_EQ(default_config("dot").train.epochs, 7);
  EXPECT_EQ(describe_placement(1, given, {300, 200, 0.0}),
            "user rows on every rank, item rows on every rank");
  Config full = given;
  full.embedding.scheme = "full";
  const Catalogue catalogue{300, 200, 0.0};
  EXPECT_EQ(plan_memory(1, given, catalogue).total() - plan_memory(1, full, catalogue).total(),
            2 * 3 * given.train.batch);
  // A key holds what the descriptors say is read: bits and blocks, not rank or heads.
  const auto key_with = [&](const auto& change) {
    Config changed = config();
    change(changed);
    return run_key(changed);
  };
  const std::string key = run_key(given);
  EXPECT_NE(key_with([](Config& c) { c.embedding.bits = 5; }), key);
  EXPECT_NE(key_with([](Config& c) { c.model.blocks = 1; }), key);
  EXPECT_EQ(key_with([](Config& c) { c.embedding.rank = 3; }), key);
  EXPECT_EQ(key_with([](Config& c) { c.model.heads = 4; }), key);
}

TEST_P(PlugIn, RefusesBadOptionsAndIsListed) {
  const auto refused = [&](const auto& change) {
    Config changed = config();
    change(changed);
    return refusal(changed);
  };
  EXPECT_EQ(refused([](Config& c) { c.embedding.bits = 9; }), "--bits 9 is out of range: 2 to 7");
  EXPECT_EQ(refused([](Config& c) { c.embedding.dim = 7; }),
            "--dim 7 is odd: rounded takes even ones");
  EXPECT_EQ(refused([](Config& c) { c.model.blocks = 4; }), "--blocks 4 is out of range: 1 to 3");
  EXPECT_EQ(refused([](Config& c) { c.model.mlp_dim = 8; }),
            "--mlp-dim is for --model neumf, not dot");
  EXPECT_EQ(refused([](Config& c) { c.embedding.variant = Variant::kPrivateK; }),
            "--variant private_k is for --embedding mgqe, not rounded");
  EXPECT_EQ(refused([](Config& c) { c.model.task = TaskKind::kRelevance; }),
            "--task relevance scores pairs of items, which --model dot cannot: choose --model gmf "
            "or neumf");
  EXPECT_EQ(refused([](Config& c) {
              c.train.row_type = RowType::kBf16;
              c.train.optimizer = Optimizer::kSgd;
            }),
            "--row-type bf16 with --embedding rounded: choose full, dpq_vq or mgqe");
  EXPECT_EQ(
      refused([](Config& c) { c.embedding.scheme = "cubed"; }),
      "--embedding cubed is unknown: choose full, low_rank, scalar_quantized, hashed, dpq_vq, "
      "dpq_sx, mgqe, lsq, multiplexed, quotient_remainder, memcom, mixed_dim or rounded");
  EXPECT_EQ(refused([](Config& c) { c.model.name = "spot"; }),
            "--model spot is unknown: choose gmf, neumf, sasrec, dcn, dlrm or dot");
  EXPECT_THROW(register_backbone(kDot), Error);
  EXPECT_THROW(add_scheme_traits(kRoundedTraits), Error);
}

MGQE_ON_EVERY_BACKEND(PlugIn);

}  // namespace
}  // namespace mgqe::testing
