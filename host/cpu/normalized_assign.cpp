// The search by batch-normalized distances on the CPU: centroids in lanes. Each thread owns whole
// subspaces; a subspace's centroids lie transposed, (w, K), and stay in the first-level cache while
// rows stream by. Each centroid's chain of operations is that of the functors
// (host/engine/functors/quantizer_functors.hpp), so the bits are too.
#include "host/cpu/cpu_backend.hpp"
#include "host/cpu/runtime/lanes.hpp"

namespace mgqe {
namespace {

/// One subspace of a codebook.
struct Subspace {
  int64_t first, width;  // columns [first, first + width)
  int64_t padded;        // K, in whole lanes
  float* centroids;      // (w, padded K)

  inline void load(View<const float> codebook) const {
    for (int64_t q = 0; q < width; ++q)
      for (int64_t k = 0; k < padded; ++k)
        centroids[q * padded + k] = k < codebook.rows ? codebook.row(k)[first + q] : 0.0f;
  }
};

/// distances[k] = squared distance of the row's part e (w) to centroid k < padded_limit, dimensions
/// in order. kWidth 0 takes any width.
template <int kWidth>
inline void distances_to(const Subspace& s, const float* __restrict e, int64_t padded_limit,
                         float* __restrict distances) {
  const int64_t width = kWidth > 0 ? kWidth : s.width;
  for (int64_t k = 0; k < padded_limit; ++k) {
    float sum = 0.0f;
    for (int64_t q = 0; q < width; ++q) {
      const float difference = e[q] - s.centroids[q * s.padded + k];
      sum = fmaf(difference, difference, sum);
    }
    distances[k] = sum;
  }
}

/// PartialDistanceMoments of subspace j.
template <int kWidth>
inline void add_distances(View<const float> queries, const UniqueIds& unique, const Tiers& tiers,
                          const Subspace& s, int64_t j, int64_t subspaces, View<double> partials) {
  alignas(64) float distances[kMaxCentroids];
  alignas(64) double lookups[kMaxCentroids] = {};
  alignas(64) double sums[kMaxCentroids] = {}, squares[kMaxCentroids] = {};
  for (int32_t u = 0; u < unique.count[0]; ++u) {
    const int64_t limit = tiers.limit(unique.ids[u]);
    const double weight = unique.weight(u);
    distances_to<kWidth>(s, queries.row(unique.place(u)) + s.first, whole_lanes(limit), distances);
    for (int64_t k = 0; k < limit; ++k) {
      const double distance = distances[k];
      lookups[k] += weight;
      sums[k] += weight * distance;
      squares[k] += weight * distance * distance;
    }
  }
  for (int64_t k = 0; k < partials.rows / subspaces; ++k) {
    double* const to = partials.row(k * subspaces + j);
    to[0] = lookups[k];
    to[1] = sums[k];
    to[2] = squares[k];
  }
}

/// The index of the lowest score, of equal ones the lowest: 0 where none is a number.
inline int lowest_of(const float* scores, int64_t padded_limit) {
  const float lowest =
      best_of<kMaxCentroids>(scores, padded_limit, [](float a, float b) { return a < b; });
  for (int64_t first = 0; first < padded_limit; first += kLanes) {
    int any = 0;
    for (int l = 0; l < kLanes; ++l) any |= scores[first + l] == lowest ? 1 : 0;
    if (any == 0) continue;
    for (int l = 0; l < kLanes; ++l)
      if (scores[first + l] == lowest) return static_cast<int>(first + l);
  }
  return 0;
}

/// Mean and standard deviation of each centroid's distances.
struct Normalization {
  alignas(64) float means[kMaxCentroids] = {}, deviations[kMaxCentroids] = {};
};

/// AssignNormalized of subspace j.
template <int kWidth>
inline void assign_subspace(View<const float> queries, const RowSet& rows, const Tiers& tiers,
                            const Subspace& s, int64_t j, const Normalization& normalization,
                            View<uint8_t> codes, View<float> decoded) {
  alignas(64) float scores[kMaxCentroids];
  const int64_t count = rows.size() < codes.rows ? rows.size() : codes.rows;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t limit = tiers.limit(rows[i]);
    if (limit == 0) continue;
    const int64_t padded_limit = whole_lanes(limit);
    distances_to<kWidth>(s, queries.row(rows.place(i)) + s.first, padded_limit, scores);
    for (int64_t k = 0; k < padded_limit; ++k) {
      const float score = (scores[k] - normalization.means[k]) / normalization.deviations[k];
      scores[k] = score < INFINITY ? score : INFINITY;  // what is no number is never nearest
    }
    for (int64_t k = limit; k < padded_limit; ++k) scores[k] = INFINITY;
    const int nearest = lowest_of(scores, padded_limit);
    codes.row(i)[j] = static_cast<uint8_t>(nearest);
    for (int64_t q = 0; q < s.width; ++q)
      decoded.row(i)[s.first + q] = s.centroids[q * s.padded + nearest];
  }
}

/// Calls f<width>(subspace, its number) with every subspace's centroids loaded; f<0> where there is
/// no code for the width.
template <class F>
void for_each_subspace(View<const float> codebook, int64_t subspaces, std::vector<float>& scratch,
                       const F& f) {
  const int64_t width = codebook.cols / subspaces, padded = whole_lanes(codebook.rows);
  MGQE_CHECK(width * subspaces == codebook.cols && codebook.rows <= kMaxCentroids, codebook.cols,
             " dimensions, ", subspaces, " subspaces, ", codebook.rows, " centroids");
  scratch.resize(static_cast<size_t>(codebook.cols * padded));
  float* const transposed = scratch.data();
  parallel_ranges(subspaces, 1, [=](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      const Subspace s{j * width, width, padded, transposed + j * width * padded};
      s.load(codebook);
      switch (width) {
        case 1:
          f.template operator()<1>(s, j);
          break;
        case 2:
          f.template operator()<2>(s, j);
          break;
        case 4:
          f.template operator()<4>(s, j);
          break;
        default:
          f.template operator()<0>(s, j);
      }
    }
  });
}

}  // namespace

void CpuBackend::distance_sums(View<const float> queries, const UniqueIds& unique,
                               const Tiers& tiers, View<const float> codebook,
                               View<double> partials) {
  const int64_t subspaces = partials.rows / codebook.rows;
  for_each_subspace(codebook, subspaces, transposed_codebook_,
                    [=]<int kWidth>(const Subspace& s, int64_t j) {
                      add_distances<kWidth>(queries, unique, tiers, s, j, subspaces, partials);
                    });
}

void CpuBackend::assign_normalized(View<const float> queries, RowSet rows,
                                   View<const float> codebook, View<const float> moments,
                                   const Tiers& tiers, View<uint8_t> codes, View<float> decoded,
                                   View<float> squared_error) {
  Normalization normalization;
  for (int64_t k = 0; k < codebook.rows; ++k) {
    normalization.means[k] = moments.row(k)[0];
    normalization.deviations[k] = std::sqrt(moments.row(k)[1] + kDistanceEpsilon);
  }
  for_each_subspace(codebook, codes.cols, transposed_codebook_,
                    [=, &normalization]<int kWidth>(const Subspace& s, int64_t j) {
                      assign_subspace<kWidth>(queries, rows, tiers, s, j, normalization, codes,
                                              decoded);
                    });
  for_each(squared_error.size(), SquaredErrors{queries, rows, tiers, decoded, squared_error});
}

}  // namespace mgqe
