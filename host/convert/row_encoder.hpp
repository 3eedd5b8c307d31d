// RowEncoder: float rows into the packed codes of a table that has its codebooks.
#pragma once

#include <cstdint>
#include <vector>

#include "host/base/tensor.hpp"
#include "host/engine/backend.hpp"
#include "host/packed/code_space.hpp"
#include "host/packed/packed_model.hpp"

namespace mgqe {

/// What rows lost by being encoded.
struct RowErrors {
  int64_t rows = 0;
  double squared_error = 0.0;  // sum over rows of ||x - decoded||^2
  double squared_norm = 0.0;   // of ||x||^2

  /// The relative mean squared error; 0 of rows of zeros.
  double relative() const { return squared_norm > 0.0 ? squared_error / squared_norm : 0.0; }
  void add(const RowErrors& other);
};

class RowEncoder {
 public:
  /// Rows at most in a call of encode, at dimension d.
  static int64_t max_rows(int64_t dim);

  /// Tiers and codebooks of a coded table are copied to the device. The table must outlive it.
  RowEncoder(Backend& backend, const PackedTable& table);

  int64_t row_bytes(int tier) const;
  /// rows (m, d), in host memory, to packed (m, row_bytes(tier)), as rows of that tier; the nearest
  /// centroid, the lowest on ties, of each stage to what those before it have left.
  RowErrors encode(int tier, View<const float> rows, uint8_t* packed);

 private:
  struct StageBook {
    Tensor<float> codebook;    // (K_i, d)
    Tensor<float> half_norms;  // (K_i, D_i)
  };
  struct TierBook {
    std::vector<StageBook> stages;
    int subspaces = 1;  // of each stage
    int bits = 0;
  };

  void encode_stage(const TierBook& book, size_t stage, int64_t count);
  void encode_stages(const TierBook& book, int64_t count);

  Backend& backend_;
  CodeSpace space_;
  std::vector<TierBook> tiers_;
  Tensor<float> rows_, decoded_;                  // (max rows, d)
  Tensor<float> squared_errors_;                  // (max rows)
  Tensor<uint8_t> codes_, packed_;                // (max rows, at most S d)
  std::vector<float> left_, subtrahend_;          // (max rows, d): of rows, what stages have left
  std::vector<uint8_t> stage_codes_, all_codes_;  // (max rows, D_i) and (max rows, S D_i)
  std::vector<float> host_errors_;                // (max rows)
  std::vector<double> host_norms_;                // (max rows)
};

}  // namespace mgqe
