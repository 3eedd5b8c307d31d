// FloatTable: a float table (n, d) where it lies in a file, read row by row: the table itself may
// be larger than memory.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "host/base/tensor.hpp"
#include "host/convert/npy.hpp"

namespace mgqe {

/// Told how far a piece of long work has come: what it is, steps done, steps in all. It may throw
/// to end the work; nothing is written then.
using WorkProgress = std::function<void(const std::string& task, int64_t step, int64_t steps)>;

class FloatTable {
 public:
  /// A .npy file, or "FILE.safetensors" or "FILE.safetensors:NAME" (F32, F16, BF16 or F64; without
  /// NAME where the file holds one such matrix). InputError, one line with the file, unless it is a
  /// matrix of 1 to kMaxTableRows rows and 1 to kMaxDim columns.
  static FloatTable open(const std::string& where);
  explicit FloatTable(FileArray array);

  const std::string& name() const { return array_.name; }
  int64_t rows() const { return array_.shape[0]; }
  int64_t dim() const { return array_.shape[1]; }
  /// "F32"
  std::string dtype() const;
  int64_t bytes() const { return static_cast<int64_t>(array_.bytes.size()); }

  /// out (|rows|, d) = those rows, rounded to float, by all threads.
  void gather(std::span<const int32_t> rows, View<float> out) const;

  /// Reads everything: InputError naming the first row and column that is not finite, or whose
  /// square could overflow a sum.
  void check(const WorkProgress& progress) const;

 private:
  FileArray array_;
};

}  // namespace mgqe
