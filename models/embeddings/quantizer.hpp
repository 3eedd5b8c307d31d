// One trained codebook and the tiers it encodes: the vector-quantization part of DPQ (Chen & Sun
// 2019) that dpq_vq and the variants of mgqe share.
#pragma once

#include "models/embeddings/embedding.hpp"
#include "models/embeddings/rounded_codebook.hpp"

namespace mgqe {

class Quantizer {
 public:
  /// Centroids start at N(0, init_stddev) from `key`. tiers: of the whole table; one with 0
  /// centroids is not encoded here.
  Quantizer(Backend& backend, const std::string& name, const EmbeddingSpec& spec,
            const Tiers& tiers, int subspaces, uint64_t key);

  /// decoded (B, d): centroids of the batch's rows that belong to this codebook's tiers, other rows
  /// left alone. Keeps the codes, and, but of a table sharded over ranks, the gradient of scale/2 *
  /// sum of (c - sg(e))^2.
  void forward(View<const float> queries, const UniqueIds& rows, float scale, View<float> decoded);
  /// That gradient of a sharded table, of the rows of the last forward: other ranks wait for their
  /// codes, and need not wait for this.
  void find_gradient(View<const float> queries, const UniqueIds& rows, float scale);
  /// What that gradient moves.
  Trainable& codebook() { return codebook_; }

  /// How rows travel between ranks (Embedding): wire (B, W) by look-up of the last forward, index
  /// (B) its distinct row, ids (B) of this rank's rows; rows of other codebooks are left alone.
  void to_wire(View<const int32_t> index, View<const int32_t> ids, View<uint8_t> wire) const {
    backend_.codes_to_wire(codes_, index, ids, tiers_, wire);
  }
  /// ids (B) of the whole table.
  void from_wire(View<const uint8_t> wire, View<const int32_t> ids, View<float> rows) const;

  /// Call once the codebook has changed, before encode or packed_codebook.
  void refresh();
  /// Codes, decoded rows and squared errors as they are served; shapes as in Backend::assign.
  void encode(View<const float> queries, RowSet rows, View<uint8_t> codes, View<float> decoded,
              View<float> squared_error);

  /// Moves the centroids by k-means over the rows of its tiers.
  void start_from_kmeans(View<const float> queries, int iterations);

  DeviceArray packed_codebook() const { return DeviceArray::borrow<float>(served()); }
  DType codebook_type() const { return rounded_.type(); }
  void visit(const TensorVisitor& visitor);

  int subspaces() const { return subspaces_; }

 private:
  /// (K, d) as of the last forward or refresh.
  View<const float> served() const { return rounded_.of(codebook_.values()); }

  Backend& backend_;
  std::string name_;
  Tiers all_tiers_, tiers_;  // of the whole table, of this rank's rows
  int subspaces_;
  bool normalized_, sharded_;
  Trainable codebook_;  // (K, d)
  RoundedCodebook rounded_;
  Tensor<float> half_norms_;  // (K, D)
  Tensor<uint8_t> codes_;     // (max look-ups, D)
  Tensor<double> partials_;   // (K D, 3), only with distance_bn, as the next two
  Tensor<float> moments_;     // (K, 2): mean and variance of a batch's distances
  Tensor<float> running_;     // (K, 2): their running averages, which packing encodes by
};

/// Lloyd's algorithm from the given codebook (K, d): each iteration assigns every row of a tier
/// with centroids among the first K_i of them, and moves a centroid to the mean of its rows, those
/// of all ranks where the table is sharded over them. One that no row chose stays. Means are summed
/// on the host, in double: this runs once, before training.
void kmeans(Backend& backend, View<const float> queries, const Tiers& tiers, int subspaces,
            int iterations, bool sharded, Tensor<float>& codebook);

}  // namespace mgqe
