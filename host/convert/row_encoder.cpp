#include "host/convert/row_encoder.hpp"

#include <algorithm>

#include "host/base/parallel.hpp"

namespace mgqe {

namespace {

constexpr int64_t kComponentsAtOnce = int64_t{1} << 20;
constexpr int64_t kGrain = 256;  // rows a thread takes at least

/// ||x||^2 in lanes of its own, so that it is no chain of additions.
double squared_norm(const float* x, int64_t d) {
  constexpr int64_t kLanes = 8;
  double sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= d; i += kLanes)
    for (int64_t l = 0; l < kLanes; ++l) sums[l] += static_cast<double>(x[i + l]) * x[i + l];
  for (; i < d; ++i) sums[i % kLanes] += static_cast<double>(x[i]) * x[i];
  double total = 0.0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace

void RowErrors::add(const RowErrors& other) {
  rows += other.rows;
  squared_error += other.squared_error;
  squared_norm += other.squared_norm;
}

int64_t RowEncoder::max_rows(int64_t dim) { return kComponentsAtOnce / dim; }

RowEncoder::RowEncoder(Backend& backend, const PackedTable& table)
    : backend_(backend),
      space_(table),
      rows_(backend, max_rows(table.dim), table.dim),
      decoded_(backend, max_rows(table.dim), table.dim),
      squared_errors_(backend, max_rows(table.dim)),
      codes_(backend, max_rows(table.dim), table.code_dim()),
      packed_(backend, max_rows(table.dim), table.code_dim()),
      host_errors_(static_cast<size_t>(max_rows(table.dim))),
      host_norms_(host_errors_.size()) {
  MGQE_CHECK(table.has_codes() && table.dim <= kMaxDim, table.scheme, " of dimension ", table.dim);
  for (int t = 0; t < static_cast<int>(table.tiers.size()); ++t) {
    const PackedTier& tier = table.tiers[t];
    const std::vector<float> stored = table.codebook(t);
    TierBook& book = tiers_.emplace_back();
    book.subspaces = tier.subspaces;
    book.bits = code_bits(tier.centroids);
    for (int64_t s = 0; s < table.stages; ++s) {
      std::vector<float> centroids;
      for (int64_t k = 0; k < tier.centroids; ++k) {
        const float* const part = stored.data() + k * table.code_dim() + s * table.dim;
        centroids.insert(centroids.end(), part, part + table.dim);
      }
      StageBook& stage = book.stages.emplace_back();
      stage.codebook = Tensor<float>(backend, centroids, table.dim);
      stage.half_norms = Tensor<float>(backend, tier.centroids, tier.subspaces);
      backend.half_norms(stage.codebook, tier.subspaces, stage.half_norms);
    }
  }
}

int64_t RowEncoder::row_bytes(int tier) const {
  const TierBook& book = tiers_[static_cast<size_t>(tier)];
  return packed_row_bytes(static_cast<int>(book.stages.size()) * book.subspaces, book.bits);
}

/// codes_ and decoded_ of the rows in rows_, and squared_errors_.
void RowEncoder::encode_stage(const TierBook& book, size_t stage, int64_t count) {
  const StageBook& own = book.stages[stage];
  Tiers all;
  all.end[0] = count;
  all.centroids[0] = static_cast<int>(own.codebook.rows());
  backend_.assign(rows_, RowSet::range(0, count), own.codebook, own.half_norms, all,
                  View<uint8_t>(codes_.data(), count, book.subspaces),
                  decoded_.view().slice(0, count), squared_errors_.view().slice(0, count));
}

/// All stages; codes_ then has those of all.
void RowEncoder::encode_stages(const TierBook& book, int64_t count) {
  const int64_t dim = rows_.cols(), subspaces = book.subspaces;
  const auto stages = static_cast<int64_t>(book.stages.size());
  subtrahend_.resize(static_cast<size_t>(count * dim));
  stage_codes_.resize(static_cast<size_t>(count * subspaces));
  all_codes_.resize(static_cast<size_t>(count * stages * subspaces));
  for (int64_t s = 0; s < stages; ++s) {
    encode_stage(book, static_cast<size_t>(s), count);
    backend_.download(stage_codes_.data(), codes_.data(), stage_codes_.size());
    for (int64_t r = 0; r < count; ++r)
      std::copy_n(stage_codes_.data() + r * subspaces, subspaces,
                  all_codes_.data() + (r * stages + s) * subspaces);
    if (s + 1 == stages) break;
    backend_.download(subtrahend_.data(), decoded_.data(), sizeof(float) * subtrahend_.size());
    parallel_pieces(count * dim, kGrain * dim, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) left_[i] -= subtrahend_[i];
    });
    backend_.upload(rows_.data(), left_.data(), sizeof(float) * subtrahend_.size());
  }
  backend_.upload(codes_.data(), all_codes_.data(), all_codes_.size());
}

RowErrors RowEncoder::encode(int tier, View<const float> rows, uint8_t* packed) {
  const TierBook& book = tiers_[static_cast<size_t>(tier)];
  const int64_t count = rows.rows, bytes = row_bytes(tier), dim = rows.cols;
  MGQE_CHECK(count <= rows_.rows() && dim == rows_.cols(), "rows (", count, ", ", dim,
             ") in room for (", rows_.rows(), ", ", rows_.cols(), ")");
  RowErrors errors{count};
  if (count == 0) return errors;
  const auto row_set_bytes = sizeof(float) * static_cast<size_t>(rows.size());
  if (space_.plain()) {
    backend_.upload(rows_.data(), rows.data, row_set_bytes);
    encode_stage(book, 0, count);
  } else {
    left_.resize(static_cast<size_t>(rows.size()));
    parallel_pieces(count, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) space_.rotate(rows.row(r), left_.data() + r * dim);
    });
    backend_.upload(rows_.data(), left_.data(), row_set_bytes);
    encode_stages(book, count);
  }
  if (bytes > 0) {
    const View<uint8_t> rows_of_codes(packed_.data(), count, bytes);
    const auto codes = static_cast<int64_t>(book.stages.size()) * book.subspaces;
    backend_.pack_codes(View<uint8_t>(codes_.data(), count, codes), book.bits, rows_of_codes);
    backend_.download(packed, rows_of_codes.data, static_cast<size_t>(rows_of_codes.size()));
  }
  backend_.download(host_errors_.data(), squared_errors_.data(),
                    sizeof(float) * static_cast<size_t>(count));
  parallel_pieces(count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      host_norms_[static_cast<size_t>(r)] = squared_norm(rows.row(r), dim);
  });
  for (int64_t r = 0; r < count; ++r) {
    errors.squared_error += host_errors_[static_cast<size_t>(r)];
    errors.squared_norm += host_norms_[static_cast<size_t>(r)];
  }
  return errors;
}

}  // namespace mgqe
