// Helpers of the host/convert tests: float tables in files, and what they decode to, by plain
// loops.
#pragma once

#include <bit>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "host/convert/convert.hpp"
#include "host/packed/packed_model.hpp"
#include "tests/support/io_testing.hpp"

namespace mgqe::testing {

/// A .npy, spelt here; `header` may be anything.
inline std::string npy_text(const std::string& header, const std::string& data, int version = 1) {
  std::string text = "\x93NUMPY";
  text += static_cast<char>(version);
  text += '\0';
  for (int b = 0; b < (version == 1 ? 2 : 4); ++b)
    text += static_cast<char>(header.size() >> (8 * b) & 0xFF);
  return text + header + data;
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

inline std::string npy_header(const std::string& descr, const std::string& shape,
                              const std::string& fortran = "False") {
  return fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}\n", descr, fortran,
                     shape);
}

inline std::string npy_table(const std::vector<float>& values, int64_t cols) {
  const auto rows = static_cast<int64_t>(values.size()) / cols;
  return npy_text(npy_header("<f4", fmt::format("({}, {})", rows, cols)), bytes_of(values));
}

inline FloatTable table_in_memory(const std::vector<float>& values, int64_t cols) {
  return FloatTable(read_npy(Bytes::own(npy_table(values, cols), "table.npy")));
}

/// Points about a few centres: values (n, d).
inline std::vector<float> clustered(int64_t rows, int64_t dim, int clusters, uint64_t key) {
  const std::vector<float> centres = some_floats(clusters * dim, key);
  std::vector<float> values;
  for (int64_t r = 0; r < rows; ++r) {
    const auto c = static_cast<int64_t>(random_u64(key + 1, static_cast<uint64_t>(r)) % clusters);
    for (int64_t q = 0; q < dim; ++q)
      values.push_back(centres[static_cast<size_t>(c * dim + q)] +
                       0.3f * random_normal(key + 2, static_cast<uint64_t>(r * dim + q)));
  }
  return values;
}

/// Code j of row r of a tier, bit by bit.
inline int code_at(const PackedTable& table, int tier, int64_t r, int j) {
  const PackedTier& form = table.tiers[static_cast<size_t>(tier)];
  int bits = 0, code = 0;
  while ((1 << bits) < form.centroids) ++bits;
  const HostArray& codes = table.arrays.at("codes." + std::to_string(tier));
  for (int b = 0; b < bits; ++b) {
    const int64_t bit = static_cast<int64_t>(j) * bits + b;
    code |= (codes.bytes[static_cast<size_t>(r * codes.shape[1] + bit / 8)] >> (bit % 8) & 1) << b;
  }
  return code;
}

inline int tier_at(const PackedTable& table, int64_t place) {
  int tier = 0;
  while (place >= table.tiers[static_cast<size_t>(tier)].end) ++tier;
  return tier;
}

/// What the codes of the row at a place stand for: S stages of d columns.
inline std::vector<float> decoded_stages(const PackedTable& table, int64_t place) {
  const int tier = tier_at(table, place);
  const int subspaces = table.tiers[static_cast<size_t>(tier)].subspaces;
  const HostArray& codebook = table.arrays.at(table.codebook_name(tier));
  const auto component = [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    return codebook.dtype == DType::kF16
               ? static_cast<float>(std::bit_cast<_Float16>(codebook.as<Half>()[at]))
               : codebook.as<float>()[at];
  };
  const int64_t width = table.dim / subspaces, columns = table.stages * table.dim;
  std::vector<float> row;
  for (int s = 0; s < table.stages; ++s)
    for (int j = 0; j < subspaces; ++j)
      for (int64_t q = 0; q < width; ++q) {
        const int code = code_at(table, tier, place - table.tier_begin(tier), s * subspaces + j);
        row.push_back(component(code * columns + s * table.dim + j * width + q));
      }
  return row;
}

/// The row at a place of a coded table: stages added in floats, then rotated back in doubles.
inline std::vector<float> decoded_row(const PackedTable& table, int64_t place) {
  const std::vector<float> stages = decoded_stages(table, place);
  const auto d = static_cast<size_t>(table.dim);
  std::vector<float> sum(stages.begin(), stages.begin() + table.dim);
  for (size_t i = d; i < stages.size(); ++i) sum[i % d] += stages[i];
  if (!table.rotated) return sum;
  const auto rotation = table.arrays.at("rotation").as<float>();
  std::vector<float> row;
  for (size_t c = 0; c < d; ++c) {
    double value = 0.0;
    for (size_t i = 0; i < d; ++i) value += static_cast<double>(sum[i]) * rotation[i * d + c];
    row.push_back(static_cast<float>(value));
  }
  return row;
}

/// ||a - b||^2 in double.
inline double squared_distance(const float* a, const float* b, int64_t count) {
  double sum = 0.0;
  for (int64_t i = 0; i < count; ++i)
    sum += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
  return sum;
}

/// The relative mean squared error of x (n, d) by the nearest of the first `limit` centroids of
/// codebook (K, d) in each of D subspaces.
inline double error_of(const std::vector<float>& x, const std::vector<float>& codebook, int64_t dim,
                       int subspaces, int limit) {
  const int64_t width = dim / subspaces, rows = static_cast<int64_t>(x.size()) / dim;
  double error = 0.0, norm = 0.0;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < dim; c += width) {
      double nearest = INFINITY;
      for (int k = 0; k < limit; ++k)
        nearest =
            std::min(nearest, squared_distance(&x[static_cast<size_t>(r * dim + c)],
                                               &codebook[static_cast<size_t>(k * dim + c)], width));
      error += nearest;
    }
  for (const float value : x) norm += static_cast<double>(value) * value;
  return error / norm;
}

inline void ignore_progress(const std::string&, int64_t, int64_t) {}

}  // namespace mgqe::testing
