// A float table becomes a PackedTable of scheme mgqe, or prq where it has stages or a rotation,
// streamed from its file chunk by chunk: in memory are a sample of the rows, the codes, and four or
// eight bytes a row for their order.
//
// This room is neither host/serve, which must not grow by a trainer and readers of text, nor
// models/packing, which knows tables that training already has on the device.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "host/config/config.hpp"
#include "host/convert/codebook.hpp"
#include "host/convert/float_table.hpp"
#include "host/convert/rotation.hpp"
#include "host/convert/row_encoder.hpp"
#include "host/packed/packed_model.hpp"

namespace mgqe {

/// Rows that centroids are learnt from where --sample does not say it: so many a centroid, in so
/// many components at most (512 MiB).
inline constexpr int64_t kRowsPerCentroid = 1024;
inline constexpr int64_t kSampledComponents = int64_t{1} << 27;
/// The same of the rotation, whose every step goes over the sample three times.
inline constexpr int64_t kRotationRowsPerCentroid = 128;

struct ConvertOptions {
  EmbeddingConfig embedding;  // subspaces, centroids, tiers and codebook_type
  uint64_t seed = 1;
  int iterations = 25;
  int64_t sample = 0;   // rows at most for each range of centroids; 0: as above
  int stages = 1;       // S: each codes what those before it have left of the row
  bool rotate = false;  // by a rotation that is learnt first (rotation.hpp)

  /// Fills tiers and centroids that were not given; InputError with the flag where the table cannot
  /// be quantized so.
  void resolve(const FloatTable& table);
};

/// Centroids, and the rows they were learnt from.
struct LearntRange {
  CodebookRange centroids;
  int64_t sample = 0;
  int64_t population = 0;
};

struct Converted {
  PackedTable table;
  std::vector<RowErrors> errors;    // by tier
  std::vector<LearntRange> learnt;  // in the order they were learnt
  std::vector<int32_t> order;       // row of the float table at each place; empty: as it was
  std::optional<LearntRotation> rotation;
  int64_t rotation_sample = 0;  // rows it was learnt from
  double learn_seconds = 0.0, encode_seconds = 0.0;
};

/// Places of rows by falling count, equal ones as they were: (n).
std::vector<int32_t> order_by_count(const std::vector<double>& counts);

/// `order` as of Converted. The rows must have passed check(). The same for any number of threads,
/// and on any device.
Converted convert_table(Backend& backend, const FloatTable& source, std::vector<int32_t> order,
                        const ConvertOptions& options, const WorkProgress& progress);

}  // namespace mgqe
