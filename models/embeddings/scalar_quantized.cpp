#include "models/embeddings/scalar_quantized.hpp"

#include <algorithm>
#include <cstring>

#include "models/optim/sparse_all_to_all.hpp"

namespace mgqe {

ScalarQuantizedEmbedding::ScalarQuantizedEmbedding(Backend& backend, const EmbeddingSpec& spec)
    : Embedding(backend, spec.config.dim), bits_(spec.config.bits), full_(backend, spec) {}

namespace {

/// The least, or the greatest, of every rank's.
void over_ranks(Communicator& ranks, Tensor<float>& values, bool greatest) {
  if (ranks.alone()) return;
  const std::vector<float> mine = values.to_host();
  std::vector<float> best = mine;
  for (const std::string& one :
       ranks.gather({reinterpret_cast<const char*>(mine.data()), mine.size() * sizeof(float)})) {
    std::vector<float> theirs(mine.size());
    std::memcpy(theirs.data(), one.data(), one.size());
    for (size_t i = 0; i < best.size(); ++i)
      best[i] = greatest ? std::max(best[i], theirs[i]) : std::min(best[i], theirs[i]);
  }
  values.assign(best);
}

}  // namespace

DevicePackedTable ScalarQuantizedEmbedding::pack() {
  const View<const float> rows = full_.rows();
  Tensor<float> partials(backend_, 2 * range_chunks(rows.rows), rows.cols);
  Tensor<float> low(backend_, rows.cols), high(backend_, rows.cols);
  backend_.column_ranges(rows, partials, low, high);
  over_ranks(backend_.communicator(), low, false);
  over_ranks(backend_.communicator(), high, true);
  const int64_t row_bytes = packed_row_bytes(static_cast<int>(rows.cols), bits_);
  Tensor<uint8_t> cells(backend_, rows.rows, row_bytes);
  backend_.pack_cells(rows, low, high, bits_, cells);

  DevicePackedTable table = packed("scalar_quantized", full_.sharding(), rows.cols);
  table.form.bits = bits_;
  table.arrays.emplace("cells", std::move(cells));
  table.arrays.emplace("low", std::move(low));
  table.arrays.emplace("high", std::move(high));
  return table;
}

}  // namespace mgqe
