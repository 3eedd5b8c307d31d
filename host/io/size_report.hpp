// The size of an artifact, three ways: by the paper's formula, as its arrays are packed, and as the
// file lies on disk, with everything that makes up the difference.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace mgqe {

struct SizeReport {
  // Embedding tables alone.
  int64_t formula_bits = 0;
  int64_t padding_bits = 0;      // every packed row starts on a byte
  int64_t payload_bits = 0;      // = formula_bits + padding_bits
  int64_t full_bits = 0;         // the same tables unquantized, 32 n d each
  double percent_of_full = 0.0;  // 100 formula_bits / full_bits

  // The file: file_bytes = payload_bits / 8 + dense_bytes + id_bytes + header_bytes +
  // alignment_bytes.
  int64_t dense_bytes = 0;      // backbone weights
  int64_t id_bytes = 0;         // maps to the original ids and back
  int64_t header_bytes = 0;     // names, shapes and metadata
  int64_t alignment_bytes = 0;  // between arrays, so that each starts where it should
  int64_t file_bytes = 0;

  struct Part {
    std::string name;  // as in the file; "alignment", if there is any, and "header" come last
    int64_t bytes = 0;
  };
  std::vector<Part> parts;  // they add up to file_bytes
};

/// {"formula_bits", "payload_bits", "file_bytes", "full_bits", "percent_of_full", "breakdown":
/// {...}}
nlohmann::ordered_json to_json(const SizeReport& report);

}  // namespace mgqe
