// Trainable arrays with their optimizer state.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "host/core/backend.hpp"
#include "host/core/host_array.hpp"

namespace mgqe {

/// Called with the name of every array a checkpoint holds.
using TensorVisitor = std::function<void(const std::string& name, Tensor<float>& tensor)>;

/// How the parameters of a run are updated.
struct OptimizerOptions {
  AdamOptions adam;
  bool sparse = true;     // tables: SparseAdam on touched rows; else Adam on every row, every step
  double table_l2 = 0.0;  // L2 penalty on table rows
};

/// A dense parameter under Adam.
class Parameter {
 public:
  Parameter(Backend& backend, std::string name, int64_t rows, int64_t cols,
            const OptimizerOptions& options);

  void step(View<const float> gradient, View<const StepState> state);
  void visit(const TensorVisitor& visitor);
  /// The values under the parameter's name; a column as a vector.
  void pack(ArrayMap& arrays) const;
  /// The inverse of pack; InputError where the array is missing or of another shape.
  void load(const ArrayMap& arrays);

  const std::string& name() const { return name_; }
  Tensor<float> values;

 protected:
  std::vector<int64_t> packed_shape() const;

  Moments moments() const { return {first_, second_}; }

  Backend& backend_;
  std::string name_;
  OptimizerOptions options_;
  Tensor<float> first_, second_;
};

/// A table (n, d) that a batch touches by rows.
class TableParameter : public Parameter {
 public:
  TableParameter(Backend& backend, std::string name, int64_t rows, int64_t dim,
                 const OptimizerOptions& options);

  /// gradient (B, d) by look-up.
  void step(const UniqueIds& unique, View<const float> gradient, View<const StepState> state);

 private:
  Tensor<float> dense_gradient_;  // (n, d), only under dense Adam
};

/// Room for the distinct ids of up to `capacity` look-ups.
class UniqueBuffer {
 public:
  UniqueBuffer(Backend& backend, int64_t capacity);

  /// Sorts the ids (B <= capacity) of a batch; the result stays valid until the next call.
  UniqueIds deduplicate(View<const int32_t> ids, int64_t id_limit);

 private:
  Backend& backend_;
  Tensor<int32_t> ids_, offsets_, order_, inverse_, count_;
};

}  // namespace mgqe
