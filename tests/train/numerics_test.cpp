// Guards kNumericsVersion: stored runs are taken for this code's own as long as it stays. Tiny runs
// of every backbone, task, scheme and optimizer, on the CPU, against recorded figures.
#include "host/base/numerics.hpp"

#include <cmath>
#include <map>

#include "host/train/training_loop.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

/// Mean loss of two epochs, and what is measured of the packed model: NDCG@10 sampled and full, or
/// the RMSE.
using Figures = std::vector<double>;

constexpr int kRecordedVersion = 1;
const std::map<std::string, Figures> kRecorded = {
    {"gmf ranking dpq_sx", {0.52813, 0.4781005, 0.1034433, 0.08594209}},
    {"gmf ranking dpq_vq", {0.5702517, 0.4405695, 0.104005, 0.08187992}},
    {"gmf ranking full", {0.5690177, 0.4222889, 0.1157733, 0.09133409}},
    {"gmf ranking hashed", {0.5515977, 0.4932949, 0.07661125, 0.06109869}},
    {"gmf ranking low_rank", {0.5749943, 0.4872847, 0.07516228, 0.0517689}},
    {"gmf ranking mgqe", {0.5694229, 0.4497027, 0.0867832, 0.07159462}},
    {"gmf ranking mgqe adam", {0.5650493, 0.4420853, 0.1268659, 0.08644793}},
    {"gmf ranking mgqe codebook weight", {0.5695405, 0.4503268, 0.0803767, 0.05771212}},
    {"gmf ranking mgqe commitment", {0.5702962, 0.4700014, 0.1019231, 0.0812092}},
    {"gmf ranking mgqe distance_bn", {0.5695379, 0.4498027, 0.1085204, 0.08059536}},
    {"gmf ranking mgqe kmeans", {0.5702361, 0.4492703, 0.07995605, 0.06320856}},
    {"gmf ranking mgqe lookup", {0.5694229, 0.4497027, 0.0867832, 0.07159462}},
    {"gmf ranking mgqe private_d", {0.5725046, 0.4516721, 0.1110452, 0.08139726}},
    {"gmf ranking mgqe private_k", {0.5694922, 0.4483724, 0.09604388, 0.07434624}},
    {"gmf ranking mgqe rowwise_adagrad", {0.5820545, 0.504846, 0.05244118, 0.03875631}},
    {"gmf ranking mgqe sgd, l2", {0.6512212, 0.591668, 0.03973239, 0.0275661}},
    {"gmf ranking mgqe users only", {0.569155, 0.4352249, 0.09467822, 0.07992371}},
    {"gmf ranking scalar_quantized", {0.5690177, 0.4222889, 0.1080537, 0.08329411}},
    {"gmf relevance dpq_sx", {0.06300693, 0.04813104, 22.40004}},
    {"gmf relevance dpq_vq", {0.06328957, 0.04793324, 22.60668}},
    {"gmf relevance full", {0.06337742, 0.04736547, 22.54327}},
    {"gmf relevance hashed", {0.06302086, 0.04710811, 22.46826}},
    {"gmf relevance low_rank", {0.06338469, 0.04892398, 22.80494}},
    {"gmf relevance mgqe", {0.06343577, 0.04810797, 22.5346}},
    {"gmf relevance scalar_quantized", {0.06337742, 0.04736547, 22.55755}},
    {"neumf ranking dpq_sx", {0.5030214, 0.4753868, 0.1183628, 0.09576791}},
    {"neumf ranking dpq_vq", {0.5076924, 0.4179832, 0.1560658, 0.1247793}},
    {"neumf ranking full", {0.5062672, 0.3955299, 0.1613011, 0.1321704}},
    {"neumf ranking hashed", {0.5137257, 0.4908097, 0.0709833, 0.05765755}},
    {"neumf ranking low_rank", {0.5108519, 0.4664414, 0.09519523, 0.07529235}},
    {"neumf ranking mgqe", {0.5082416, 0.4273061, 0.1524002, 0.12562}},
    {"neumf ranking mgqe pretrained", {1.080745, 0.4531378, 0.1233655, 0.1047243}},
    {"neumf ranking scalar_quantized", {0.5062672, 0.3955299, 0.1583883, 0.1249923}},
    {"neumf relevance dpq_sx", {0.06185374, 0.04547836, 22.07533}},
    {"neumf relevance dpq_vq", {0.06294053, 0.04457662, 22.61872}},
    {"neumf relevance full", {0.06231916, 0.04253096, 21.62215}},
    {"neumf relevance hashed", {0.06241803, 0.04493785, 22.27692}},
    {"neumf relevance low_rank", {0.06323224, 0.04647984, 22.00986}},
    {"neumf relevance mgqe", {0.06302564, 0.04531659, 22.83548}},
    {"neumf relevance scalar_quantized", {0.06231916, 0.04253096, 21.60923}},
    {"sasrec ranking dpq_sx", {1.419516, 1.402479, 0.03182715, 0.02525284}},
    {"sasrec ranking dpq_vq", {1.432682, 1.389718, 0.08236243, 0.0684869}},
    {"sasrec ranking full", {1.435197, 1.377244, 0.09307843, 0.07330693}},
    {"sasrec ranking full two heads", {1.438297, 1.373319, 0.08803565, 0.07296355}},
    {"sasrec ranking hashed", {1.427487, 1.384883, 0.08668422, 0.06571107}},
    {"sasrec ranking low_rank", {1.412339, 1.38357, 0.04634021, 0.03054839}},
    {"sasrec ranking mgqe", {1.427252, 1.381709, 0.08901822, 0.0713919}},
    {"sasrec ranking scalar_quantized", {1.435197, 1.377244, 0.09423448, 0.07284346}},
};

/// More than instruction levels and compilers differ by after these few steps, less than any change
/// of what is computed.
constexpr double kTolerance = 1e-4;

Config tiny_config(const char* backbone, const char* task, const char* scheme) {
  Config config = default_config(backbone, choice<TaskKind>(task));
  config.data.name =
      config.model.task == TaskKind::kRelevance ? "relevance-synthetic" : "synthetic";
  config.data.synthetic_users = 200;
  config.data.synthetic_items = 150;
  config.data.synthetic_actions = 15;
  config.data.synthetic_pair_items = 100;
  config.data.synthetic_pairs = 1200;
  config.embedding.scheme = scheme;
  config.embedding.dim = 16;
  config.embedding.rank = 5;
  config.embedding.buckets = 40;
  config.embedding.subspaces = {8};
  config.embedding.init_stddev = 0.1;
  const bool tiered = config.embedding.scheme == "mgqe";
  config.embedding.centroids = tiered ? std::vector{16, 8} : std::vector{16};
  if (tiered) config.embedding.tiers = {0.2};
  config.model.max_length = 10;
  config.train.batch = config.model.name == "sasrec" ? 32 : 128;
  config.train.lr = 1e-2;
  config.run.device = "cpu";
  return config;
}

std::map<std::string, Config> tiny_runs() {
  std::map<std::string, Config> runs;
  const auto add = [&](
                       const char* backbone, const char* task, const char* scheme,
                       const std::string& more = "", void (*change)(Config&) = [](Config&) {}) {
    Config config = tiny_config(backbone, task, scheme);
    change(config);
    runs[std::string(backbone) + " " + task + " " + scheme + (more.empty() ? "" : " " + more)] =
        config;
  };
  for (const char* scheme :
       {"full", "low_rank", "scalar_quantized", "hashed", "dpq_vq", "dpq_sx", "mgqe"}) {
    for (const char* backbone : {"gmf", "neumf", "sasrec"}) add(backbone, "ranking", scheme);
    for (const char* backbone : {"gmf", "neumf"}) add(backbone, "relevance", scheme);
  }
  const auto mgqe = [&](const char* more, void (*change)(Config&)) {
    add("gmf", "ranking", "mgqe", more, change);
  };
  mgqe("private_k", [](Config& config) { config.embedding.variant = Variant::kPrivateK; });
  mgqe("private_d", [](Config& config) {
    config.embedding.variant = Variant::kPrivateD;
    config.embedding.subspaces = {8, 4};
    config.embedding.centroids = {16};
  });
  mgqe("commitment", [](Config& config) { config.embedding.commitment_weight = 0.5; });
  mgqe("codebook weight", [](Config& config) { config.embedding.codebook_weight = 0.5; });
  mgqe("distance_bn", [](Config& config) { config.embedding.distance_bn = DistanceBn::kTf; });
  mgqe("kmeans", [](Config& config) { config.embedding.kmeans_start = 3; });
  mgqe("lookup", [](Config& config) { config.embedding.grouping = Grouping::kLookup; });
  mgqe("users only", [](Config& config) { config.embedding.tables = SchemeTables::kUsers; });
  mgqe("adam", [](Config& config) { config.train.optimizer = Optimizer::kAdam; });
  mgqe("rowwise_adagrad",
       [](Config& config) { config.train.optimizer = Optimizer::kRowwiseAdagrad; });
  mgqe("sgd, l2", [](Config& config) {
    config.train.optimizer = Optimizer::kSgd;
    config.train.l2 = 1e-2;
  });
  add("neumf", "ranking", "mgqe", "pretrained",
      [](Config& config) { config.model.pretrain_epochs = 1; });
  add("sasrec", "ranking", "full", "two heads", [](Config& config) { config.model.heads = 2; });
  return runs;
}

Figures figures_of(Config config) {
  const auto backend = make_backend("cpu");
  const auto task = make_task(*backend, config);
  TrainingLoop loop(*backend, *task, config);
  Figures figures;
  for (int epoch = 1; epoch <= 2; ++epoch) {
    loop.begin_epoch(epoch);
    for (int64_t step = 0; step < loop.steps_per_epoch();)
      step += loop.advance(loop.steps_per_epoch() - step);
    figures.push_back(loop.mean_loss());
  }
  const auto test = task->evaluate(loop.model().pack(), Split::kTest).json;
  if (test.contains("rmse")) {
    figures.push_back(test["rmse"]);
  } else {
    figures.push_back(test["sampled"]["ndcg@10"]);
    figures.push_back(test["full"]["ndcg@10"]);
  }
  return figures;
}

bool near(const Figures& a, const Figures& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (!(std::abs(a[i] - b[i]) <= kTolerance * std::abs(b[i]))) return false;
  return true;
}

TEST(Numerics, AreThoseOfTheirVersion) {
  std::string lines, changed;
  for (const auto& [name, config] : tiny_runs()) {
    const Figures figures = figures_of(config);
    std::string values;
    for (const double figure : figures) {
      char text[32];
      std::snprintf(text, sizeof text, "%.7g", figure);
      values += (values.empty() ? "" : ", ") + std::string(text);
    }
    lines += "    {\"" + name + "\", {" + values + "}},\n";
    const auto recorded = kRecorded.find(name);
    if (recorded == kRecorded.end() || !near(figures, recorded->second))
      changed += (changed.empty() ? "" : ", ") + name;
  }
  EXPECT_TRUE(changed.empty() && kNumericsVersion == kRecordedVersion &&
              kRecorded.size() == tiny_runs().size())
      << "the numerics changed: " << (changed.empty() ? "kNumericsVersion" : changed)
      << "\nIf that is intended, raise kNumericsVersion in host/base/numerics.hpp, which sets "
         "every "
         "stored run aside, and record these values with that version here:\n"
      << lines;
}

}  // namespace
}  // namespace mgqe::testing
