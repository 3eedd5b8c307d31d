#include "host/data/ctr/ctr_rows.hpp"

#include <numeric>

namespace mgqe {

const char* name_of(CtrSplit split) {
  constexpr const char* kNames[] = {"train", "valid", "test"};
  return kNames[static_cast<int>(split)];
}

int64_t CtrShape::table_rows() const {
  int64_t sum = 0;
  for (const CtrField& field : fields) sum += field.rows;
  for (const CtrField& bag : bags) sum += bag.rows;
  return sum;
}

void CtrBatch::resize(const CtrShape& shape, int64_t count) {
  const auto n = static_cast<size_t>(count);
  rows = count;
  labels.resize(n);
  ids.resize(shape.fields.size() * n);
  dense.resize(shape.dense.size() * n);
  bags.resize(shape.bags.size());
  for (Bag& bag : bags) {
    bag.offsets.assign(1, 0);
    bag.ids.clear();
  }
}

void CtrRows::range(CtrSplit split, int64_t first, int64_t count, CtrBatch& batch) const {
  std::vector<int64_t> numbers(static_cast<size_t>(count));
  std::iota(numbers.begin(), numbers.end(), first);
  gather(split, numbers, batch);
}

}  // namespace mgqe
