#include "models/parameter.hpp"

#include "models/row_exchange.hpp"

namespace mgqe {

Parameter::Parameter(Backend& backend, std::string name, int64_t rows, int64_t cols,
                     const OptimizerOptions& options)
    : Parameter(backend, std::move(name), rows, cols, options,
                options.optimizer == Optimizer::kSgd ? State::kNone : State::kMoments) {}

Parameter::Parameter(Backend& backend, std::string name, int64_t rows, int64_t cols,
                     const OptimizerOptions& options, State state)
    : values(backend, rows, cols),
      backend_(backend),
      name_(std::move(name)),
      options_(options),
      dealing_(Dealing::whole(rows)) {
  if (state == State::kMoments) {
    first_ = Tensor<float>(backend, rows, cols);
    second_ = Tensor<float>(backend, rows, cols);
  }
  if (state == State::kSquareSums) square_sums_ = Tensor<float>(backend, rows);
}

void Parameter::step(View<float> gradient, View<const StepState> state, Traffic what) {
  if (!backend_.communicator().alone()) backend_.communicator().all_reduce(what, gradient);
  update(gradient, state);
}

void Parameter::update(View<const float> gradient, View<const StepState> state) {
  if (options_.optimizer == Optimizer::kSgd)
    backend_.sgd(values, gradient, options_.adam.learning_rate, options_.adam.l2);
  else
    backend_.adam(values, gradient, moments(), options_.adam, state);
}

void Parameter::visit(const TensorVisitor& visitor) {
  visitor(name_, values, dealing_);
  if (first_.size() > 0) {
    visitor(name_ + ".adam_first", first_, dealing_);
    visitor(name_ + ".adam_second", second_, dealing_);
  }
  if (square_sums_.size() > 0) visitor(name_ + ".adagrad", square_sums_, dealing_);
}

std::vector<int64_t> Parameter::packed_shape() const {
  if (values.cols() == 1) return {values.rows()};
  return {values.rows(), values.cols()};
}

void Parameter::pack(ArrayMap& arrays) const {
  arrays.emplace(name_, HostArray(values.to_host(), packed_shape()));
}

void Parameter::load(const ArrayMap& arrays) {
  const auto found = arrays.find(name_);
  if (found == arrays.end()) input_error("the artifact lacks the array ", name_);
  if (found->second.dtype != DType::kF32 || found->second.shape != packed_shape())
    input_error("the artifact's array ", name_, " is not of the shape its backbone needs");
  values.assign(found->second.as<float>());
}

TableParameter::TableParameter(Backend& backend, std::string name, const Dealing& dealing,
                               int64_t dim, const OptimizerOptions& options)
    : Parameter(backend, std::move(name), dealing.local_rows(), dim, options,
                state_of(options.optimizer)) {
  dealing_ = dealing;
  options_.adam.l2 = options.table_l2;
  if (options.table_learning_rate > 0.0) options_.adam.learning_rate = options.table_learning_rate;
  const bool dense = options.optimizer == Optimizer::kAdam;
  if (dense) dense_gradient_ = Tensor<float>(backend, values.rows(), dim);
  if (!dense && dealing.ranks == 1 && !backend.communicator().alone())
    gather_ = std::make_unique<RowGather>(backend, dim);
}

TableParameter::~TableParameter() = default;

void TableParameter::fill_normal(uint64_t key, double stddev) {
  backend_.fill_normal_rows(values, dealing_, key, static_cast<float>(stddev));
}

Parameter::State TableParameter::state_of(Optimizer optimizer) {
  switch (optimizer) {
    case Optimizer::kSparseAdam:
    case Optimizer::kAdam:
      return State::kMoments;
    case Optimizer::kRowwiseAdagrad:
      return State::kSquareSums;
    case Optimizer::kSgd:
      return State::kNone;
  }
  throw Error("an optimizer of no name");
}

RowUpdate TableParameter::row_update() const {
  const RowRule rule = options_.optimizer == Optimizer::kRowwiseAdagrad ? RowRule::kRowwiseAdagrad
                       : options_.optimizer == Optimizer::kSgd          ? RowRule::kSgd
                                                                        : RowRule::kSparseAdam;
  return {rule, options_.adam, moments(), square_sums_};
}

void TableParameter::step(const UniqueIds& unique, View<const float> gradient,
                          View<const StepState> state) {
  if (gather_ != nullptr) {
    const auto all = gather_->gather(unique, gradient, values.rows());
    backend_.update_rows(values, all.unique, all.gradient, row_update(), state);
  } else if (options_.optimizer != Optimizer::kAdam) {
    backend_.update_rows(values, unique, gradient, row_update(), state);
  } else {
    dense_gradient_.zero();
    backend_.sum_gradients(unique, gradient, dense_gradient_);
    if (dealing_.ranks == 1)
      Parameter::step(dense_gradient_, state, Traffic::kBackward);
    else
      update(dense_gradient_, state);
  }
}

UniqueBuffer::UniqueBuffer(Backend& backend, int64_t capacity)
    : backend_(backend),
      ids_(backend, capacity),
      offsets_(backend, capacity + 1),
      order_(backend, capacity),
      inverse_(backend, capacity),
      count_(backend, 1) {}

UniqueIds UniqueBuffer::deduplicate(View<const int32_t> ids, int64_t id_limit) {
  const int64_t lookups = ids.size();
  const UniqueIds unique{ids_.view().slice(0, lookups), offsets_.view().slice(0, lookups + 1),
                         order_.view().slice(0, lookups), inverse_.view().slice(0, lookups),
                         count_};
  backend_.deduplicate(ids, id_limit, unique);
  return unique;
}

}  // namespace mgqe
