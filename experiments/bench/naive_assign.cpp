#include "experiments/bench/naive_assign.hpp"

#include <algorithm>
#include <limits>
#include <thread>

#include "host/base/parallel.hpp"

namespace mgqe::bench {
namespace {

int nearest_centroid(const float* e, const float* codebook, int64_t centroids, int64_t d,
                     int64_t width) {
  float best = std::numeric_limits<float>::infinity();
  int nearest = 0;
  for (int64_t k = 0; k < centroids; ++k) {
    float distance = 0;
    for (int64_t q = 0; q < width; ++q) {
      const float difference = e[q] - codebook[k * d + q];
      distance += difference * difference;
    }
    if (distance < best) {
      best = distance;
      nearest = static_cast<int>(k);
    }
  }
  return nearest;
}

}  // namespace

NaiveAssign::NaiveAssign(std::vector<float> queries, std::vector<float> codebook, int64_t d,
                         int64_t D)
    : queries_(std::move(queries)),
      codebook_(std::move(codebook)),
      d_(d),
      subspaces_(D),
      codes_(queries_.size() / static_cast<size_t>(d) * static_cast<size_t>(D)),
      decoded_(queries_.size()) {}

void NaiveAssign::run() {
  const int64_t rows = static_cast<int64_t>(queries_.size()) / d_, width = d_ / subspaces_;
  const int64_t centroids = static_cast<int64_t>(codebook_.size()) / d_;
  const auto run_rows = [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      for (int64_t j = 0; j < subspaces_; ++j) {
        const float* e = queries_.data() + r * d_ + j * width;
        const float* centroid = codebook_.data() + j * width;
        const int k = nearest_centroid(e, centroid, centroids, d_, width);
        codes_[r * subspaces_ + j] = static_cast<uint8_t>(k);
        std::copy_n(centroid + k * d_, width, decoded_.data() + r * d_ + j * width);
      }
  };
  // Threads of its own, which end with it: a pool's are still awake when the next op is timed.
  const int64_t threads = thread_count();
  std::vector<std::jthread> others;
  for (int64_t t = 1; t < threads; ++t)
    others.emplace_back([=] { run_rows(rows * t / threads, rows * (t + 1) / threads); });
  run_rows(0, rows / threads);
}

}  // namespace mgqe::bench
