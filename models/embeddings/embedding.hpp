// Embedding: one trainable table of n rows, in any of the paper's schemes. Backbones look rows up
// and hand gradients back; how a row is stored is the scheme's business.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "host/config/config.hpp"
#include "models/embeddings/wire_codec.hpp"
#include "models/optim/trainable.hpp"
#include "models/optim/trainable_table.hpp"
#include "models/optim/unique_buffer.hpp"
#include "models/packing/device_table.hpp"

namespace mgqe {

/// How well one tier's codes use the codebook and fit the rows, over all rows of the tier.
struct TierReport {
  int64_t rows;
  int centroids;              // K_i
  double perplexity;          // exp(entropy) of the codes, mean over subspaces; at most K_i
  int64_t unused_centroids;   // of D K_i
  double mean_squared_error;  // (e - c)^2, mean over rows and dimensions

  /// Whether the codes tell hardly more rows apart than a single code would: the perplexity is less
  /// than a tenth of the way from 1 to what K_i and the number of rows allow.
  bool collapsed() const {
    constexpr double kCollapsed = 0.1;
    const double allowed = static_cast<double>(std::min<int64_t>(centroids, rows));
    return allowed > 1.0 && perplexity - 1.0 < kCollapsed * (allowed - 1.0);
  }
};

struct EmbeddingSpec {
  std::string name;     // "user", "item": prefix of array names
  int64_t rows;         // n
  int64_t max_lookups;  // largest batch
  EmbeddingConfig config;
  OptimizerOptions optimizer;
  uint64_t table_key;  // random streams of the initial values
  uint64_t codebook_key;
  RowSharding sharding{};  // of the rows; of no ranks: whole

  RowSharding rows_here() const { return sharding.rows == 0 ? RowSharding::whole(rows) : sharding; }
};

/// The ids of a batch, sorted once for every table and both passes that look them up.
struct IdBatch {
  View<const int32_t> ids;  // (B)
  UniqueIds unique;
  int64_t lookups = 0;  // B of all ranks together: what the codebook loss is a mean over
  std::span<const int64_t> rank_rows{};  // (N) distinct ids of each rank's batch, where known
};

class Embedding {
 public:
  /// Rows travel as floats (d) where no codec is given.
  Embedding(Backend& backend, int64_t dim, std::unique_ptr<WireCodec> wire = nullptr);
  virtual ~Embedding() = default;

  /// Rows of the ids (B) as training sees them; valid until the next call.
  virtual Lookup forward(const IdBatch& ids) = 0;
  /// After forward, before backward: gradients that need none of the loss's by the rows. Among
  /// ranks it is called while those are on their way.
  virtual void prepare_backward() {}
  /// gradient (B, d) of the task loss by look-up of the last forward: finds those of the scheme's
  /// own arrays, and stays as it is until step().
  virtual void backward(View<const float> gradient) = 0;
  /// Moves what backward found gradients of.
  virtual void step(View<const StepState> state) = 0;

  /// How the rows of a rank's share travel.
  WireCodec& wire() { return *wire_; }

  /// The table as it is served: this rank's rows, on the device. Every row is encoded anew, seen in
  /// training or not. Where packing changes nothing the arrays are training's own, so what is
  /// packed is valid until the next step.
  virtual DevicePackedTable pack() = 0;
  /// Of the last pack(); empty where nothing is quantized.
  virtual std::vector<TierReport> tier_reports() const { return {}; }
  virtual void visit(const TensorVisitor& visitor) = 0;

 protected:
  /// A packed table without arrays, to be filled.
  DevicePackedTable packed(const std::string& scheme, const RowSharding& sharding,
                           int64_t dim) const {
    DevicePackedTable table;
    table.form.scheme = scheme;
    table.form.rows = sharding.rows;
    table.form.dim = dim;
    table.sharding = sharding;
    table.memory = &backend_;
    return table;
  }

  Backend& backend_;

 private:
  std::unique_ptr<WireCodec> wire_;
};

/// (n) 0, 1, 2, ...: where the row of each look-up is, among rows that lie by look-up.
Tensor<int32_t> number_lookups(Backend& backend, int64_t lookups);

/// The scheme that spec.config names.
std::unique_ptr<Embedding> make_embedding(Backend& backend, const EmbeddingSpec& spec);

/// Tiers of n popularity-ordered ids: tier i ends at ceil(fraction_i n).
Tiers make_tiers(const EmbeddingConfig& config, int64_t rows);

}  // namespace mgqe
