// An evaluation at the table's own scale: the figures do not depend on how the catalogue is cut, no
// table is whole in floats, and what crosses the bus is known to the byte.
#include <map>

#include <gtest/gtest.h>

#include "host/cpu/cpu_backend.hpp"
#include "host/train/evaluator.hpp"
#include "host/train/task.hpp"
#include "models/features/evaluation_plan.hpp"
#include "models/packing/packed_share.hpp"
#include "models/scorers/gmf_scorer.hpp"
#include "models/scorers/sasrec_scorer.hpp"

namespace mgqe {
namespace {

/// A CPU that counts what is taken of it and what is copied to it and from it.
class CountingBackend final : public CpuBackend {
 public:
  int64_t held = 0, peak = 0, largest = 0, uploaded = 0, downloaded = 0;

  void* allocate(size_t bytes) override {
    void* const pointer = CpuBackend::allocate(bytes);
    sizes_[pointer] = static_cast<int64_t>(bytes);
    held += static_cast<int64_t>(bytes);
    peak = std::max(peak, held);
    largest = std::max(largest, static_cast<int64_t>(bytes));
    return pointer;
  }
  void release(void* pointer) noexcept override {
    held -= sizes_[pointer];
    CpuBackend::release(pointer);
  }
  void upload(void* device, const void* host, size_t bytes) override {
    uploaded += static_cast<int64_t>(bytes);
    CpuBackend::upload(device, host, bytes);
  }
  void download(void* host, const void* device, size_t bytes) override {
    downloaded += static_cast<int64_t>(bytes);
    CpuBackend::download(host, device, bytes);
  }
  /// From here on.
  void reset() {
    peak = held;
    largest = uploaded = downloaded = 0;
  }

 private:
  std::map<void*, int64_t> sizes_;
};

constexpr int kUsers = 2600, kItems = 300, kDim = 16;

Config config_of(const std::string& backbone, const std::string& scheme) {
  Config config = default_config(backbone);
  config.data.name = "synthetic";
  config.data.synthetic_users = kUsers;
  config.data.synthetic_items = kItems;
  config.data.synthetic_actions = 8;
  config.model.max_length = 8;
  config.embedding.scheme = scheme;
  config.embedding.dim = kDim;
  config.embedding.rank = 4;
  config.embedding.buckets = 70;
  config.embedding.subspaces = {8};
  config.embedding.centroids = scheme == "mgqe" ? std::vector<int>{16, 4} : std::vector<int>{16};
  config.embedding.init_stddev = 0.3;
  if (scheme == "mgqe") config.embedding.tiers = {0.2};
  config.train.batch = 64;
  config.run.candidates = 20;
  resolve(config);
  return config;
}

const std::vector<std::string> kSchemes = {
    "full", "low_rank", "scalar_quantized",   "hashed", "dpq_vq",   "dpq_sx",
    "mgqe", "lsq",      "quotient_remainder", "memcom", "mixed_dim"};

/// Few codes make many ties, across chunks too.
TEST(Evaluation, IsTheSameForAnyChunks) {
  for (const char* backbone : {"gmf", "sasrec"})
    for (const std::string& scheme : kSchemes) {
      Config config = config_of(backbone, scheme);
      config.run.evaluate_users = 60;
      CpuBackend backend;
      const Dataset dataset = load_dataset(config.data, backend);
      const auto model = make_model(backend, config, {dataset.users, dataset.items, 0.0});
      const DevicePackedModel packed = model->pack();
      Evaluator evaluator(backend, dataset, evaluator_options(config));
      std::vector<std::string> figures;
      for (const int64_t chunk : {1, 7, 64, kItems}) {
        std::unique_ptr<Ranker> ranker;
        if (std::string(backbone) == "gmf")
          ranker = std::make_unique<GmfRanker>(backend, packed, chunk);
        else
          ranker = std::make_unique<SasrecRanker>(backend, packed, chunk);
        figures.push_back(to_json(evaluator.evaluate(*ranker, Split::kTest)).dump());
      }
      for (const std::string& figure : figures)
        EXPECT_EQ(figure, figures.back()) << backbone << " of " << scheme;
    }
}

/// Buffers of the last evaluation, and of the last batch of users, are begun anew.
TEST(Evaluation, CountsFromNothingEachTime) {
  for (const char* backbone : {"gmf", "neumf", "sasrec"}) {
    Config config = config_of(backbone, "mgqe");
    config.run.evaluate_users = std::string(backbone) == "gmf" ? 0 : 300;
    CpuBackend backend;
    const std::unique_ptr<Task> task = make_task(backend, config);
    const auto model = make_model(backend, config, task->catalogue());
    const std::string first = task->evaluate(model->pack(), Split::kTest).json.dump();
    EXPECT_EQ(task->evaluate(model->pack(), Split::kTest).json.dump(), first) << backbone;
  }
}

TEST(Evaluation, NeverHoldsATableInFloats) {
  for (const std::string& scheme : kSchemes) {
    if (scheme == "full") continue;  // whose rows are floats already
    const Config config = config_of("gmf", scheme);
    CountingBackend backend;
    const Dataset dataset = load_dataset(config.data, backend);
    const auto model = make_model(backend, config, {dataset.users, dataset.items, 0.0});
    const DevicePackedModel packed = model->pack();
    Evaluator evaluator(backend, dataset, evaluator_options(config));
    constexpr int64_t kChunk = 50;
    GmfRanker first(backend, packed, kChunk);
    evaluator.evaluate(first, Split::kTest);  // which asks the data its questions
    backend.reset();
    GmfRanker ranker(backend, packed, kChunk);
    evaluator.evaluate(ranker, Split::kTest);
    const int64_t batch = GmfRanker::kMaxUsers * kDim * int64_t{sizeof(float)};
    EXPECT_LE(backend.largest, batch) << scheme;
    EXPECT_LT(batch, kUsers * kDim * int64_t{sizeof(float)}) << "or it proves nothing of users";
    // Of items a chunk: a ranker with larger chunks takes more by the difference alone.
    const int64_t before = backend.held;
    backend.reset();
    GmfRanker larger(backend, packed, 2 * kChunk);
    const int64_t grown = backend.held - before;
    backend.reset();
    GmfRanker same(backend, packed, kChunk);
    EXPECT_EQ(grown - (backend.held - before - grown), kChunk * kDim * int64_t{sizeof(float)})
        << scheme;
  }
}

/// Between two epochs: what packing reports, the dense weights there and back, and four counts a
/// user. Codes and tables stay where they are.
TEST(Evaluation, CrossesTheBusWithCountsAndWeightsAlone) {
  for (const std::string& scheme : kSchemes) {
    Config config = config_of("gmf", scheme);
    CountingBackend backend;
    const std::unique_ptr<Task> task = make_task(backend, config);
    const auto model = make_model(backend, config, task->catalogue());
    const int64_t users =
        task->evaluate(model->pack(), Split::kTest).json["full"]["users"].get<int64_t>();
    backend.reset();
    task->evaluate(model->pack(), Split::kTest);
    constexpr int64_t kWeights = (kDim + 1) * sizeof(float), kCount = sizeof(int32_t);
    int64_t reports = 0;  // of both tables: D K counts a tier and a sum
    for (const int centroids : config.embedding.centroids)
      if (scheme == "mgqe" || scheme == "dpq_vq" || scheme == "dpq_sx")
        reports += 2 * (8 * centroids * kCount + static_cast<int64_t>(sizeof(double)));
    EXPECT_EQ(backend.downloaded, reports + kWeights + 4 * users * kCount) << scheme;
    EXPECT_EQ(backend.uploaded, kWeights) << scheme;
  }
}

/// Packing and scoring between epochs, and of the best epoch at the end, take what the plan says.
TEST(Evaluation, TakesWhatThePlanSays) {
  for (const char* backbone : {"gmf", "neumf", "sasrec"})
    for (const std::string& scheme : kSchemes) {
      if (std::string(backbone) != "gmf" && scheme != "mgqe" && scheme != "low_rank") continue;
      Config config = config_of(backbone, scheme);
      config.embedding.dim = 64;
      config.embedding.buckets = 5000;
      resolve(config);
      CountingBackend backend;
      const Catalogue catalogue{9000, 40000, 0.0};
      const auto model = make_model(backend, config, catalogue);
      const int64_t before = backend.held;
      backend.reset();
      PackedShare best;
      {
        const DevicePackedModel packed = model->pack();
        const auto ranker = make_ranker(backend, packed);
        best = download(packed);
      }
      {
        const DevicePackedModel packed = upload(backend, best);
        const auto ranker = make_ranker(backend, packed);
      }
      const auto planned = static_cast<double>(evaluation_bytes(1, config, catalogue));
      EXPECT_NEAR(planned / static_cast<double>(backend.peak - before), 1.0, 0.05)
          << backbone << " of " << scheme << ": " << planned << " planned, "
          << backend.peak - before << " taken";
    }
}

}  // namespace
}  // namespace mgqe
