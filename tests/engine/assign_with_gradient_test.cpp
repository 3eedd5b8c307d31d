// assign_with_gradient has the bits of the three ops it stands for, on any number of threads and at
// every instruction level.
#include <algorithm>

#include "host/base/parallel.hpp"
#include "hwy/targets.h"
#include "tests/support/testing.hpp"

namespace mgqe::testing {
namespace {

struct Shape {
  int rows, dim, subspaces, lookups;
  std::vector<int64_t> ends;
  std::vector<int> centroids;
};

/// Blocks of every number of vectors, ragged ones, a tier left out, and widths that do not fit a
/// cache line.
std::vector<Shape> shapes() {
  return {{300, 64, 8, 256, {30, 300}, {256, 64}},
          {300, 64, 16, 100, {30, 300}, {100, 7}},
          {500, 64, 32, 700, {50, 500}, {256, 64}},
          {300, 64, 64, 90, {30, 300}, {0, 16}},
          {300, 32, 2, 256, {150, 300}, {33, 0}},
          {90, 48, 12, 17, {90}, {5}},
          {90, 128, 4, 40, {90}, {9}},
          {90, 20, 5, 40, {90}, {9}}};
}

Tiers tiers_of(const Shape& shape) {
  Tiers tiers;
  tiers.count = static_cast<int>(shape.ends.size());
  std::copy(shape.ends.begin(), shape.ends.end(), tiers.end);
  std::copy(shape.centroids.begin(), shape.centroids.end(), tiers.centroids);
  return tiers;
}

class AssignWithGradient : public OnEveryBackend {
 protected:
  void TearDown() override {
    set_thread_count(threads_);
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }

  /// Decoded rows and gradient; rows of no tier keep what they held.
  std::pair<std::vector<float>, std::vector<float>> run(const Shape& shape, bool fused) {
    Random random(5);
    const int K = *std::max_element(shape.centroids.begin(), shape.centroids.end());
    const Tensor<float> queries = tensor(random.normals(shape.rows * shape.dim), shape.dim),
                        codebook = tensor(random.normals(K * shape.dim), shape.dim);
    const Tensor<int32_t> ids = tensor(random.integers<int32_t>(shape.lookups, 0, shape.rows - 1));
    const int64_t B = shape.lookups;
    Tensor<int32_t> unique_ids(backend(), B), offsets(backend(), B + 1), order(backend(), B),
        inverse(backend(), B), count(backend(), 1);
    const UniqueIds unique{unique_ids, offsets, order, inverse, count};
    backend().deduplicate(ids, shape.rows, unique);
    const Tiers tiers = tiers_of(shape);
    Tensor<float> half_norms(backend(), K, shape.subspaces),
        gradient = poisoned<float>(K, shape.dim),
        decoded = tensor(std::vector<float>(B * shape.dim, 7.0f), shape.dim);
    Tensor<uint8_t> codes(backend(), B, shape.subspaces);
    const float scale = 0.37f;
    if (fused) {
      backend().assign_with_gradient(queries, unique, codebook, tiers, scale, {half_norms, codes},
                                     decoded, gradient);
    } else {
      backend().half_norms(codebook, shape.subspaces, half_norms);
      backend().assign(queries, RowSet::of(unique), codebook, half_norms, tiers, codes, decoded,
                       {});
      backend().codebook_gradient(queries, unique, tiers, codes, codebook, scale, gradient);
    }
    return {decoded.to_host(), gradient.to_host()};
  }

 private:
  const int threads_ = thread_count();
};

TEST_P(AssignWithGradient, IsTheThreeOpsOnAnyNumberOfThreads) {
  for (const Shape& shape : shapes()) {
    set_thread_count(1);
    const auto expected = run(shape, false);
    for (const int threads : {1, 2, 3, 4, 5}) {
      set_thread_count(threads);
      EXPECT_EQ(run(shape, true), expected)
          << "d " << shape.dim << " D " << shape.subspaces << ", " << threads << " threads";
    }
  }
}

TEST_P(AssignWithGradient, IsTheSameAtEveryInstructionLevel) {
  set_thread_count(1);
  for (const Shape& shape : shapes()) {
    const auto expected = run(shape, true);
    for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
      hwy::SetSupportedTargetsForTest(target);
      hwy::GetChosenTarget().Update(hwy::SupportedTargets());
      EXPECT_EQ(run(shape, true), expected)
          << hwy::TargetName(target) << " d " << shape.dim << " D " << shape.subspaces;
    }
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
}

MGQE_ON_EVERY_BACKEND(AssignWithGradient);

}  // namespace
}  // namespace mgqe::testing
