// Decode kernels against single bits: every shape, both kinds of codebook memory, rows by range and
// by ids.
#include "tests/kernels/kernel_testing.hpp"
// Kernel bodies come after the harness.
#include "cuda/decode_kernel.cuh"
#include "tests/support/decode_reference.hpp"

namespace mgqe {
namespace {

/// An example's arrays in heap blocks of the exact size.
struct Arrays {
  std::vector<Buffer<uint8_t>> packed;
  std::vector<Buffer<float>> codebooks;
  PackedTiers view;

  explicit Arrays(const testing::PackedExample& example) {
    std::vector<const uint8_t*> codes_at;
    std::vector<const float*> codebooks_at;
    for (const auto& x : example.packed) codes_at.push_back(packed.emplace_back(x).data());
    for (const auto& x : example.codebooks)
      codebooks_at.push_back(codebooks.emplace_back(x).data());
    view = example.view(codes_at, codebooks_at);
  }
};

uint32_t bits_of(float x) { return detail::bits_of_float(x); }
uint16_t bits_of(Half x) { return x.bits; }
float expected_as(float x, float) { return x; }
Half expected_as(float x, Half) { return to_half(x); }

template <class T, int kPiece>
void launch_piece(const DecodeArguments<T>& a, bool staged, unsigned grid, uint64_t seed) {
  if constexpr (kPiece <= kVectorSize<T>) {
    if (staged) {
      const size_t bytes = sizeof(T) * static_cast<size_t>(a.staging.total);
      simt::shared_limit = bytes;
      simt::launch(grid, kDecodeThreads, bytes, seed, decode_vectors_kernel<T, kPiece, true>, a);
      simt::shared_limit = simt::kSharedLimit;
    } else {
      simt::launch(grid, kDecodeThreads, 0, seed, decode_vectors_kernel<T, kPiece, false>, a);
    }
  }
}

template <class T>
void launch_vectors(const DecodeArguments<T>& a, int piece, bool staged, unsigned grid,
                    uint64_t seed) {
  switch (piece) {
    case 1:
      return launch_piece<T, 1>(a, staged, grid, seed);
    case 2:
      return launch_piece<T, 2>(a, staged, grid, seed);
    case 4:
      return launch_piece<T, 4>(a, staged, grid, seed);
    default:
      return launch_piece<T, 8>(a, staged, grid, seed);
  }
}

template <class T>
void expect_rows(const testing::PackedExample& example, const Buffer<T>& out, RowSet rows) {
  for (int64_t i = 0; i < rows.size(); ++i)
    for (int64_t c = 0; c < example.dim; ++c)
      ASSERT_EQ(bits_of(out.row(i)[c]), bits_of(expected_as(example.expected(rows[i], c), T{})))
          << "row " << i << ", column " << c;
  for (int64_t i = rows.size() * example.dim; i < out.size(); ++i)
    ASSERT_EQ(bits_of(out[i]), bits_of(Buffer<T>(1)[0])) << "past the count, element " << i;
}

/// Every kernel that takes the table.
template <class T>
void expect_decoded(const testing::PackedExample& example, RowSet rows) {
  const Arrays arrays(example);
  const auto arguments = [&](const Buffer<T>& out) {
    return DecodeArguments<T>{arrays.view, rows, out, plan_staging(arrays.view)};
  };
  for (const uint64_t seed : kScheduleSeeds) {
    const auto grid = static_cast<unsigned>(seed);
    const Buffer<T> any(rows.capacity, example.dim);
    simt::launch(grid, kDecodeThreads, 0, seed, decode_any_kernel<T>, arguments(any));
    expect_rows(example, any, rows);
    if (example.dim % kVectorSize<T> != 0) continue;
    for (const bool staged : {false, true}) {
      SCOPED_TRACE(staged ? "staged" : "global");
      const Buffer<T> out(rows.capacity, example.dim);
      const int widest = piece_size<T>(arrays.view);
      launch_vectors(arguments(out), seed == 3 ? 1 : widest, staged, grid, seed);
      expect_rows(example, out, rows);
    }
  }
}

TEST(DecodeKernel, EveryShape) {
  testing::Random random(1);
  for (const testing::PackedExample& example : testing::packed_examples()) {
    SCOPED_TRACE(::testing::Message()
                 << "d " << example.dim << ", D " << example.shapes[0].subspaces << ", K "
                 << example.shapes[0].centroids << ", tiers " << example.shapes.size());
    const auto n = example.rows();
    expect_decoded<float>(example, RowSet::range(3, n - 3));
    expect_decoded<Half>(example, RowSet::range(3, n - 3));
    const Buffer<int32_t> ids(random.integers<int32_t>(65, 0, static_cast<int>(n) - 1));
    const Buffer<int32_t> count(std::vector<int32_t>{63});
    expect_decoded<float>(example, RowSet::of(View<const int32_t>(ids)));
    expect_decoded<Half>(example, RowSet{ids.data(), count.data(), 0, 65});
  }
}

TEST(DecodeKernel, SeveralTilesABlock) {
  const testing::PackedExample example(64, {{100, 32, 256}, {501, 32, 64}}, true, 9);
  expect_decoded<float>(example, RowSet::range(0, 601));
  expect_decoded<Half>(example, RowSet::range(0, 601));
}

TEST(DecodeKernel, TakesNoRows) {
  const testing::PackedExample example(64, {{4, 8, 16}}, true, 2);
  expect_decoded<float>(example, RowSet::range(0, 0));
}

TEST(PlanStaging, LoadsASharedCodebookOnce) {
  const testing::PackedExample shared(64, {{4, 8, 256}, {4, 8, 64}}, true, 3);
  const Staging one = plan_staging(Arrays(shared).view);
  EXPECT_EQ(one.total, 256 * 64);
  EXPECT_EQ(one.begin[1], 0);
  EXPECT_EQ(one.size[1], 0);
  const testing::PackedExample own(64, {{4, 8, 256}, {4, 8, 64}}, false, 4);
  const Staging two = plan_staging(Arrays(own).view);
  EXPECT_EQ(two.total, 320 * 64);
  EXPECT_EQ(two.begin[1], 256 * 64);
}

TEST(PieceSize, LiesWithinASubspaceOfEveryTier) {
  const auto size_of = [](int64_t dim, std::vector<testing::TierShape> tiers) {
    const testing::PackedExample example(dim, std::move(tiers), false, 5);
    const Arrays arrays(example);
    return std::pair(piece_size<float>(arrays.view), piece_size<Half>(arrays.view));
  };
  EXPECT_EQ(size_of(64, {{4, 8, 4}}), std::pair(4, 8));
  EXPECT_EQ(size_of(64, {{4, 8, 4}, {4, 32, 4}}), std::pair(2, 2));
  EXPECT_EQ(size_of(96, {{4, 8, 4}}), std::pair(4, 4));
  EXPECT_EQ(size_of(24, {{4, 8, 4}}), std::pair(1, 1));
}

TEST(ChooseDecode, StagesCodebooksWhereTheyFitAndPay) {
  const DecodeDevice device{132, 227 << 10};
  const DecodeShape shape{1'000'000, 16, 4, 4, 256, 64 << 10};  // d = 64, D = 8 or 16, f32
  EXPECT_EQ(choose_decode(shape, device), (DecodeConfig{4, true, 64 << 10, 264}))
      << describe(choose_decode(shape, device));
  DecodeShape few = shape;
  few.rows = 256;  // two blocks of 128 rows
  EXPECT_EQ(choose_decode(few, device), (DecodeConfig{4, false, 0, 2}));
  DecodeShape large = shape;
  large.codebook_bytes = 256 << 10;
  EXPECT_FALSE(choose_decode(large, device).staged);
  DecodeShape ragged = shape;
  ragged.row_vectors = 0;
  EXPECT_EQ(choose_decode(ragged, device).piece, 0);
}

}  // namespace
}  // namespace mgqe
