#include "host/serve/scan/device_tiers.hpp"

#include <utility>
#include <vector>

namespace mgqe {
namespace {

RowSelection selection_of(const RowFilter& filter) {
  return {filter.sorted.data(), static_cast<int64_t>(filter.sorted.size()), filter.bitmap.data()};
}

}  // namespace

DeviceTiers::DeviceTiers(const PackedTiers& table, std::unique_ptr<CodedTopK> search)
    : rows_(table.ranges.end[table.ranges.count - 1]), dim_(table.dim), search_(std::move(search)) {
  MGQE_CHECK(search_ != nullptr, "a table on a device without one");
}

void top_k(const DeviceTiers& table, View<const float> queries, const TopKOptions& options,
           TopKResult result) {
  if (queries.cols != table.dim())
    input_error("queries of ", queries.cols, " columns for a table of dimension ", table.dim());
  check_top_k(table.rows(), queries, options, result);
  std::vector<RowSelection> block_each;
  for (const RowFilter& filter : options.block_each) block_each.push_back(selection_of(filter));
  CodedTopKCall call;
  call.queries = queries;
  call.k = options.k;
  call.allow = selection_of(options.allow);
  call.block = selection_of(options.block);
  call.block_each = block_each.empty() ? nullptr : block_each.data();
  call.rows = result.rows;
  call.scores = result.scores;
  call.counts = result.counts.data();
  table.search().top_k(call);
}

}  // namespace mgqe
