#include "host/convert/codebook.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "host/base/parallel.hpp"
#include "host/base/philox.hpp"
#include "host/base/sampling.hpp"

namespace mgqe {

namespace {

constexpr int64_t kAssignedAtOnce = int64_t{1} << 20;  // components of rows
constexpr int64_t kSeedRows = 64;                      // that k-means++ draws each centroid from

// ---- k-means++ ----------------------------------------------------------------------------------

/// One subspace of the rows that k-means++ looks at, and how far each is from the nearest centroid.
class SeedRows {
 public:
  /// A sample of `count` rows, drawn once for all subspaces by `choose`.
  SeedRows(View<const float> rows, const Permutation& choose, int64_t count, int64_t column,
           int64_t width)
      : width_(width),
        count_(count),
        values_(static_cast<size_t>(count * width)),
        squared_(static_cast<size_t>(count), std::numeric_limits<double>::infinity()) {
    for (int64_t i = 0; i < count; ++i) {
      const float* row = rows.row(static_cast<int64_t>(choose(static_cast<uint64_t>(i)))) + column;
      for (int64_t q = 0; q < width; ++q) values_[static_cast<size_t>(q * count + i)] = row[q];
    }
  }

  /// Another centroid (w).
  void add(const float* centroid) {
    std::vector<float> distance(static_cast<size_t>(count_));
    for (int64_t q = 0; q < width_; ++q) {
      const float* const value = values_.data() + q * count_;
      const float c = centroid[q];
      for (int64_t i = 0; i < count_; ++i)
        distance[static_cast<size_t>(i)] += (value[i] - c) * (value[i] - c);
    }
    for (size_t i = 0; i < distance.size(); ++i)
      squared_[i] = std::min(squared_[i], static_cast<double>(distance[i]));
    any_ = true;
  }

  /// A row drawn by its squared distance, all alike while there is no centroid, into centroid (w);
  /// false where every row is a centroid already.
  bool draw(uint64_t bits, float* centroid) const {
    int64_t chosen = static_cast<int64_t>(random_below(bits, static_cast<uint64_t>(count_)));
    if (any_) {
      double total = 0.0;
      for (const double squared : squared_) total += squared;
      if (!(total > 0.0)) return false;
      double left = total * (static_cast<double>(bits >> 11) * 0x1p-53);
      chosen = -1;
      for (int64_t i = 0; i < count_; ++i) {
        const double squared = squared_[static_cast<size_t>(i)];
        if (squared <= 0.0) continue;
        chosen = i;  // rounding may leave a little at the end: the last one has it
        left -= squared;
        if (left < 0.0) break;
      }
    }
    for (int64_t q = 0; q < width_; ++q)
      centroid[q] = values_[static_cast<size_t>(q * count_ + chosen)];
    return true;
  }

 private:
  int64_t width_, count_;
  std::vector<float> values_;    // (w, count): a component's values lie together
  std::vector<double> squared_;  // (count)
  bool any_ = false;
};

// ---- Lloyd --------------------------------------------------------------------------------------

class Learner {
 public:
  Learner(Backend& backend, View<const float> rows, CodebookRange range,
          const LearnOptions& options, std::vector<float>& codebook)
      : backend_(backend),
        rows_(rows),
        range_(range),
        options_(options),
        codebook_(codebook),
        width_(rows.cols / options.subspaces),
        key_(stream_key(options.seed + static_cast<uint64_t>(range.first),
                        RandomStream::kItemCodebook)),
        choose_(static_cast<uint64_t>(rows.rows), key_),
        codes_(static_cast<size_t>(rows.rows * options.subspaces)) {
    std::vector<int> all(static_cast<size_t>(range.last - range.first));
    std::iota(all.begin(), all.end(), range.first);
    if (options.go_on) all.clear();
    lost_.resize(static_cast<size_t>(options.subspaces), all);
  }

  void learn() {
    seed(0);
    device_rows_ =
        Tensor<float>(backend_, {rows_.data, static_cast<size_t>(rows_.size())}, rows_.cols);
    for (int iteration = 1; iteration <= options_.iterations; ++iteration) {
      const std::vector<float> before = codebook_;
      assign();
      parallel_pieces(options_.subspaces, 1, [&](int64_t begin, int64_t end) {
        for (int64_t j = begin; j < end; ++j) move(j);
      });
      seed(iteration);
      options_.iterated(iteration);
      if (codebook_ == before) break;
    }
  }

 private:
  float* centroid(int k, int64_t j) { return codebook_.data() + k * rows_.cols + j * width_; }

  /// In every subspace, new places for the centroids that have none: rows that the others are far
  /// from.
  void seed(int iteration) {
    parallel_pieces(options_.subspaces, 1, [&](int64_t begin, int64_t end) {
      for (int64_t j = begin; j < end; ++j)
        if (!lost_[static_cast<size_t>(j)].empty()) seed_subspace(j, iteration);
    });
  }

  void seed_subspace(int64_t j, int iteration) {
    const std::vector<int>& lost = lost_[static_cast<size_t>(j)];
    const int64_t count = std::min<int64_t>(rows_.rows, kSeedRows * (range_.last - range_.first));
    SeedRows near(rows_, choose_, count, j * width_, width_);
    for (int k = 0; k < range_.last; ++k)
      if (!std::binary_search(lost.begin(), lost.end(), k)) near.add(centroid(k, j));
    for (const int k : lost) {
      const auto draw = static_cast<uint64_t>(iteration) * kMaxCentroids + static_cast<uint64_t>(k);
      if (near.draw(random_u64(key_, draw, static_cast<uint64_t>(j)), centroid(k, j)))
        near.add(centroid(k, j));
      else
        std::copy_n(centroid(0, j), width_, centroid(k, j));  // ties go to the lower index
    }
  }

  /// codes_ = the nearest centroid of every row in every subspace.
  void assign() {
    const int64_t dim = rows_.cols, subspaces = options_.subspaces;
    const int64_t chunk = std::clamp<int64_t>(kAssignedAtOnce / dim, 1, rows_.rows);
    if (decoded_.rows() == 0) {
      device_codebook_ = Tensor<float>(backend_, range_.last, dim);
      half_norms_ = Tensor<float>(backend_, range_.last, subspaces);
      decoded_ = Tensor<float>(backend_, chunk, dim);
      device_codes_ = Tensor<uint8_t>(backend_, chunk, subspaces);
    }
    device_codebook_.assign({codebook_.data(), static_cast<size_t>(range_.last * dim)});
    backend_.half_norms(device_codebook_, options_.subspaces, half_norms_);
    Tiers tiers;
    tiers.end[0] = rows_.rows;
    tiers.centroids[0] = range_.last;
    for (int64_t first = 0; first < rows_.rows; first += chunk) {
      const int64_t count = std::min(chunk, rows_.rows - first);
      backend_.assign(device_rows_, RowSet::range(first, count), device_codebook_, half_norms_,
                      tiers, device_codes_.view().slice(0, count), decoded_.view().slice(0, count),
                      {});
      backend_.download(codes_.data() + first * subspaces, device_codes_.data(),
                        static_cast<size_t>(count * subspaces));
    }
  }

  /// The means of subspace j; centroids that no row chose are lost.
  void move(int64_t j) {
    std::vector<double> sums(static_cast<size_t>(range_.last * width_));
    std::vector<int64_t> counts(static_cast<size_t>(range_.last));
    for (int64_t r = 0; r < rows_.rows; ++r) {
      const int64_t k = codes_[static_cast<size_t>(r * options_.subspaces + j)];
      const float* const row = rows_.row(r) + j * width_;
      double* const sum = sums.data() + k * width_;
      for (int64_t q = 0; q < width_; ++q) sum[q] += row[q];
      ++counts[static_cast<size_t>(k)];
    }
    std::vector<int>& lost = lost_[static_cast<size_t>(j)];
    lost.clear();
    for (int k = range_.first; k < range_.last; ++k) {
      const auto count = static_cast<double>(counts[static_cast<size_t>(k)]);
      if (count == 0.0) lost.push_back(k);
      for (int64_t q = 0; q < width_ && count > 0.0; ++q)
        centroid(k, j)[q] = static_cast<float>(sums[static_cast<size_t>(k * width_ + q)] / count);
    }
  }

  Backend& backend_;
  View<const float> rows_;  // (m, d)
  CodebookRange range_;
  const LearnOptions& options_;
  std::vector<float>& codebook_;  // (K, d)
  int64_t width_;
  uint64_t key_;
  Permutation choose_;
  std::vector<std::vector<int>> lost_;  // (D) centroids without rows, ascending
  std::vector<uint8_t> codes_;          // (m, D)
  Tensor<float> device_rows_, device_codebook_, half_norms_, decoded_;
  Tensor<uint8_t> device_codes_;
};

}  // namespace

void decode_nearest(Backend& backend, View<const float> rows, const std::vector<float>& codebook,
                    int limit, int subspaces, View<float> decoded) {
  const int64_t chunk = std::clamp<int64_t>(kAssignedAtOnce / rows.cols, 1, rows.rows);
  const Tensor<float> centroids(backend, {codebook.data(), static_cast<size_t>(limit * rows.cols)},
                                rows.cols);
  Tensor<float> half_norms(backend, limit, subspaces), from(backend, chunk, rows.cols),
      to(backend, chunk, rows.cols);
  Tensor<uint8_t> codes(backend, chunk, subspaces);
  backend.half_norms(centroids, subspaces, half_norms);
  for (int64_t first = 0; first < rows.rows; first += chunk) {
    const int64_t count = std::min(chunk, rows.rows - first);
    const View<float> here = to.view().slice(0, count);
    Tiers tiers;
    tiers.end[0] = count;
    tiers.centroids[0] = limit;
    backend.upload(from.data(), rows.row(first),
                   sizeof(float) * static_cast<size_t>(count * rows.cols));
    backend.assign(from, RowSet::range(0, count), centroids, half_norms, tiers,
                   codes.view().slice(0, count), here, {});
    backend.download(decoded.row(first), here.data,
                     sizeof(float) * static_cast<size_t>(here.size()));
  }
}

void learn_centroids(Backend& backend, View<const float> rows, CodebookRange range,
                     const LearnOptions& options, std::vector<float>& codebook) {
  MGQE_CHECK(rows.rows >= 1 && rows.cols <= kMaxDim && rows.cols % options.subspaces == 0, "rows (",
             rows.rows, ", ", rows.cols, ") in ", options.subspaces, " subspaces");
  MGQE_CHECK(0 <= range.first && range.first <= range.last && range.last <= kMaxCentroids &&
                 static_cast<int64_t>(codebook.size()) >= range.last * rows.cols,
             "centroids ", range.first, " to ", range.last, " of a codebook of ", codebook.size(),
             " values");
  if (range.first < range.last) Learner(backend, rows, range, options, codebook).learn();
}

}  // namespace mgqe
