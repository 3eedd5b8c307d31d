#include "models/optim/sparse_all_to_all.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "host/engine/profile_range.hpp"

namespace mgqe {

SparseAllToAll::SparseAllToAll(Backend& backend, int64_t rows, int64_t max_lookups)
    : backend_(backend),
      ranks_(backend.communicator()),
      sharding_{rows, ranks_.size(), ranks_.rank()},
      max_owned_(sharding_.ranks * std::min(max_lookups, sharding_.most_rows())),
      ask_(backend, [&] { return Requests(backend, max_lookups, sharding_.ranks); }),
      serve_(backend, [&] { return Owned(backend, max_owned_); }),
      to_(static_cast<size_t>(sharding_.ranks)),
      from_(to_.size()),
      bytes_to_(to_.size()),
      bytes_from_(to_.size()) {
  // The largest sharded number must be an id.
  MGQE_CHECK(sharding_.most_rows() * sharding_.ranks <= INT32_MAX, rows, " rows on ",
             sharding_.ranks, " ranks");
}

SparseAllToAll::Requests::Requests(Backend& backend, int64_t max_lookups, int ranks)
    : unique(backend, max_lookups),
      sharded(backend, max_lookups),
      ends(backend, ranks),
      local(backend, max_lookups),
      global(backend, max_lookups),
      lookups(backend, max_lookups) {}

SparseAllToAll::Owned::Owned(Backend& backend, int64_t max_owned)
    : unique(backend, max_owned),
      ids(backend, max_owned),
      lookups(backend, max_owned),
      weights(backend, max_owned) {}

void SparseAllToAll::prepare(Backend& on, View<const int32_t> ids,
                             std::vector<int64_t>& rank_rows) {
  ProfileRange range(on, "count ids");
  Requests& ask = ask_.turn();
  const View<int32_t> sharded = ask.sharded.view().slice(0, ids.size());
  on.shard_ids(ids, sharding_, sharded);
  requests_ = ask.unique.deduplicate(on, sharded, sharding_.most_rows() * sharding_.ranks);
  on.route(requests_, sharding_, ask.ends, ask.local.view().slice(0, ids.size()), ask.global,
           ask.lookups);
  requests_.ids = ask.global.view().slice(0, ids.size());

  const size_t n = to_.size();
  std::vector<int32_t> ends(n);
  on.download(ends.data(), ask.ends.data(), n * sizeof(int32_t));
  request_rows_ = ends.back();
  std::vector<int64_t> say(2 * n), heard(2 * n);  // to each rank: rows asked of it, and of all
  for (size_t r = 0; r < n; ++r) {
    to_[r] = ends[r] - (r == 0 ? 0 : ends[r - 1]);
    say[2 * r] = to_[r];
    say[2 * r + 1] = request_rows_;
  }
  ranks_.exchange(Traffic::kForward, say, heard);
  rank_rows.resize(n);
  for (size_t r = 0; r < n; ++r) {
    from_[r] = heard[2 * r];
    rank_rows[r] = heard[2 * r + 1];
  }
  owned_rows_ = std::accumulate(from_.begin(), from_.end(), int64_t{0});

  range.next("exchange ids");
  Owned& serve = serve_.turn();
  const auto array = [&](const Tensor<int32_t>& mine, const Tensor<int32_t>& theirs) {
    return segments(Way::kToOwners, as_bytes(mine.view()), as_bytes(theirs.view()),
                    sizeof(int32_t));
  };
  ranks_.all_to_all(Traffic::kForward, on,
                    std::array{array(ask.local, serve.ids), array(ask.lookups, serve.lookups)});
  owned_ = serve.unique.deduplicate(on, owned_ids(), sharding_.most_rows());
  owned_.repeats = serve.lookups.view().slice(0, owned_rows_);
  const View<int32_t> weights = serve.weights.view().slice(0, owned_rows_);
  on.sum_repeats(owned_, weights);
  owned_.weights = weights;
}

void SparseAllToAll::begin_answer(View<uint8_t> owned, View<uint8_t> requested) {
  const ProfileRange range(backend_, "exchange rows");
  const auto [send, receive] = segments(Way::kBack, owned, requested, owned.cols);
  ranks_.begin_all_to_all(Traffic::kForward, backend_, send, receive);
}

void SparseAllToAll::begin_give_back(View<uint8_t> requested, View<uint8_t> owned) {
  const ProfileRange range(backend_, "exchange gradients");
  const auto [send, receive] = segments(Way::kToOwners, requested, owned, requested.cols);
  ranks_.begin_all_to_all(Traffic::kBackward, backend_, send, receive);
}

Exchange SparseAllToAll::segments(Way way, View<uint8_t> send, View<uint8_t> receive,
                                  int64_t row_bytes) {
  const auto& [rows_to, rows_from] =
      way == Way::kToOwners ? std::tie(to_, from_) : std::tie(from_, to_);
  for (size_t r = 0; r < to_.size(); ++r) {
    bytes_to_[r] = rows_to[r] * row_bytes;
    bytes_from_[r] = rows_from[r] * row_bytes;
  }
  return {{send, bytes_to_}, {receive, bytes_from_}};
}

// ---- RowGather ----------------------------------------------------------------------------------

void count_rank_rows(Backend& on, Communicator& ranks, const UniqueIds& unique,
                     std::vector<int64_t>& rank_rows) {
  int32_t rows = 0;
  on.download(&rows, unique.count.data, sizeof(rows));
  const std::vector<int64_t> mine(static_cast<size_t>(ranks.size()), rows);
  rank_rows.resize(mine.size());
  ranks.exchange(Traffic::kBackward, mine, rank_rows);
}

void RowGather::reserve(int64_t lookups) {
  if (lookups <= capacity_) return;
  capacity_ = lookups;
  const int64_t all = capacity_ * backend_.communicator().size();
  std::vector<int32_t> positions(static_cast<size_t>(capacity_));
  std::iota(positions.begin(), positions.end(), 0);
  positions_ = Tensor<int32_t>(backend_, std::span<const int32_t>(positions));
  sums_ = Tensor<float>(backend_, capacity_, dim_);
  all_ids_ = Tensor<int32_t>(backend_, all);
  all_sums_ = Tensor<float>(backend_, all, dim_);
  if (bfloat16_gradients_) {
    narrow_sums_ = Tensor<Bfloat16>(backend_, capacity_, dim_);
    narrow_all_ = Tensor<Bfloat16>(backend_, all, dim_);
  }
  unique_ = std::make_unique<UniqueBuffer>(backend_, all);
}

RowGather::Gathered RowGather::gather(const UniqueIds& unique, View<const float> gradient,
                                      int64_t id_limit, std::span<const int64_t> rank_rows) {
  const ProfileRange range(backend_, "exchange gradients");
  Communicator& ranks = backend_.communicator();
  std::vector<int64_t> all(rank_rows.begin(), rank_rows.end());
  if (all.empty()) count_rank_rows(backend_, ranks, unique, all);
  const int64_t rows = all[static_cast<size_t>(ranks.rank())];
  reserve(std::max(gradient.rows, *std::max_element(all.begin(), all.end())));

  UniqueIds summed = unique;  // distinct id number u writes row u
  summed.ids = positions_.view().slice(0, gradient.rows);
  backend_.sum_gradients(summed, gradient, sums_);

  std::vector<int64_t> id_bytes, row_bytes;
  int64_t total = 0;
  for (const int64_t count : all) {
    id_bytes.push_back(count * static_cast<int64_t>(sizeof(int32_t)));
    row_bytes.push_back(
        count * dim_ *
        static_cast<int64_t>(bfloat16_gradients_ ? sizeof(Bfloat16) : sizeof(float)));
    total += count;
  }
  const View<int32_t> all_ids = all_ids_.view().slice(0, total);
  const View<float> all_sums = all_sums_.view().slice(0, total);
  ranks.all_gather(Traffic::kBackward, as_bytes(unique.ids.slice(0, rows)),
                   {as_bytes(all_ids), id_bytes});
  const View<float> sums = sums_.view().slice(0, rows);
  if (bfloat16_gradients_) {
    const View<Bfloat16> narrow_sums = narrow_sums_.view().slice(0, rows);
    const View<Bfloat16> narrow_all = narrow_all_.view().slice(0, total);
    backend_.narrow(sums, narrow_sums);
    ranks.all_gather(Traffic::kBackward, as_bytes(narrow_sums), {as_bytes(narrow_all), row_bytes});
    backend_.widen_rows(narrow_all, RowSet::range(0, total), all_sums);
  } else {
    ranks.all_gather(Traffic::kBackward, as_bytes(sums), {as_bytes(all_sums), row_bytes});
  }
  return {unique_->deduplicate(all_ids, id_limit), all_sums};
}

// ---- whole tables on the host -------------------------------------------------------------------

std::vector<uint8_t> collect_rows(Communicator& ranks, const RowSharding& sharding, int64_t begin,
                                  int64_t end, std::vector<uint8_t> share, int64_t row_bytes) {
  if (sharding.ranks == 1) return share;
  const std::vector<std::string> shares =
      ranks.gather({reinterpret_cast<const char*>(share.data()), share.size()});
  std::vector<uint8_t> whole(static_cast<size_t>((end - begin) * row_bytes));
  for (int r = 0; r < sharding.ranks; ++r) {
    const RowSharding theirs{sharding.rows, sharding.ranks, r};
    const int64_t first = theirs.rows_below(begin), count = theirs.rows_below(end) - first;
    MGQE_CHECK(static_cast<int64_t>(shares[r].size()) == count * row_bytes, "rank ", r, " gave ",
               shares[r].size(), " bytes for ", count, " rows of ", row_bytes);
    for (int64_t i = 0; i < count; ++i)
      std::memcpy(whole.data() + (theirs.global(first + i) - begin) * row_bytes,
                  shares[r].data() + i * row_bytes, static_cast<size_t>(row_bytes));
  }
  return whole;
}

std::vector<float> collect_table(Communicator& ranks, const RowSharding& sharding,
                                 std::vector<float> share) {
  if (sharding.ranks == 1) return share;
  std::vector<uint8_t> bytes(share.size() * sizeof(float));
  if (!bytes.empty()) std::memcpy(bytes.data(), share.data(), bytes.size());
  const int64_t row_bytes = static_cast<int64_t>(bytes.size()) / sharding.local_rows();
  bytes = collect_rows(ranks, sharding, 0, sharding.rows, std::move(bytes), row_bytes);
  std::vector<float> whole(bytes.size() / sizeof(float));
  if (!bytes.empty()) std::memcpy(whole.data(), bytes.data(), bytes.size());
  return whole;
}

void sum_over_ranks(Communicator& ranks, std::vector<double>& values) {
  if (ranks.alone()) return;
  const std::vector<std::string> all =
      ranks.gather({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double)});
  std::fill(values.begin(), values.end(), 0.0);
  std::vector<double> theirs(values.size());
  for (const std::string& one : all) {
    MGQE_CHECK(one.size() == values.size() * sizeof(double), one.size(), " bytes of ",
               values.size(), " values");
    if (!values.empty()) std::memcpy(theirs.data(), one.data(), one.size());
    for (size_t i = 0; i < values.size(); ++i) values[i] += theirs[i];
  }
}

}  // namespace mgqe
