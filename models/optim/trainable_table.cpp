#include "models/optim/trainable_table.hpp"

#include <algorithm>
#include <array>

#include "models/optim/sparse_all_to_all.hpp"

namespace mgqe {

TrainableTable::TrainableTable(Backend& backend, std::string name, const RowSharding& sharding,
                               int64_t dim, const OptimizerOptions& options)
    : values(backend, options.row_type == RowType::kF32 ? sharding.local_rows() : 0, dim),
      backend_(backend),
      name_(std::move(name)),
      options_(options),
      sharding_(sharding),
      state_(backend, OptimizerState::of_table(options.optimizer), sharding.local_rows(), dim) {
  options_.adam.l2 = options.table_l2;
  if (options.table_learning_rate > 0.0) options_.adam.learning_rate = options.table_learning_rate;
  const bool dense = options.optimizer == Optimizer::kAdam;
  if (in_bfloat16()) {
    MGQE_CHECK(OptimizerState::of_table(options.optimizer) != OptimizerState::Kind::kMoments,
               "Adam's moments want rows of floats");
    stored_ = Tensor<Bfloat16>(backend, sharding.local_rows(), dim);
  }
  if (dense) dense_gradient_ = Tensor<float>(backend, values.rows(), dim);
  if (!dense && sharding.ranks == 1 && !backend.communicator().alone())
    gather_ = std::make_unique<RowGather>(backend, dim, options.bfloat16_gradients);
}

TrainableTable::~TrainableTable() = default;

void TrainableTable::fill_normal(uint64_t key, double stddev) {
  constexpr uint64_t kRounding = ~uint64_t{0};  // no element of a table
  rounding_key_ = random_u64(key, kRounding);
  if (in_bfloat16())
    backend_.fill_normal_rows(stored_, sharding_, key, static_cast<float>(stddev));
  else
    backend_.fill_normal_rows(values, sharding_, key, static_cast<float>(stddev));
}

std::vector<float> TrainableTable::to_host() const {
  if (!in_bfloat16()) return values.to_host();
  const std::vector<Bfloat16> stored = stored_.to_host();
  std::vector<float> host(stored.size());
  std::transform(stored.begin(), stored.end(), host.begin(),
                 [](Bfloat16 value) { return to_float(value); });
  return host;
}

void TrainableTable::pack(ArrayMap& arrays) const {
  MGQE_CHECK(sharding_.ranks == 1, name_, " is sharded over ranks");
  std::vector<int64_t> shape = {rows()};
  if (dim() > 1) shape.push_back(dim());
  arrays.emplace(name_, HostArray(to_host(), std::move(shape)));
}

void TrainableTable::visit(const TensorVisitor& visitor) {
  if (in_bfloat16())
    visitor(name_, stored_, sharding_);
  else
    visitor(name_, values, sharding_);
  state_.visit(name_, sharding_, visitor);
}

void TrainableTable::reserve(int64_t lookups) {
  if (!in_bfloat16()) return;
  const int64_t ranks = gather_ != nullptr ? backend_.communicator().size() : 1;
  batch_ = Tensor<float>(backend_, lookups * ranks, dim());
}

View<const float> TrainableTable::fetch(RowSet& rows) { return fetch(rows, range_); }

View<const float> TrainableTable::fetch(UniqueIds& unique) {
  RowSet rows = RowSet::of(unique);
  const View<const float> fetched = fetch(rows, batch_);
  unique.gathered = rows.gathered;
  return fetched;
}

View<const float> TrainableTable::fetch(RowSet& rows, Tensor<float>& room) {
  if (!in_bfloat16()) return values;
  if (rows.capacity > room.rows()) {
    room = {};  // before there is another, so that both are never held
    room = Tensor<float>(backend_, rows.capacity, dim());
  }
  const View<float> fetched = room.view().slice(0, rows.capacity);
  backend_.widen_rows(stored_, rows, fetched);
  rows.gathered = true;
  return fetched;
}

void TrainableTable::step(const UniqueIds& unique, View<const float> gradient,
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
    Communicator& ranks = backend_.communicator();
    if (sharding_.ranks == 1 && !ranks.alone())
      ranks.all_reduce(Traffic::kBackward, dense_gradient_.view());
    update_each(backend_, std::array{DenseArray{values, dense_gradient_, state_.moments()}},
                options_, state);
  }
}

void TrainableTable::update_rows(const UniqueIds& unique, View<const float> gradient,
                                 View<const StepState> state) {
  if (!in_bfloat16())
    return backend_.update_rows(values, unique, gradient, state_.row_update(options_), state);
  UniqueIds gathered = unique;
  gathered.gathered = true;
  const View<float> fetched = batch_.view().slice(0, unique.ids.rows);
  backend_.update_rows(fetched, gathered, gradient, state_.row_update(options_), state);
  backend_.narrow_rows(fetched, RowSet::of(unique), sharding_, rounding_key_, state, stored_);
}

}  // namespace mgqe
