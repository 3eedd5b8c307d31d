#include "models/optim/parameter.hpp"

#include <algorithm>

#include "models/optim/sparse_all_to_all.hpp"

namespace mgqe {

Parameter::Parameter(Backend& backend, std::string name, int64_t rows, int64_t cols,
                     const OptimizerOptions& options)
    : Parameter(backend, std::move(name), rows, cols, options,
                options.optimizer == Optimizer::kSgd ? State::kNone : State::kMoments) {}

Parameter::Parameter(Backend& backend, std::string name, int64_t rows, int64_t cols,
                     const OptimizerOptions& options, State state, bool floats)
    : values(backend, floats ? rows : 0, cols),
      backend_(backend),
      name_(std::move(name)),
      options_(options),
      sharding_(RowSharding::whole(rows)) {
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
  visitor(name_, values, sharding_);
  visit_state(visitor);
}

void Parameter::visit_state(const TensorVisitor& visitor) {
  if (first_.size() > 0) {
    visitor(name_ + ".adam_first", first_, sharding_);
    visitor(name_ + ".adam_second", second_, sharding_);
  }
  if (square_sums_.size() > 0) visitor(name_ + ".adagrad", square_sums_, sharding_);
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

TableParameter::TableParameter(Backend& backend, std::string name, const RowSharding& sharding,
                               int64_t dim, const OptimizerOptions& options)
    : Parameter(backend, std::move(name), sharding.local_rows(), dim, options,
                state_of(options.optimizer), options.row_type == RowType::kF32) {
  sharding_ = sharding;
  options_.adam.l2 = options.table_l2;
  if (options.table_learning_rate > 0.0) options_.adam.learning_rate = options.table_learning_rate;
  const bool dense = options.optimizer == Optimizer::kAdam;
  if (in_bfloat16()) {
    MGQE_CHECK(state_of(options.optimizer) != State::kMoments,
               "Adam's moments want rows of floats");
    stored_ = Tensor<Bfloat16>(backend, sharding.local_rows(), dim);
  }
  if (dense) dense_gradient_ = Tensor<float>(backend, values.rows(), dim);
  if (!dense && sharding.ranks == 1 && !backend.communicator().alone())
    gather_ = std::make_unique<RowGather>(backend, dim, options.bfloat16_gradients);
}

TableParameter::~TableParameter() = default;

void TableParameter::fill_normal(uint64_t key, double stddev) {
  constexpr uint64_t kRounding = ~uint64_t{0};  // no element of a table
  rounding_key_ = random_u64(key, kRounding);
  if (in_bfloat16())
    backend_.fill_normal_rows(stored_, sharding_, key, static_cast<float>(stddev));
  else
    backend_.fill_normal_rows(values, sharding_, key, static_cast<float>(stddev));
}

std::vector<float> TableParameter::to_host() const {
  if (!in_bfloat16()) return values.to_host();
  const std::vector<Bfloat16> stored = stored_.to_host();
  std::vector<float> host(stored.size());
  std::transform(stored.begin(), stored.end(), host.begin(),
                 [](Bfloat16 value) { return to_float(value); });
  return host;
}

void TableParameter::visit(const TensorVisitor& visitor) {
  if (!in_bfloat16()) return Parameter::visit(visitor);
  visitor(name_, stored_, sharding_);
  visit_state(visitor);
}

void TableParameter::reserve(int64_t lookups) {
  if (!in_bfloat16()) return;
  const int64_t ranks = gather_ != nullptr ? backend_.communicator().size() : 1;
  batch_ = Tensor<float>(backend_, lookups * ranks, dim());
}

View<const float> TableParameter::fetch(RowSet& rows) { return fetch(rows, range_); }

View<const float> TableParameter::fetch(UniqueIds& unique) {
  RowSet rows = RowSet::of(unique);
  const View<const float> fetched = fetch(rows, batch_);
  unique.gathered = rows.gathered;
  return fetched;
}

View<const float> TableParameter::fetch(RowSet& rows, Tensor<float>& room) {
  if (!in_bfloat16()) return values;
  if (rows.capacity > room.rows()) room = Tensor<float>(backend_, rows.capacity, dim());
  const View<float> fetched = room.view().slice(0, rows.capacity);
  backend_.widen_rows(stored_, rows, fetched);
  rows.gathered = true;
  return fetched;
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
                          View<const StepState> state, std::span<const int64_t> rank_rows) {
  if (gather_ != nullptr) {
    auto all = gather_->gather(unique, gradient, rows(), rank_rows);
    fetch(all.unique);
    update_rows(all.unique, all.gradient, state);
  } else if (options_.optimizer != Optimizer::kAdam) {
    update_rows(unique, gradient, state);
  } else {
    dense_gradient_.zero();
    backend_.sum_gradients(unique, gradient, dense_gradient_);
    if (sharding_.ranks == 1)
      Parameter::step(dense_gradient_, state, Traffic::kBackward);
    else
      update(dense_gradient_, state);
  }
}

void TableParameter::update_rows(const UniqueIds& unique, View<const float> gradient,
                                 View<const StepState> state) {
  if (!in_bfloat16()) return backend_.update_rows(values, unique, gradient, row_update(), state);
  UniqueIds gathered = unique;
  gathered.gathered = true;
  const View<float> fetched = batch_.view().slice(0, unique.ids.rows);
  backend_.update_rows(fetched, gathered, gradient, row_update(), state);
  backend_.narrow_rows(fetched, RowSet::of(unique), sharding_, rounding_key_, state, stored_);
}

UniqueBuffer::UniqueBuffer(Backend& backend, int64_t capacity)
    : backend_(backend),
      ids_(backend, capacity),
      offsets_(backend, capacity + 1),
      order_(backend, capacity),
      inverse_(backend, capacity),
      count_(backend, 1) {}

UniqueIds UniqueBuffer::deduplicate(Backend& on, View<const int32_t> ids, int64_t id_limit) {
  const int64_t lookups = ids.size();
  const UniqueIds unique{ids_.view().slice(0, lookups), offsets_.view().slice(0, lookups + 1),
                         order_.view().slice(0, lookups), inverse_.view().slice(0, lookups),
                         count_};
  on.deduplicate(ids, id_limit, unique);
  return unique;
}

}  // namespace mgqe
