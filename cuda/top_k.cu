// Top-k of a coded table that stays on the device.
//
// Rows are searched in chunks that grow sixteenfold, from a few thousand of the head, which are all
// scored. After each the best k of a query's candidates are selected, and their least is the
// threshold of the next: of rows in no particular order, about 15 k of each chunk pass it. No count
// is read back until the lists come, with a flag where candidates were lost for want of room. Then
// all is done again with the thresholds that are known by now; and should candidates be lost once
// more, in chunks whose every row there is room for.
//
// By tables (few queries): a block loads codes as whole vectors and sums 16-bit deficits from
// shared memory, up to eight queries a block. Bytes a row: packed_row_bytes, once for eight
// queries; D look-ups a query, none of which conflict where K <= 64. By products (from
// kProductQueriesFrom queries on): 64 rows x 64 queries a block in bfloat16 on tensor cores, 2 d
// flops a row and query. Either leaves a superset of the rows that may enter, which are scored by
// the canonical chain; the lists are the same. A short allow list is scored row by row. Any d to
// 1024, D, K to 256, eight tiers, k to 10,000 and any n to 2^31 - 1. Simulated only: no GPU has run
// it.
//
// Weighed and left: a selection for each block with a list in shared memory (k to 10,000 does not
// fit); thresholds raised within a chunk (what a block then leaves out depends on the order of
// blocks; results would not, statistics and time would); CUB's radix sort of the lists (a launch
// for each query; counting takes one for all); a 32-bit word of deficits of two queries
// (conflicts).
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>
#include <vector>

#include "cuda/cuda_backend.cuh"
#include "cuda/top_k_product_kernel.cuh"
#include "cuda/top_k_select_kernel.cuh"

namespace mgqe {
namespace {

constexpr int64_t kMostQueries = 1024;                 // that are searched for together
constexpr int64_t kScratchBytes = int64_t{256} << 20;  // of theirs
constexpr int64_t kFewAllowed = 32;  // an allowed row in so many: they are gone through

/// Room for n elements, uninitialised where it has to grow.
template <class T>
T* room(Tensor<T>& tensor, Memory& memory, int64_t n) {
  if (tensor.size() < n) {
    tensor = Tensor<T>();
    tensor = Tensor<T>(memory, n);
  }
  return tensor.data();
}

/// Filters of a call, copied to the device.
class DeviceFilters {
 public:
  DeviceFilters(Memory& memory, const CodedTopKCall& call, int64_t rows) : rows_(rows) {
    std::vector<RowSelection> all = {call.allow, call.block};
    if (call.block_each != nullptr)
      all.insert(all.end(), call.block_each, call.block_each + call.queries.rows);
    std::vector<int32_t> sorted = {0};  // never empty: a list of none has an address, too
    std::vector<uint8_t> bitmaps;
    for (const RowSelection& one : all) {
      if (one.bitmap != nullptr) bitmaps.insert(bitmaps.end(), one.bitmap, one.bitmap + bytes());
      sorted.insert(sorted.end(), one.sorted, one.sorted + one.count);
    }
    sorted_ = Tensor<int32_t>(memory, sorted);
    bitmaps_ = Tensor<uint8_t>(memory, bitmaps);
    const int32_t* next_sorted = sorted_.data() + 1;
    const uint8_t* next_bitmap = bitmaps_.data();
    for (RowSelection& one : all) {
      if (one.bitmap != nullptr) {
        one.bitmap = next_bitmap;
        next_bitmap += bytes();
      }
      if (one.sorted != nullptr) one.sorted = next_sorted;
      next_sorted += one.count;
    }
    allow = all[0];
    block = all[1];
    each_ = Tensor<RowSelection>(memory, std::span<const RowSelection>(all).subspan(2));
  }

  /// Of queries from `first` on; null where there are none of single queries.
  const RowSelection* block_each(int64_t first) const {
    return each_.rows() > 0 ? each_.data() + first : nullptr;
  }

  RowSelection allow, block;

 private:
  int64_t bytes() const { return (rows_ + 7) / 8; }

  int64_t rows_;
  Tensor<int32_t> sorted_;
  Tensor<uint8_t> bitmaps_;
  Tensor<RowSelection> each_;
};

class CudaTopK final : public CodedTopK {
 public:
  CudaTopK(int gpu, const PackedTiers& table);

  std::string device() const override { return backend_.name(); }
  void top_k(const CodedTopKCall& call) override;

 private:
  /// Queries [first, + count) of a call.
  struct Group {
    const CodedTopKCall& call;
    const DeviceFilters& filters;
    TopKPlan plan;
    int64_t first, count;
    bool by_products, by_list;
  };

  void upload(const PackedTiers& table, int tier);
  void search(const Group& group);
  void search_chunks(const Group& group, const std::vector<int64_t>& ends);
  void scan(const Group& group, int64_t first, int64_t last);
  void scan_tier(int tier, int64_t first, int64_t last, bool by_products);
  template <int kQueries>
  void launch_tables(const ScanConfig& config, int tier, int64_t first, int64_t last);
  bool fetch(const Group& group);
  int64_t rows() const { return arguments_.table.ranges.end[arguments_.table.ranges.count - 1]; }
  int64_t bytes_a_query(const CodedTopKCall& call, const TopKPlan& plan) const {
    return 8 * (plan.capacity + 3 * call.k) +
           4 * arguments_.deficits_begin[arguments_.table.ranges.count];
  }

  std::mutex mutex_;
  CudaBackend backend_;
  ScanDevice device_;
  TopKArguments arguments_{};
  BestKeys best_{};

  std::vector<Tensor<uint8_t>> codes_;
  std::vector<Tensor<float>> floats_;  // codebooks, transposes, greatest components
  std::vector<Tensor<Bfloat16>> rounded_;

  // Of the group that is searched for; they grow as calls need.
  Tensor<float> queries_, deficits_;
  Tensor<TierBound> bounds_;
  Tensor<uint64_t> floors_, fresh_, best_keys_;
  Tensor<unsigned> fresh_count_;
  Tensor<int32_t> counts_, lists_;
  std::vector<int32_t> fetched_;
};

CudaTopK::CudaTopK(int gpu, const PackedTiers& table) : backend_(gpu) {
  check_packed_tiers(table, table.dim);
  int shared_bytes = 0;
  MGQE_CUDA(cudaDeviceGetAttribute(&shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, gpu),
            "device ", gpu);
  device_ = {backend_.fma_workers(), shared_bytes};
  arguments_.table = table;
  for (int t = 0; t < table.ranges.count; ++t) {
    upload(table, t);
    arguments_.deficits_begin[t + 1] =
        arguments_.deficits_begin[t] +
        int64_t{table.tiers[t].subspaces} * table.ranges.centroids[t];
  }
}

/// A tier's codes, padded so that they are loaded as whole vectors, and all that is made of its
/// codebook.
void CudaTopK::upload(const PackedTiers& table, int tier) {
  constexpr int64_t kVector = sizeof(Words);
  const int64_t d = table.dim, k = table.ranges.centroids[tier];
  const int64_t bytes = table.ranges.rows(tier) * table.tiers[tier].row_bytes();
  codes_.emplace_back(backend_, (bytes + kVector - 1) / kVector * kVector);
  if (bytes > 0)
    backend_.upload(codes_.back().data(), table.tiers[tier].codes, static_cast<size_t>(bytes));
  arguments_.table.tiers[tier].codes = codes_.back().data();

  const std::span<const float> codebook(table.tiers[tier].codebook, static_cast<size_t>(k * d));
  std::vector<float> columns(codebook.size()), greatest(static_cast<size_t>(d));
  std::vector<Bfloat16> rounded(codebook.size());
  for (int64_t c = 0; c < k; ++c)
    for (int64_t i = 0; i < d; ++i) {
      const float x = codebook[static_cast<size_t>(c * d + i)];
      float& most = greatest[static_cast<size_t>(i)];
      most = std::isnan(x) ? std::numeric_limits<float>::infinity() : std::max(most, std::abs(x));
      columns[static_cast<size_t>(i * k + c)] = x;
      rounded[static_cast<size_t>(c * d + i)] = to_bfloat16(x);
    }
  arguments_.table.tiers[tier].codebook = floats_.emplace_back(backend_, codebook).data();
  arguments_.columns[tier] = floats_.emplace_back(backend_, std::span<const float>(columns)).data();
  arguments_.greatest[tier] =
      floats_.emplace_back(backend_, std::span<const float>(greatest)).data();
  arguments_.rounded[tier] =
      rounded_.emplace_back(backend_, std::span<const Bfloat16>(rounded)).data();
}

void CudaTopK::top_k(const CodedTopKCall& call) {
  const std::lock_guard lock(mutex_);
  MGQE_CHECK(call.queries.cols == arguments_.table.dim && call.k >= 1, call.k, " of queries of ",
             call.queries.cols, " columns for a table of dimension ", arguments_.table.dim);
  const DeviceFilters filters(backend_, call, rows());
  TopKPlan plan = plan_top_k(rows(), call.k);
  if (call.capacity > 0) plan.capacity = call.capacity;
  if (call.first_rows > 0) plan.first = call.first_rows;
  plan.first = std::min(plan.first, plan.capacity);
  const bool by_products = call.way == TopKWay::kChosen ? call.queries.rows >= kProductQueriesFrom
                                                        : call.way == TopKWay::kProducts;
  const bool by_list = call.allow.sorted != nullptr && call.allow.count <= rows() / kFewAllowed;
  const int64_t most =
      std::clamp<int64_t>(kScratchBytes / bytes_a_query(call, plan), 1, kMostQueries);
  for (int64_t first = 0; first < call.queries.rows; first += most)
    search({call, filters, plan, first, std::min(most, call.queries.rows - first), by_products,
            by_list});
}

void CudaTopK::search(const Group& group) {
  const int64_t queries = group.count, k = group.call.k, capacity = group.plan.capacity;
  const int tiers = arguments_.table.ranges.count;
  const View<const float> asked = group.call.queries.slice(group.first, queries);
  TopKArguments& a = arguments_;
  a.queries = {room(queries_, backend_, asked.size()), queries, asked.cols};
  backend_.upload(queries_.data(), asked.data, sizeof(float) * static_cast<size_t>(asked.size()));
  a.k = k;
  a.capacity = capacity;
  a.allow = group.filters.allow;
  a.block = group.filters.block;
  a.block_each = group.filters.block_each(group.first);
  a.bounds = room(bounds_, backend_, queries * tiers);
  a.deficits = room(deficits_, backend_, queries * a.deficits_begin[tiers]);
  a.floors = room(floors_, backend_, queries);
  a.fresh = room(fresh_, backend_, queries * std::max<int64_t>(capacity, 1));
  a.fresh_count = room(fresh_count_, backend_, queries);
  best_.counts = room(counts_, backend_, 2 * queries);
  best_.overflowed = best_.counts + queries;
  uint64_t* const keys = room(best_keys_, backend_, 2 * queries * k);
  best_.from = keys;
  best_.to = keys + queries * k;

  MGQE_LAUNCH(bound_scores_kernel,
              dim3(static_cast<unsigned>(queries), static_cast<unsigned>(tiers)), kBoundThreads, 0,
              backend_.stream(), a);
  backend_.zero(a.floors, sizeof(uint64_t) * static_cast<size_t>(queries));
  const int64_t n = group.by_list ? group.call.allow.count : rows();
  const std::vector<int64_t> growing = growing_chunks(n, group.plan);
  const std::vector<int64_t> even = even_chunks(n, group.plan);
  for (const auto* ends : {&growing, &growing, &even}) {
    search_chunks(group, *ends);
    if (fetch(group)) return;
  }
  throw Error("candidates were lost of chunks that there is room for");
}

/// From no candidates, but with the floors that there are.
void CudaTopK::search_chunks(const Group& group, const std::vector<int64_t>& ends) {
  backend_.zero(arguments_.fresh_count, sizeof(unsigned) * static_cast<size_t>(group.count));
  backend_.zero(best_.counts, 2 * sizeof(int32_t) * static_cast<size_t>(group.count));
  int64_t first = 0;
  for (const int64_t last : ends) {
    if (first < last) scan(group, first, last);
    first = last;
    MGQE_LAUNCH(select_best_kernel, static_cast<unsigned>(group.count), kSelectThreads, 0,
                backend_.stream(), arguments_, best_);
    auto* const written = best_.to;
    best_.to = const_cast<uint64_t*>(best_.from);
    best_.from = written;
  }
}

/// Rows [first, last) of the table, or of the allow list.
void CudaTopK::scan(const Group& group, int64_t first, int64_t last) {
  const TopKArguments& a = arguments_;
  const int64_t resident = kScanBlocks * device_.multiprocessors;
  if (group.by_list || first == 0) {  // no threshold is known at first
    const dim3 grid(grid_for(last - first, kScanThreads, resident),
                    static_cast<unsigned>(group.count));
    MGQE_LAUNCH(score_rows_kernel, grid, kScanThreads, 0, backend_.stream(), a,
                group.by_list ? a.allow.sorted : nullptr, first, last);
    return;
  }
  for (int t = 0; t < a.table.ranges.count; ++t) {
    const int64_t begin = a.table.ranges.begin(t);
    const int64_t here = std::max(first, begin), end = std::min(last, a.table.ranges.end[t]);
    if (here < end) scan_tier(t, here - begin, end - begin, group.by_products);
  }
}

template <int kQueries>
void CudaTopK::launch_tables(const ScanConfig& config, int tier, int64_t first, int64_t last) {
  const auto kernel = scan_tables_kernel<kQueries>;
  MGQE_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(config.shared_bytes)),
            config.shared_bytes, " bytes");
  const dim3 grid(static_cast<unsigned>(config.blocks),
                  grid_for(arguments_.queries.rows, kQueries, kMostQueries));
  MGQE_LAUNCH(kernel, grid, kScanThreads, static_cast<size_t>(config.shared_bytes),
              backend_.stream(), arguments_, tier, first, last, config.table_begin);
}

void CudaTopK::scan_tier(int tier, int64_t first, int64_t last, bool by_products) {
  const TopKArguments& a = arguments_;
  const int64_t queries = a.queries.rows;
  if (by_products) {
    const dim3 grid(grid_for(last - first, kProductRows, kProductBlocks * device_.multiprocessors),
                    grid_for(queries, kProductQueries, kMostQueries));
    MGQE_LAUNCH(scan_products_kernel, grid, kProductThreads, 0, backend_.stream(), a, tier, first,
                last);
    return;
  }
  const CodedTier& coded = a.table.tiers[tier];
  const ScanConfig config =
      choose_scan({last - first, coded.row_bytes(), coded.subspaces, coded.bits, queries}, device_);
  switch (config.queries) {
    case 1:
      return launch_tables<1>(config, tier, first, last);
    case 2:
      return launch_tables<2>(config, tier, first, last);
    case 4:
      return launch_tables<4>(config, tier, first, last);
    case 8:
      return launch_tables<8>(config, tier, first, last);
    default:
      MGQE_LAUNCH(scan_any_kernel,
                  dim3(static_cast<unsigned>(config.blocks), static_cast<unsigned>(queries)),
                  kScanThreads, 0, backend_.stream(), a, tier, first, last);
  }
}

/// Orders the lists and brings them to the caller; false where candidates were lost.
bool CudaTopK::fetch(const Group& group) {
  const int64_t queries = group.count, k = group.call.k, listed = queries * k;
  int32_t* const data = room(lists_, backend_, 2 * queries + 2 * listed);
  const OrderedLists lists{{data + 2 * queries, queries, k},
                           {reinterpret_cast<float*>(data + 2 * queries + listed), queries, k},
                           data,
                           data + queries};
  const dim3 grid(static_cast<unsigned>((k + kOrderThreads - 1) / kOrderThreads),
                  static_cast<unsigned>(queries));
  MGQE_LAUNCH(order_best_kernel, grid, kOrderThreads, 0, backend_.stream(), arguments_, best_,
              lists);
  fetched_.resize(static_cast<size_t>(2 * queries + 2 * listed));
  backend_.download(fetched_.data(), data, sizeof(int32_t) * fetched_.size());
  const int32_t* const counts = fetched_.data();
  for (int64_t m = 0; m < queries; ++m)
    if (counts[queries + m] != 0) return false;
  const CodedTopKCall& call = group.call;
  std::copy_n(counts, queries, call.counts + group.first);
  std::copy_n(counts + 2 * queries, listed, call.rows.row(group.first));
  std::memcpy(call.scores.row(group.first), counts + 2 * queries + listed,
              sizeof(float) * static_cast<size_t>(listed));
  return true;
}

}  // namespace

std::unique_ptr<CodedTopK> make_cuda_top_k(int gpu, const PackedTiers& table) {
  return std::make_unique<CudaTopK>(gpu, table);
}

}  // namespace mgqe
