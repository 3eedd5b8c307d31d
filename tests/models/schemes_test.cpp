// Every embedding scheme through the Embedding interface, on every back end: what training looks up
// and learns, and what is packed and served. The quantizers' own training is in their tests.
#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "models/embeddings/embedding.hpp"
#include "tests/support/reference.hpp"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

constexpr int64_t kRows = 40, kDim = 12, kRank = 3, kBuckets = 7;
constexpr double kBeta1 = 0.9;
const std::vector<double> kCuts = {0.1, 0.5};  // ids 0-3, 4-19 and 20-39

EmbeddingSpec spec_of(const std::string& scheme, Variant variant = Variant::kSharedK) {
  EmbeddingSpec spec{"item", kRows, 64, {}, {}, 11, 12};
  spec.config.scheme = scheme;
  spec.config.variant = variant;
  spec.config.dim = kDim;
  spec.config.rank = kRank;
  spec.config.bits = 5;
  spec.config.buckets = kBuckets;
  spec.config.widths = {static_cast<int>(kDim), 5, 2};
  spec.config.init_stddev = 0.5;
  spec.config.subspaces = {4};
  spec.config.centroids = {13};
  if (scheme == "mixed_dim") spec.config.tiers = kCuts;
  if (scheme == "mgqe") {
    spec.config.tiers = kCuts;
    if (variant == Variant::kPrivateD)
      spec.config.subspaces = {6, 4, 1};
    else
      spec.config.centroids = {13, 4, 2};
  }
  spec.optimizer.adam.learning_rate = 0.05;
  return spec;
}

/// Every scheme, and mgqe in its three variants.
std::vector<EmbeddingSpec> every_scheme() {
  return {spec_of("full"),
          spec_of("low_rank"),
          spec_of("scalar_quantized"),
          spec_of("hashed"),
          spec_of("lsq"),
          spec_of("multiplexed"),
          spec_of("quotient_remainder"),
          spec_of("memcom"),
          spec_of("mixed_dim"),
          spec_of("dpq_vq"),
          spec_of("dpq_sx"),
          spec_of("mgqe"),
          spec_of("mgqe", Variant::kPrivateK),
          spec_of("mgqe", Variant::kPrivateD)};
}

std::string label(const EmbeddingSpec& spec) {
  return spec.config.scheme + " " + name_of(spec.config.variant);
}

/// An embedding, with what a model puts around it.
class Rig {
 public:
  Rig(Backend& backend, const EmbeddingSpec& spec)
      : backend_(backend),
        spec_(spec),
        embedding_(make_embedding(backend, spec)),
        unique_(backend, spec.max_lookups),
        state_(backend, 1) {}

  std::vector<float> forward(const std::vector<int32_t>& ids) {
    ids_ = Tensor<int32_t>(backend_, std::span<const int32_t>(ids));
    const Lookup lookup =
        embedding_->forward({ids_, unique_.deduplicate(ids_, spec_.rows), ids_.rows()});
    EXPECT_EQ(lookup.index.size(), ids_.size());
    Tensor<float> rows(backend_, ids_.size(), spec_.config.dim);
    backend_.gather(lookup.rows, lookup.index, rows);
    return rows.to_host();
  }
  /// One step by the gradient (B, d) of the last forward.
  void backward(const std::vector<float>& gradient) {
    backend_.begin_step(state_, spec_.optimizer.adam);
    const Tensor<float> device(backend_, std::span<const float>(gradient), spec_.config.dim);
    embedding_->backward(device);
    embedding_->step(state_);
    backend_.synchronize();
  }
  void train(const std::vector<int32_t>& ids, int steps) {
    Random random(3);
    for (int step = 0; step < steps; ++step) {
      forward(ids);
      backward(random.normals(static_cast<int64_t>(ids.size()) * spec_.config.dim));
    }
  }
  std::vector<float> served() { return decode_table(backend_, embedding_->pack()).to_host(); }
  PackedTable pack() { return embedding_->pack(); }

  /// By name: "item.table", "item.table.adam_first", ...
  std::vector<float> values(const std::string& name) {
    std::vector<float> found;
    embedding_->visit([&](const std::string& visited, Tensor<float>& tensor) {
      if (visited == "item." + name) found = tensor.to_host();
    });
    EXPECT_FALSE(found.empty()) << name;
    return found;
  }
  /// The gradient of the only step so far: Adam's first moment began at 0.
  std::vector<double> gradient(const std::string& name) {
    std::vector<double> gradient;
    for (const float moment : values(name + ".adam_first"))
      gradient.push_back(moment / (1.0 - kBeta1));
    return gradient;
  }

 private:
  Backend& backend_;
  EmbeddingSpec spec_;
  std::unique_ptr<Embedding> embedding_;
  UniqueBuffer unique_;
  Tensor<StepState> state_;
  Tensor<int32_t> ids_;
};

std::vector<int32_t> all_ids() {
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < kRows; ++id) ids.push_back(id);
  return ids;
}

/// Trained arrays in double, by name.
using Arrays = std::map<std::string, reference::Matrix>;

/// Schemes whose rows are a formula of their arrays, and those.
const std::map<std::string, std::vector<std::string>> kPlain = {
    {"full", {"table"}},
    {"scalar_quantized", {"table"}},
    {"hashed", {"table"}},
    {"multiplexed", {"table"}},
    {"low_rank", {"factor", "basis"}},
    {"quotient_remainder", {"quotients", "remainders"}},
    {"memcom", {"table", "factors"}},
    {"mixed_dim", {"table.0", "table.1", "table.2", "projection.1", "projection.2"}},
};

Arrays arrays_of(Rig& rig, const std::string& scheme) {
  Arrays arrays;
  for (const std::string& name : kPlain.at(scheme))
    arrays[name] = reference::widen(rig.values(name));
  return arrays;
}

/// narrow (w) times basis (w, d).
reference::Matrix product(const double* narrow, int64_t width, const reference::Matrix& basis) {
  reference::Matrix row(kDim);
  for (int c = 0; c < kDim; ++c)
    for (int64_t k = 0; k < width; ++k) row[c] += narrow[k] * basis[k * kDim + c];
  return row;
}

/// Row `id` as the scheme defines it.
reference::Matrix row_of(const EmbeddingSpec& spec, int32_t id, const Arrays& arrays) {
  const std::string& scheme = spec.config.scheme;
  if (scheme == "low_rank")
    return product(&arrays.at("factor")[id * kRank], kRank, arrays.at("basis"));
  if (scheme == "mixed_dim") {
    if (id >= 20)
      return product(&arrays.at("table.2")[(id - 20) * 2], 2, arrays.at("projection.2"));
    if (id >= 4) return product(&arrays.at("table.1")[(id - 4) * 5], 5, arrays.at("projection.1"));
  }
  reference::Matrix row(kDim);
  for (int c = 0; c < kDim; ++c) {
    if (scheme == "hashed" || scheme == "multiplexed")
      row[c] = arrays.at("table")[hash_bucket(id, kBuckets) * kDim + c];
    else if (scheme == "quotient_remainder")
      row[c] = arrays.at("quotients")[id / kBuckets * kDim + c] *
               arrays.at("remainders")[id % kBuckets * kDim + c];
    else if (scheme == "memcom")
      row[c] = arrays.at("table")[id % kBuckets * kDim + c] * arrays.at("factors")[id];
    else
      row[c] = arrays.at(scheme == "mixed_dim" ? "table.0" : "table")[id * kDim + c];
  }
  return row;
}

/// What rows are off by where they are more than copies.
float row_tolerance(const std::string& scheme) {
  if (scheme == "low_rank" || scheme == "mixed_dim") return 4 * sum_tolerance(5);
  return scheme == "quotient_remainder" || scheme == "memcom" ? 4 * sum_tolerance(1) : 0.0f;
}

class Schemes : public OnEveryBackend {};

TEST_P(Schemes, ForwardReadsTheRowsOfTheIds) {
  const std::vector<int32_t> ids = {5, 39, 0, 5, 5, 17, 0, 38, 12};
  for (const auto& [scheme, names] : kPlain) {
    const EmbeddingSpec spec = spec_of(scheme);
    Rig rig(backend(), spec);
    // After steps, or the factors of memcom are all 1.
    for (const auto& batch : {ids, std::vector<int32_t>{7}}) {
      rig.train(ids, 2);
      const Arrays arrays = arrays_of(rig, scheme);
      const auto got = rig.forward(batch);
      for (size_t b = 0; b < batch.size(); ++b) {
        const auto expected = row_of(spec, batch[b], arrays);
        for (int c = 0; c < kDim; ++c)
          ASSERT_NEAR(got[b * kDim + c], expected[c], row_tolerance(scheme))
              << scheme << " look-up " << b;
      }
    }
  }
}

// Loss = sum of weights * rows, so the gradient of the rows is the weights; each is bilinear at
// most, where central differences are exact.
TEST_P(Schemes, GradientsMatchFiniteDifferences) {
  const std::vector<int32_t> ids = {5, 39, 0, 5, 5, 17, 0, 38, 12, 5};
  Random random(4);
  const auto weights = random.normals(static_cast<int64_t>(ids.size()) * kDim);
  for (const bool sparse : {true, false})
    for (const auto& [scheme, names] : kPlain) {
      EmbeddingSpec spec = spec_of(scheme);
      spec.optimizer.optimizer = sparse ? Optimizer::kSparseAdam : Optimizer::kAdam;
      Rig rig(backend(), spec);
      Arrays arrays = arrays_of(rig, scheme);
      rig.forward(ids);
      rig.backward(weights);
      const auto loss = [&] {
        double sum = 0.0;
        for (size_t b = 0; b < ids.size(); ++b) {
          const auto row = row_of(spec, ids[b], arrays);
          for (int c = 0; c < kDim; ++c) sum += weights[b * kDim + c] * row[c];
        }
        return sum;
      };
      for (auto& [array, values] : arrays) {
        const auto got = rig.gradient(array);
        ASSERT_EQ(got.size(), values.size());
        for (size_t i = 0; i < values.size(); ++i)
          // Up to 10 look-ups of kDim products below 10; a step of 1e-3 costs the difference 1e-11.
          ASSERT_NEAR(got[i], reference::finite_difference(values, i, loss, 1e-3),
                      10 * sum_tolerance(static_cast<int64_t>(ids.size()) * kDim))
              << scheme << " " << array << " " << i;
      }
    }
}

/// What lsq makes of x by a step: the level next to x, and whether x is at an end or beyond.
struct Level {
  Level(double x, double step, int bits) {
    const double least = -std::ldexp(1.0, bits - 1), most = -least - 1;
    const double position = x / step;
    level = std::clamp(std::floor(position + 0.5), least, most);
    clipped = position <= least || position >= most;
  }
  double level;
  bool clipped;
};

// Straight through the rounding, so not what differences of the rounded rows would give.
TEST_P(Schemes, LearnedStepsRoundRowsAndPassGradients) {
  const std::vector<int32_t> ids = {5, 39, 0, 5, 5, 17, 0, 38, 12, 5};
  Random random(4);
  const auto weights = random.normals(static_cast<int64_t>(ids.size()) * kDim);
  for (const int bits : {2, 3, 5, 8}) {
    EmbeddingSpec spec = spec_of("lsq");
    spec.config.bits = bits;
    Rig rig(backend(), spec);
    const auto table = reference::widen(rig.values("table"));
    const auto log_steps = reference::widen(rig.values("log_steps"));
    const auto rows = rig.forward(ids);
    rig.backward(weights);
    const auto row_gradient = rig.gradient("table"), step_gradient = rig.gradient("log_steps");
    reference::Matrix expected_rows(table.size()), expected_steps(kDim);
    int clipped = 0;
    for (size_t b = 0; b < ids.size(); ++b)
      for (int64_t c = 0; c < kDim; ++c) {
        const double x = table[ids[b] * kDim + c], step = std::exp(log_steps[c]);
        const Level level(x, step, bits);
        const double served = level.level * step, weight = weights[b * kDim + c];
        // Bounds of up to 2^bits steps, rounded once.
        ASSERT_NEAR(rows[b * kDim + c], served, std::ldexp(step, bits) * sum_tolerance(1));
        clipped += level.clipped;
        if (!level.clipped) expected_rows[ids[b] * kDim + c] += weight;
        expected_steps[c] += weight * (level.clipped ? served : served - x);
      }
    EXPECT_EQ(clipped > 0, bits < 5) << bits << " bits: both kinds are among the cases";
    const double tolerance = 10 * sum_tolerance(static_cast<int64_t>(ids.size()) * kDim);
    for (size_t i = 0; i < table.size(); ++i)
      ASSERT_NEAR(row_gradient[i], expected_rows[i], tolerance) << bits << " bits, " << i;
    for (int64_t c = 0; c < kDim; ++c)
      ASSERT_NEAR(step_gradient[c], expected_steps[c], tolerance) << bits << " bits, " << c;
  }
}

TEST_P(Schemes, PackedTableDecodesToTheTrainedRows) {
  for (const char* scheme : {"full", "hashed", "multiplexed", "low_rank", "lsq",
                             "quotient_remainder", "memcom", "mixed_dim"}) {
    Rig rig(backend(), spec_of(scheme));
    rig.train({1, 1, 4, 30, 39}, 5);
    const auto trained = rig.forward(all_ids()), served = rig.served();
    ASSERT_EQ(served.size(), trained.size());
    const bool product = std::string(scheme) == "low_rank" || std::string(scheme) == "mixed_dim";
    for (size_t i = 0; i < served.size(); ++i)
      ASSERT_NEAR(served[i], trained[i], product ? row_tolerance(scheme) : 0.0f)
          << scheme << " " << i;
  }
}

// What a batch does not ask for stays as it is, whatever other blocks' ids it has.
TEST_P(Schemes, MixedDimensionsMoveTheRowsAskedForAlone) {
  Rig rig(backend(), spec_of("mixed_dim"));
  std::map<std::string, std::vector<float>> before;
  for (const std::string& name : kPlain.at("mixed_dim")) before[name] = rig.values(name);
  rig.train({2, 22, 22, 39}, 3);  // none of block 1
  const auto moved = [&](const std::string& name, int64_t row, int64_t width) {
    const auto after = rig.values(name);
    return !std::equal(&after[row * width], &after[row * width] + width,
                       &before[name][row * width]);
  };
  for (int64_t row = 0; row < 4; ++row) EXPECT_EQ(moved("table.0", row, kDim), row == 2) << row;
  for (int64_t row = 0; row < 16; ++row) EXPECT_FALSE(moved("table.1", row, 5)) << row;
  for (int64_t row = 0; row < 20; ++row)
    EXPECT_EQ(moved("table.2", row, 2), row == 2 || row == 19) << row;
}

TEST_P(Schemes, ScalarQuantizationServesTheNearestMiddle) {
  for (const int bits : {1, 2, 4, 5, 8, 11, 16}) {
    EmbeddingSpec spec = spec_of("scalar_quantized");
    spec.config.bits = bits;
    Rig rig(backend(), spec);
    rig.train({1, 1, 4, 30, 39}, 5);
    const auto trained = rig.values("table"), served = rig.served();
    const int levels = 1 << bits;
    for (int64_t c = 0; c < kDim; ++c) {
      double low = INFINITY, high = -INFINITY;
      for (int64_t r = 0; r < kRows; ++r) {
        low = std::min<double>(low, trained[r * kDim + c]);
        high = std::max<double>(high, trained[r * kDim + c]);
      }
      for (int64_t r = 0; r < kRows; ++r) {
        double nearest = INFINITY;
        for (int k = 0; k < levels; ++k) {
          const double middle = low + (k + 0.5) * (high - low) / levels;
          if (std::fabs(middle - trained[r * kDim + c]) <
              std::fabs(nearest - trained[r * kDim + c]))
            nearest = middle;
        }
        ASSERT_NEAR(served[r * kDim + c], nearest, 4 * sum_tolerance(1))
            << bits << " bits, row " << r << ", column " << c;
      }
    }
  }
}

TEST_P(Schemes, IdsOfABucketShareItsRow) {
  Rig rig(backend(), spec_of("hashed"));
  const auto before = rig.served();
  const int32_t id = 17;
  rig.train({id}, 3);
  const auto after = rig.served();
  int sharing = 0;
  for (int64_t other = 0; other < kRows; ++other) {
    const bool shares = hash_bucket(other, kBuckets) == hash_bucket(id, kBuckets);
    sharing += shares;
    for (int64_t c = 0; c < kDim; ++c) {
      if (shares) {
        EXPECT_EQ(after[other * kDim + c], after[id * kDim + c]) << other;
      } else {
        EXPECT_EQ(after[other * kDim + c], before[other * kDim + c]) << other;
      }
    }
    EXPECT_EQ(after[other * kDim] != before[other * kDim], shares) << other;
  }
  EXPECT_GT(sharing, 1);
}

TEST_P(Schemes, LowRankProductStartsWithTheStandardDeviationAsked) {
  EmbeddingSpec spec = spec_of("low_rank");
  spec.rows = 5000;
  spec.config.dim = 64;
  spec.config.rank = 16;
  spec.config.init_stddev = 0.01;
  Rig rig(backend(), spec);
  double sum = 0.0, squares = 0.0;
  const auto rows = rig.served();
  for (const double x : rows) {
    sum += x;
    squares += x * x;
  }
  const auto count = static_cast<double>(rows.size());
  // The 1,024 numbers of the basis set the spread of all rows: its variance errs by
  // sqrt(2 / 1024) = 4.4%, the deviation by half of that; three times as much is allowed.
  EXPECT_NEAR(std::sqrt(squares / count), 0.01, 0.01 * 0.066);
  EXPECT_NEAR(sum / count, 0.0, 0.01 * 0.066);
}

// Ids that training never saw are encoded at packing like all others, and ids that it saw are
// encoded anew: what is served is near the rows and codebooks as they stand at the end.
TEST_P(Schemes, CodesAreThoseOfTheFinalRowsForEveryId) {
  for (const char* scheme : {"dpq_vq", "mgqe"}) {
    const EmbeddingSpec spec = spec_of(scheme);
    Rig rig(backend(), spec);
    const auto early = rig.served();
    rig.train({0, 1, 5, 30, 30, 7}, 20);
    const auto served = rig.served();
    EXPECT_NE(early, served);  // codes of the start would not pass below
    const auto queries = reference::widen(rig.values("queries"));
    const auto codebook = reference::widen(rig.values("codebook"));
    const int subspaces = 4, width = kDim / subspaces;
    const auto row = reference::widen(served);
    std::map<int64_t, std::set<int>> used;  // centroids by tier
    for (int64_t id = 0; id < kRows; ++id) {
      const int tier = std::string(scheme) == "dpq_vq" ? 0 : id < 4 ? 0 : id < 20 ? 1 : 2;
      const int limit = spec.config.centroids[tier];
      for (int j = 0; j < subspaces; ++j) {
        const int best = reference::nearest(&queries[id * kDim], codebook, limit, kDim, j, width);
        const double distance =
            reference::squared_distance(&queries[id * kDim], &codebook[best * kDim], j, width);
        const double found =
            reference::squared_distance(&queries[id * kDim], &row[id * kDim], j, width);
        ASSERT_NEAR(found, distance, 16 * sum_tolerance(width + 1)) << scheme << " id " << id;
        used[tier].insert(best);
      }
    }
    EXPECT_GT(used[0].size(), 4u) << "the head uses more centroids than the other tiers have";
  }
}

TEST_P(Schemes, IdsNeverSeenAreServed) {
  for (const EmbeddingSpec& spec : every_scheme()) {
    Rig rig(backend(), spec);
    rig.train({0, 1, 2, 1}, 4);
    const PackedTable packed = rig.pack();
    EXPECT_EQ(packed.rows, kRows);
    const auto served = decode_table(backend(), packed).to_host();
    ASSERT_EQ(static_cast<int64_t>(served.size()), kRows * kDim);
    for (int64_t id = 3; id < kRows; ++id) {
      double squares = 0.0;
      for (int64_t c = 0; c < kDim; ++c)
        squares += static_cast<double>(served[id * kDim + c]) * served[id * kDim + c];
      ASSERT_TRUE(std::isfinite(squares)) << label(spec) << " id " << id;
      EXPECT_GT(squares, 0.0) << label(spec) << " id " << id;
    }
  }
}

// The arrays are those the scheme asks for and no others: no query table, no key, no moments.
TEST_P(Schemes, PackedArraysAreTheSchemesAndNoMore) {
  const std::map<std::string, int64_t> formula = {
      {"full shared_k", 32 * kRows * kDim},
      {"low_rank shared_k", 32 * (kRows * kRank + kRank * kDim)},
      {"scalar_quantized shared_k", kRows * 5 * kDim + 64 * kDim},
      {"hashed shared_k", 32 * kBuckets * kDim},
      {"lsq shared_k", kRows * 5 * kDim + 64 * kDim},
      {"multiplexed shared_k", 32 * kBuckets * kDim},
      {"quotient_remainder shared_k", 32 * (kBuckets + 6) * kDim},
      {"memcom shared_k", 32 * (kBuckets * kDim + kRows)},
      {"mixed_dim shared_k", 32 * (4 * kDim + 16 * 5 + 5 * kDim + 20 * 2 + 2 * kDim)},
      {"dpq_vq shared_k", kRows * 4 * 4 + 32 * 13 * kDim},
      {"dpq_sx shared_k", kRows * 4 * 4 + 32 * 13 * kDim},
      {"mgqe shared_k", 4 * 4 * 4 + 16 * 4 * 2 + 20 * 4 * 1 + 32 * 13 * kDim},
      {"mgqe private_k", 4 * 4 * 4 + 16 * 4 * 2 + 20 * 4 * 1 + 32 * (13 + 4 + 2) * kDim},
      {"mgqe private_d", 4 * 6 * 4 + 16 * 4 * 4 + 20 * 1 * 4 + 3 * 32 * 13 * kDim}};
  for (const EmbeddingSpec& spec : every_scheme()) {
    SCOPED_TRACE(label(spec));
    Rig rig(backend(), spec);
    const PackedTable packed = rig.pack();
    EXPECT_EQ(packed.scheme, spec.config.scheme);
    EXPECT_EQ(packed.formula_bits(), formula.at(label(spec)));
    EXPECT_EQ(packed.payload_bits(), packed.formula_bits() + packed.padding_bits());
    const auto specs = expected_arrays(packed);
    EXPECT_EQ(packed.arrays.size(), specs.size());
    for (const ArraySpec& expected : specs) {
      ASSERT_TRUE(packed.arrays.contains(expected.name)) << expected.name;
      EXPECT_EQ(packed.arrays.at(expected.name).shape, expected.shape) << expected.name;
      EXPECT_EQ(packed.arrays.at(expected.name).dtype, expected.dtype) << expected.name;
    }
  }
}

// Tables of ML-1M's items as they are trained and packed, in % of the full one.
TEST_P(Schemes, PackedSizesAreThoseOfTheSizeTable) {
  constexpr int64_t kItems = 3416;
  const auto percent_of = [&](const std::string& scheme,
                              const std::function<void(EmbeddingConfig&)>& edit) {
    EmbeddingSpec spec = spec_of(scheme);
    spec.rows = kItems;
    spec.config.dim = 64;
    if (scheme == "mgqe") {
      spec.config.tiers = {0.1};
      spec.config.centroids = {256, 64};
    } else {
      spec.config.centroids = {256};
    }
    edit(spec.config);
    const PackedTable packed = make_embedding(backend(), spec)->pack();
    EXPECT_EQ(packed.payload_bits(), packed.formula_bits()) << "no row needs padding";
    return 100.0 * static_cast<double>(packed.payload_bits()) / (32.0 * kItems * 64);
  };
  constexpr double kRounding = 0.005 + 1e-9;  // the table has two decimals
  struct Line {
    int subspaces;
    double dpq, mgqe;
  };
  for (const auto& [subspaces, dpq, mgqe] : {Line{4, 9.06, 8.71},
                                             {8, 10.62, 9.92},
                                             {16, 13.74, 12.34},
                                             {32, 19.99, 17.18},
                                             {64, 32.49, 26.87}}) {
    const auto edit = [D = subspaces](EmbeddingConfig& config) { config.subspaces = {D}; };
    EXPECT_NEAR(percent_of("dpq_vq", edit), dpq, kRounding) << subspaces;
    EXPECT_NEAR(percent_of("dpq_sx", edit), dpq, kRounding) << subspaces;
    EXPECT_NEAR(percent_of("mgqe", edit), mgqe, kRounding) << subspaces;
  }
  struct Baseline {
    int value;
    double percent;
  };
  for (const auto& [d, percent] : {Baseline{4, 6.25}, {8, 12.5}, {16, 25.0}, {32, 50.0}})
    EXPECT_NEAR(percent_of("full", [d = d](EmbeddingConfig& c) { c.dim = d; }), percent, kRounding);
  for (const auto& [b, percent] : {Baseline{1, 3.18}, {2, 6.31}, {4, 12.56}, {8, 25.06}})
    EXPECT_NEAR(percent_of("scalar_quantized", [b = b](EmbeddingConfig& c) { c.bits = b; }),
                percent, kRounding);
  for (const auto& [r, percent] : {Baseline{4, 6.37}, {8, 12.73}, {16, 25.47}, {32, 50.94}})
    EXPECT_NEAR(percent_of("low_rank", [r = r](EmbeddingConfig& c) { c.rank = r; }), percent,
                kRounding);
}

TEST_P(Schemes, SameSeedIsBitwiseTheSameTable) {
  for (const EmbeddingSpec& spec : every_scheme()) {
    SCOPED_TRACE(label(spec));
    const auto run = [&](const EmbeddingSpec& of) {
      Rig rig(backend(), of);
      rig.train({0, 9, 31, 31, 22, 9, 31}, 6);
      return rig.pack();
    };
    const PackedTable first = run(spec), second = run(spec);
    for (const auto& [name, array] : first.arrays)
      EXPECT_EQ(array.bytes, second.arrays.at(name).bytes) << name;
    EmbeddingSpec other = spec;
    other.table_key += 1;
    other.codebook_key += 1;
    EXPECT_NE(first.arrays.begin()->second.bytes, run(other).arrays.begin()->second.bytes);
  }
}

TEST_P(Schemes, UnknownNameIsRefusedWithTheNames) {
  try {
    make_embedding(backend(), spec_of("magic"));
    ADD_FAILURE() << "accepted";
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(),
                 "--embedding magic is unknown: choose full, low_rank, scalar_quantized, hashed, "
                 "dpq_vq, dpq_sx, mgqe, lsq, multiplexed, quotient_remainder, memcom or mixed_dim");
  }
}

MGQE_ON_EVERY_BACKEND(Schemes);

}  // namespace
}  // namespace mgqe::testing
