// Trainable arrays with their optimizer state.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "host/base/host_array.hpp"
#include "host/engine/backend.hpp"

namespace mgqe {

/// Called with the name of every array a checkpoint holds, and, where it asks for that, with how
/// its rows are sharded over ranks.
class TensorVisitor {
 public:
  /// visit(name, tensor) or visit(name, tensor, sharding); where it takes a Tensor<float> alone,
  /// arrays stored in bfloat16 throw.
  template <class Function>
  TensorVisitor(Function visit)
      : visit_(bind<float>(visit)), visit_bfloat16_(bind<Bfloat16>(visit)) {}

  template <class T>
  void operator()(const std::string& name, Tensor<T>& tensor, const RowSharding& sharding) const {
    if constexpr (std::is_same_v<T, float>)
      visit_(name, tensor, sharding);
    else
      visit_bfloat16_(name, tensor, sharding);
  }
  void operator()(const std::string& name, Tensor<float>& tensor) const {
    visit_(name, tensor, RowSharding::whole(tensor.rows()));
  }

 private:
  template <class T>
  using Visit = std::function<void(const std::string&, Tensor<T>&, const RowSharding&)>;

  template <class T, class Function>
  static Visit<T> bind(const Function& visit) {
    if constexpr (std::is_invocable_v<Function, const std::string&, Tensor<T>&, const RowSharding&>)
      return visit;
    else if constexpr (std::is_invocable_v<Function, const std::string&, Tensor<T>&>)
      return [visit](const std::string& name, Tensor<T>& tensor, const RowSharding&) {
        visit(name, tensor);
      };
    else
      return [](const std::string& name, Tensor<T>&, const RowSharding&) {
        throw Error("the array " + name + " is not of floats");
      };
  }

  Visit<float> visit_;
  Visit<Bfloat16> visit_bfloat16_;
};

/// --optimizer. Dense parameters (codebooks among them) move by Adam, or by SGD under kSgd.
enum class Optimizer {
  kSparseAdam,      // tables: SparseAdam on touched rows
  kAdam,            // tables: Adam on every row, every step
  kRowwiseAdagrad,  // tables: Adagrad with one sum of squares a row, on touched rows
  kSgd,             // everything: SGD, on touched rows of tables
};

/// --row-type: how the rows of tables are stored.
enum class RowType {
  kF32,
  kBf16,  // widened for each batch, updated in f32, rounded stochastically; half the memory
};

/// How the parameters of a run are updated.
struct OptimizerOptions {
  AdamOptions adam;  // SGD takes its learning rate
  Optimizer optimizer = Optimizer::kSparseAdam;
  double table_l2 = 0.0;             // L2 penalty on table rows
  double table_learning_rate = 0.0;  // of table rows; 0: adam.learning_rate
  RowType row_type = RowType::kF32;
  bool bfloat16_gradients = false;  // --gradient-type: of rows, on their way between ranks
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
  Tensor<float> values;  // (rows, cols); of a table stored in bfloat16: none

 protected:
  std::vector<int64_t> packed_shape() const;

  enum class State { kNone, kMoments, kSquareSums };
  /// With room for the given state alone, and for values where they are floats.
  Parameter(Backend& backend, std::string name, int64_t rows, int64_t cols,
            const OptimizerOptions& options, State state, bool floats = true);
  void visit_state(const TensorVisitor& visitor);

  Moments moments() const { return {first_, second_}; }
  void update(View<const float> gradient, View<const StepState> state);

  Backend& backend_;
  std::string name_;
  OptimizerOptions options_;
  RowSharding sharding_;          // of the rows
  Tensor<float> first_, second_;  // (rows, cols), only under Adam and SparseAdam
  Tensor<float> square_sums_;     // (rows), only under row-wise Adagrad
};

class RowGather;

/// A table (n, d) that a batch touches by rows: this rank's share of it, or, on each rank, all.
class TableParameter : public Parameter {
 public:
  TableParameter(Backend& backend, std::string name, const RowSharding& sharding, int64_t dim,
                 const OptimizerOptions& options);
  ~TableParameter();
  TableParameter(TableParameter&&) = default;

  int64_t rows() const { return sharding_.local_rows(); }
  int64_t dim() const { return in_bfloat16() ? stored_.cols() : values.cols(); }
  std::vector<float> to_host() const;  // (rows, d)
  void visit(const TensorVisitor& visitor);

  /// Element by element of the whole table, stddev * normal(key).
  void fill_normal(uint64_t key, double stddev);
  /// Room for batches of so many look-ups of this rank, so that no step allocates.
  void reserve(int64_t lookups);
  /// Rows of a set, each at its place(): the table itself, or, of one stored in bfloat16, floats
  /// that stay valid until the next call; the set is then marked as gathered.
  View<const float> fetch(UniqueIds& unique);
  View<const float> fetch(RowSet& rows);
  /// gradient (B, d) by look-up of the ids last fetched. A whole table takes every rank's, a share
  /// what its rank is given. rank_rows (N): distinct ids of each rank; where they are not known, a
  /// whole table among ranks asks, and waits for the device.
  void step(const UniqueIds& unique, View<const float> gradient, View<const StepState> state,
            std::span<const int64_t> rank_rows = {});

 private:
  static State state_of(Optimizer optimizer);
  bool in_bfloat16() const { return options_.row_type == RowType::kBf16; }
  RowUpdate row_update() const;
  View<const float> fetch(RowSet& rows, Tensor<float>& room);
  void update_rows(const UniqueIds& unique, View<const float> gradient,
                   View<const StepState> state);

  Tensor<Bfloat16> stored_;      // (n, d), only in bfloat16
  Tensor<float> batch_, range_;  // (most rows fetched at once, d), only in bfloat16
  uint64_t rounding_key_ = 0;

  Tensor<float> dense_gradient_;       // (n, d), only under dense Adam
  std::unique_ptr<RowGather> gather_;  // only of a whole table among ranks
};

/// Room for the distinct ids of up to `capacity` look-ups.
class UniqueBuffer {
 public:
  UniqueBuffer(Backend& backend, int64_t capacity);

  /// Sorts the ids (B <= capacity) of a batch, by ops of `on`; the result stays valid until the
  /// next call.
  UniqueIds deduplicate(Backend& on, View<const int32_t> ids, int64_t id_limit);
  UniqueIds deduplicate(View<const int32_t> ids, int64_t id_limit) {
    return deduplicate(backend_, ids, id_limit);
  }

 private:
  Backend& backend_;
  Tensor<int32_t> ids_, offsets_, order_, inverse_, count_;
};

}  // namespace mgqe
