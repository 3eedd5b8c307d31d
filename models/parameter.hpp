// Trainable arrays with their optimizer state.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "host/core/backend.hpp"
#include "host/core/host_array.hpp"

namespace mgqe {

/// Called with the name of every array a checkpoint holds, and, where it asks for that, with how its
/// rows are dealt to ranks.
class TensorVisitor {
 public:
  template <class Function>
  TensorVisitor(Function visit) {
    if constexpr (std::is_invocable_v<Function, const std::string&, Tensor<float>&, const Dealing&>)
      visit_ = std::move(visit);
    else
      visit_ = [visit = std::move(visit)](const std::string& name, Tensor<float>& tensor,
                                          const Dealing&) { visit(name, tensor); };
  }
  void operator()(const std::string& name, Tensor<float>& tensor, const Dealing& dealing) const {
    visit_(name, tensor, dealing);
  }
  void operator()(const std::string& name, Tensor<float>& tensor) const {
    visit_(name, tensor, Dealing::whole(tensor.rows()));
  }

 private:
  std::function<void(const std::string&, Tensor<float>&, const Dealing&)> visit_;
};

/// --optimizer. Dense parameters (codebooks among them) move by Adam, or by SGD under kSgd.
enum class Optimizer {
  kSparseAdam,      // tables: SparseAdam on touched rows
  kAdam,            // tables: Adam on every row, every step
  kRowwiseAdagrad,  // tables: Adagrad with one sum of squares a row, on touched rows
  kSgd,             // everything: SGD, on touched rows of tables
};

/// How the parameters of a run are updated.
struct OptimizerOptions {
  AdamOptions adam;  // SGD takes its learning rate
  Optimizer optimizer = Optimizer::kSparseAdam;
  double table_l2 = 0.0;             // L2 penalty on table rows
  double table_learning_rate = 0.0;  // of table rows; 0: adam.learning_rate
};

/// A dense parameter under Adam or SGD.
class Parameter {
 public:
  Parameter(Backend& backend, std::string name, int64_t rows, int64_t cols,
            const OptimizerOptions& options);

  /// gradient (rows, cols): this rank's; becomes the sum of all ranks'.
  void step(View<float> gradient, View<const StepState> state, Traffic what = Traffic::kDense);
  void visit(const TensorVisitor& visitor);
  /// The values under the parameter's name; a column as a vector.
  void pack(ArrayMap& arrays) const;
  /// The inverse of pack; InputError where the array is missing or of another shape.
  void load(const ArrayMap& arrays);

  const std::string& name() const { return name_; }
  Tensor<float> values;

 protected:
  std::vector<int64_t> packed_shape() const;

  enum class State { kNone, kMoments, kSquareSums };
  /// With room for the given state alone.
  Parameter(Backend& backend, std::string name, int64_t rows, int64_t cols,
            const OptimizerOptions& options, State state);

  Moments moments() const { return {first_, second_}; }
  void update(View<const float> gradient, View<const StepState> state);

  Backend& backend_;
  std::string name_;
  OptimizerOptions options_;
  Dealing dealing_;  // of the rows
  Tensor<float> first_, second_;  // (rows, cols), only under Adam and SparseAdam
  Tensor<float> square_sums_;     // (rows), only under row-wise Adagrad
};

class RowGather;

/// A table (n, d) that a batch touches by rows: this rank's share of it, or, on each rank, all.
class TableParameter : public Parameter {
 public:
  TableParameter(Backend& backend, std::string name, const Dealing& dealing, int64_t dim,
                 const OptimizerOptions& options);
  ~TableParameter();
  TableParameter(TableParameter&&) = default;

  /// Element by element of the whole table, stddev * normal(key).
  void fill_normal(uint64_t key, double stddev);
  /// gradient (B, d) by look-up. A whole table takes every rank's, a share what its rank is given.
  void step(const UniqueIds& unique, View<const float> gradient, View<const StepState> state);

 private:
  static State state_of(Optimizer optimizer);
  RowUpdate row_update() const;

  Tensor<float> dense_gradient_;       // (n, d), only under dense Adam
  std::unique_ptr<RowGather> gather_;  // only of a whole table among ranks
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
