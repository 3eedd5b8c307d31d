#include "models/embeddings/scalar_quantized.hpp"

namespace mgqe {

ScalarQuantizedEmbedding::ScalarQuantizedEmbedding(Backend& backend, const EmbeddingSpec& spec)
    : backend_(backend), bits_(spec.config.bits), full_(backend, spec) {}

PackedTable ScalarQuantizedEmbedding::pack() {
  const View<const float> rows = full_.rows();
  Tensor<float> partials(backend_, 2 * range_chunks(rows.rows), rows.cols);
  Tensor<float> low(backend_, rows.cols), high(backend_, rows.cols);
  backend_.column_ranges(rows, partials, low, high);
  const int64_t row_bytes = packed_row_bytes(static_cast<int>(rows.cols), bits_);
  Tensor<uint8_t> cells(backend_, rows.rows, row_bytes);
  backend_.pack_cells(rows, low, high, bits_, cells);

  PackedTable packed;
  packed.scheme = "scalar_quantized";
  packed.rows = rows.rows;
  packed.dim = rows.cols;
  packed.bits = bits_;
  packed.arrays.emplace("cells", HostArray(cells.to_host(), {rows.rows, row_bytes}));
  packed.arrays.emplace("low", HostArray(low.to_host(), {rows.cols}));
  packed.arrays.emplace("high", HostArray(high.to_host(), {rows.cols}));
  return packed;
}

}  // namespace mgqe
