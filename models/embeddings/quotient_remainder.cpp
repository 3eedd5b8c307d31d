#include "models/embeddings/quotient_remainder.hpp"

#include <cmath>

namespace mgqe {

QuotientRemainderEmbedding::Part::Part(Backend& backend, const EmbeddingSpec& spec,
                                       const std::string& name, int64_t rows)
    : table(backend, spec.name + "." + name, RowSharding::whole(rows), spec.config.dim,
            spec.optimizer),
      ids(backend, spec.max_lookups),
      gradient(backend, spec.max_lookups, spec.config.dim),
      buffer(backend, spec.max_lookups) {}

void QuotientRemainderEmbedding::Part::sort(int64_t lookups) {
  unique = buffer.deduplicate(ids.view().slice(0, lookups), table.rows());
}

void QuotientRemainderEmbedding::Part::step(int64_t lookups, View<const StepState> state) {
  table.step(unique, gradient.view().slice(0, lookups), state);
}

QuotientRemainderEmbedding::QuotientRemainderEmbedding(Backend& backend, const EmbeddingSpec& spec)
    : Embedding(backend, spec.config.dim),
      rows_(spec.rows),
      quotients_(backend, spec, "quotients",
                 (spec.rows + spec.config.buckets - 1) / spec.config.buckets),
      remainders_(backend, spec, "remainders", spec.config.buckets),
      products_(backend, spec.max_lookups, spec.config.dim),
      lookup_numbers_(number_lookups(backend, spec.max_lookups)) {
  // A product of two has the standard deviation that init_stddev says.
  const double stddev = std::sqrt(spec.config.init_stddev);
  quotients_.table.fill_normal(spec.codebook_key, stddev);
  remainders_.table.fill_normal(spec.table_key, stddev);
}

Lookup QuotientRemainderEmbedding::forward(const IdBatch& ids) {
  lookups_ = ids.ids.size();
  const Lookup quotients = quotients_.lookup(lookups_), remainders = remainders_.lookup(lookups_);
  backend_.divide_ids(RowSet::of(ids.ids), remainders_.table.rows(),
                      quotients_.ids.view().slice(0, lookups_),
                      remainders_.ids.view().slice(0, lookups_));
  quotients_.sort(lookups_);
  remainders_.sort(lookups_);
  const View<float> products = products_.view().slice(0, lookups_);
  backend_.gather(remainders.rows, remainders.index, products);
  backend_.multiply_rows(quotients, products, products);
  return {products, lookup_numbers_.view().slice(0, lookups_)};
}

void QuotientRemainderEmbedding::backward(View<const float> gradient) {
  const int64_t lookups = gradient.rows;
  backend_.multiply_rows(remainders_.lookup(lookups), gradient,
                         quotients_.gradient.view().slice(0, lookups));
  backend_.multiply_rows(quotients_.lookup(lookups), gradient,
                         remainders_.gradient.view().slice(0, lookups));
}

void QuotientRemainderEmbedding::step(View<const StepState> state) {
  quotients_.step(lookups_, state);
  remainders_.step(lookups_, state);
}

DevicePackedTable QuotientRemainderEmbedding::pack() {
  DevicePackedTable table =
      packed("quotient_remainder", RowSharding::whole(rows_), products_.cols());
  table.form.buckets = remainders_.table.rows();
  table.arrays.emplace("quotients", quotients_.table.stored());
  table.arrays.emplace("remainders", remainders_.table.stored());
  return table;
}

void QuotientRemainderEmbedding::visit(const TensorVisitor& visitor) {
  quotients_.table.visit(visitor);
  remainders_.table.visit(visitor);
}

}  // namespace mgqe
