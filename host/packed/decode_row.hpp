// Rows of a coded table from their packed codes, on a CPU. Eight codes of b bits are exactly b
// bytes, so whatever b is they are shifted out of one 64-bit word; each is then one copy of w
// elements, of a size that the compiler knows for w = 1, 2, 4, 8, 16.
//
// Codes are taken as they are: a code beyond K reads beyond the codebook, unless that has 2^b rows.
#pragma once

#include <cstring>

#include "host/packed/packed_tiers.hpp"

namespace mgqe {

inline constexpr int kCodeGroup = 8;       // codes that share a word
inline constexpr int64_t kRowsAhead = 16;  // packed rows fetched before they are needed

/// One row's codes and where their array ends.
struct PackedRow {
  const uint8_t* codes;
  const uint8_t* end;
  int bits;
  int subspaces;
};

/// The eight bytes at `from`, as far as the array goes; zeros after it.
inline uint64_t load_word(const uint8_t* from, const uint8_t* end) {
  uint64_t word = 0;
  if (end - from >= 8)
    std::memcpy(&word, from, 8);
  else
    for (int i = 0; i < end - from; ++i) word |= static_cast<uint64_t>(from[i]) << (8 * i);
  return word;
}

/// Pieces j .. j + count - 1 of a row, w elements each, by the codes in `word`.
template <class T>
inline void copy_pieces(uint64_t word, int bits, int count, const T* codebook, int64_t d, int64_t w,
                        T* out) {
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  for (int i = 0; i < count; ++i, word >>= bits)
    std::memcpy(out + i * w, codebook + static_cast<int64_t>(word & mask) * d + i * w,
                sizeof(T) * static_cast<size_t>(w));
}

/// kWidth 0 takes any width.
template <int kWidth, class T>
inline void decode_row(const PackedRow& row, const T* codebook, int64_t d, T* out) {
  const int64_t w = kWidth > 0 ? kWidth : d / row.subspaces;
  const uint8_t* codes = row.codes;
  int j = 0;
  for (; j + kCodeGroup <= row.subspaces; j += kCodeGroup, codes += row.bits)
    copy_pieces(load_word(codes, row.end), row.bits, kCodeGroup, codebook + j * w, d, w,
                out + j * w);
  if (j < row.subspaces)
    copy_pieces(load_word(codes, row.end), row.bits, row.subspaces - j, codebook + j * w, d, w,
                out + j * w);
}

template <class T>
inline void decode_any_row(const PackedRow& row, const T* codebook, int64_t d, T* out) {
  switch (d / row.subspaces) {
    case 1:
      return decode_row<1>(row, codebook, d, out);
    case 2:
      return decode_row<2>(row, codebook, d, out);
    case 4:
      return decode_row<4>(row, codebook, d, out);
    case 8:
      return decode_row<8>(row, codebook, d, out);
    case 16:
      return decode_row<16>(row, codebook, d, out);
    default:
      return decode_row<0>(row, codebook, d, out);
  }
}

/// The packed row of an id of the table, and where its tier's codes end.
inline PackedRow packed_row(const PackedTiers& table, int tier, int64_t id) {
  const CodedTier& coded = table.tiers[tier];
  const uint8_t* end = coded.codes + table.ranges.rows(tier) * coded.row_bytes();
  return {table.row(tier, id), end, coded.bits, coded.subspaces};
}

}  // namespace mgqe
