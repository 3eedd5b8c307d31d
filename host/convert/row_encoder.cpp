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
      rows_(backend, max_rows(table.dim), table.dim),
      decoded_(backend, max_rows(table.dim), table.dim),
      squared_errors_(backend, max_rows(table.dim)),
      codes_(backend, max_rows(table.dim), table.dim),
      packed_(backend, max_rows(table.dim), table.dim),
      host_errors_(static_cast<size_t>(max_rows(table.dim))),
      host_norms_(host_errors_.size()) {
  MGQE_CHECK(table.has_codes() && table.dim <= kMaxDim, table.scheme, " of dimension ", table.dim);
  for (int t = 0; t < static_cast<int>(table.tiers.size()); ++t) {
    const PackedTier& tier = table.tiers[t];
    const HostArray& stored = table.arrays.at(table.codebook_name(t));
    TierBook& book = tiers_.emplace_back();
    book.subspaces = tier.subspaces;
    book.bits = code_bits(tier.centroids);
    book.codebook = Tensor<float>(
        backend, stored.as<float>().first(static_cast<size_t>(tier.centroids * table.dim)),
        table.dim);
    book.half_norms = Tensor<float>(backend, tier.centroids, tier.subspaces);
    backend.half_norms(book.codebook, tier.subspaces, book.half_norms);
  }
}

int64_t RowEncoder::row_bytes(int tier) const {
  const TierBook& book = tiers_[static_cast<size_t>(tier)];
  return packed_row_bytes(book.subspaces, book.bits);
}

RowErrors RowEncoder::encode(int tier, View<const float> rows, uint8_t* packed) {
  const TierBook& book = tiers_[static_cast<size_t>(tier)];
  const int64_t count = rows.rows, bytes = row_bytes(tier);
  MGQE_CHECK(count <= rows_.rows() && rows.cols == rows_.cols(), "rows (", count, ", ", rows.cols,
             ") in room for (", rows_.rows(), ", ", rows_.cols(), ")");
  RowErrors errors{count};
  if (count == 0) return errors;
  const View<uint8_t> codes(codes_.data(), count, book.subspaces);
  const View<float> squared = squared_errors_.view().slice(0, count);
  Tiers all;
  all.end[0] = count;
  all.centroids[0] = static_cast<int>(book.codebook.rows());
  backend_.upload(rows_.data(), rows.data, sizeof(float) * static_cast<size_t>(rows.size()));
  backend_.assign(rows_, RowSet::range(0, count), book.codebook, book.half_norms, all, codes,
                  decoded_.view().slice(0, count), squared);
  if (bytes > 0) {
    const View<uint8_t> rows_of_codes(packed_.data(), count, bytes);
    backend_.pack_codes(codes, book.bits, rows_of_codes);
    backend_.download(packed, rows_of_codes.data, static_cast<size_t>(rows_of_codes.size()));
  }
  backend_.download(host_errors_.data(), squared.data, sizeof(float) * static_cast<size_t>(count));
  parallel_pieces(count, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      host_norms_[static_cast<size_t>(r)] = squared_norm(rows.row(r), rows.cols);
  });
  for (int64_t r = 0; r < count; ++r) {
    errors.squared_error += host_errors_[static_cast<size_t>(r)];
    errors.squared_norm += host_norms_[static_cast<size_t>(r)];
  }
  return errors;
}

}  // namespace mgqe
