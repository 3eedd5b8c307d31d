// Codes into bits and back, for every K and many D and n: against a bit string written out by hand,
// and through a file.
#include <random>

#include "host/io/artifact.hpp"
#include "host/packed/decode_row.hpp"
#include "tests/support/io_testing.hpp"

namespace mgqe::testing {
namespace {

/// ceil(log2 k), by counting.
int bits_of(int k) {
  int bits = 0;
  for (int rest = k - 1; rest > 0; rest /= 2) ++bits;
  return bits;
}

/// Bit by bit, the lowest of a code first.
std::vector<uint8_t> bit_string(const std::vector<uint8_t>& codes, int bits) {
  std::vector<uint8_t> bytes((codes.size() * static_cast<size_t>(bits) + 7) / 8);
  for (size_t i = 0; i < codes.size() * static_cast<size_t>(bits); ++i) {
    const int bit = codes[i / static_cast<size_t>(bits)] >> i % static_cast<size_t>(bits) & 1;
    bytes[i / 8] = static_cast<uint8_t>(bytes[i / 8] | bit << i % 8);
  }
  return bytes;
}

TEST(PackingProperty, EveryKAndManyDRoundTrip) {
  std::mt19937_64 random(1);
  for (int k = 1; k <= kMaxCentroids; ++k)
    for (int subspaces = 1; subspaces <= 33; ++subspaces) {
      SCOPED_TRACE(detail::concat("K ", k, ", D ", subspaces));
      const int bits = code_bits(k);
      ASSERT_EQ(bits, bits_of(k));
      std::vector<uint8_t> codes(static_cast<size_t>(subspaces));
      for (uint8_t& code : codes) code = static_cast<uint8_t>(random() % static_cast<uint64_t>(k));
      codes[random() % codes.size()] = static_cast<uint8_t>(k - 1);
      const std::vector<uint8_t> expected = bit_string(codes, bits);
      ASSERT_EQ(packed_row_bytes(subspaces, bits), static_cast<int64_t>(expected.size()));
      std::vector<uint8_t> packed;  // exactly as long as it must be
      for (size_t b = 0; b < expected.size(); ++b)
        packed.push_back(packed_byte(codes.data(), subspaces, bits, static_cast<int64_t>(b)));
      ASSERT_EQ(packed, expected);
      for (int j = 0; j < subspaces; ++j) ASSERT_EQ(unpack_code(packed.data(), j, bits), codes[j]);
    }
}

/// Any table of tiers that is one.
PackedTable random_shape(std::mt19937_64& random) {
  const auto one_of = [&](int most) { return 1 + static_cast<int>(random() % uint64_t(most)); };
  const int subspaces = one_of(12), width = one_of(4), tiers = one_of(kMaxTiers);
  std::vector<PackedTier> list;
  int64_t end = 0;
  int k = one_of(kMaxCentroids);
  for (int t = 0; t < tiers; ++t) {
    list.push_back({end += one_of(20), k, subspaces});
    k = one_of(k);
  }
  PackedTable table = private_shape(int64_t{subspaces} * width, list);
  table.private_codebooks = random() % 2 == 0;
  return table;
}

TEST(PackingProperty, SizeFormulaIsTheBytesOfAnyTable) {
  std::mt19937_64 random(2);
  const ScratchFolder folder;
  for (int round = 0; round < 60; ++round) {
    Artifact artifact = small_artifact();
    const PackedTable table = with_codes(random_shape(random));
    SCOPED_TRACE(detail::concat("case ", round, ": ", table.tiers.size(), " tiers, K ",
                                table.tiers[0].centroids, ", D ", table.tiers[0].subspaces, ", d ",
                                table.dim, ", n ", table.rows));
    artifact.model.tables["item"] = table;
    artifact.ids["item"] = {};
    for (int64_t r = 0; r < table.rows; ++r) artifact.ids["item"].integers.push_back(5 * r);

    // sum n_i D ceil(log2 K_i) and 32 K d of each codebook; rows start on bytes.
    int64_t formula = 0, bytes = 0, begin = 0;
    for (const PackedTier& tier : table.tiers) {
      const int64_t row_bits = int64_t{tier.subspaces} * bits_of(tier.centroids);
      const bool own = table.private_codebooks || begin == 0;
      formula += (tier.end - begin) * row_bits + (own ? 32 * tier.centroids * table.dim : 0);
      bytes +=
          (tier.end - begin) * ((row_bits + 7) / 8) + (own ? 4 * tier.centroids * table.dim : 0);
      begin = tier.end;
    }
    EXPECT_EQ(table.formula_bits(), formula);
    EXPECT_EQ(table.formula_bits() + table.padding_bits(), 8 * bytes);

    const SizeReport size = write_artifact(folder / "a", artifact);
    EXPECT_EQ(size.file_bytes, static_cast<int64_t>(fs::file_size(folder / "a")));
    int64_t parts = 0;
    for (const auto& [name, part] : size.parts) parts += part;
    EXPECT_EQ(parts, size.file_bytes);
    const Artifact back = read_artifact(folder / "a");
    expect_equal(back.model.tables.at("item"), table);
    EXPECT_EQ(back.ids, artifact.ids);
  }
}

}  // namespace
}  // namespace mgqe::testing
