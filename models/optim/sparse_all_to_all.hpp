// How rows and their gradients travel between ranks. Two placements of a table:
//   sharded  each row lives on one rank (host/engine/row_sharding.hpp) with its optimizer state. A
//            batch asks owners for its distinct ids, once each and with the number of look-ups that
//            stand behind it (the codebook loss is a mean over look-ups); rows or codes come back,
//            and summed gradients of distinct rows return: SparseAllToAll.
//   whole    every rank has every row and moves it alike, by every rank's gradients: RowGather.
#pragma once

#include <span>
#include <vector>

#include "host/engine/look_ahead.hpp"
#include "models/optim/unique_buffer.hpp"

namespace mgqe {

class SparseAllToAll {
 public:
  /// rows: n of the whole table; max_lookups: of this rank's batches.
  SparseAllToAll(Backend& backend, int64_t rows, int64_t max_lookups);

  const RowSharding& sharding() const { return sharding_; }
  /// Look-ups that can come to this rank at once.
  int64_t max_owned() const { return max_owned_; }

  /// Finds this rank's distinct ids and their owners, asks them, and learns what it is asked for,
  /// by ops of `on`; waits for `on` alone. rank_rows (N) = distinct ids of each rank. The calls
  /// below are about the ids last prepared.
  void prepare(Backend& on, View<const int32_t> ids, std::vector<int64_t>& rank_rows);

  /// This rank's look-ups by distinct id, in the order in which rows come back; ids are those of
  /// the whole table and not sorted.
  const UniqueIds& requests() const { return requests_; }
  int64_t request_rows() const { return request_rows_; }  // U
  /// The look-ups (R) that all ranks want served: local rows, and how many look-ups each stands
  /// for.
  const UniqueIds& owned() const { return owned_; }
  View<const int32_t> owned_ids() const { return (*serve_).ids.view().slice(0, owned_rows_); }

  // Rows of W bytes, on their way until finish(), which is about the exchange begun first.
  /// served (R, W) by served look-up -> asked (U, W) by distinct id asked.
  void begin_answer(View<uint8_t> owned, View<uint8_t> requested);
  /// asked (U, W) -> served (R, W).
  void begin_give_back(View<uint8_t> requested, View<uint8_t> owned);
  void finish() { ranks_.finish_all_to_all(backend_); }

 private:
  Backend& backend_;
  Communicator& ranks_;
  RowSharding sharding_;
  int64_t max_owned_;
  struct Requests {
    Requests(Backend& backend, int64_t max_lookups, int ranks);
    UniqueBuffer unique;
    Tensor<int32_t> sharded, ends;           // (B), (N)
    Tensor<int32_t> local, global, lookups;  // (B) by distinct id
  };
  DoubleBuffer<Requests> ask_;
  struct Owned {
    Owned(Backend& backend, int64_t max_owned);
    UniqueBuffer unique;
    Tensor<int32_t> ids, lookups;  // (R)
    Tensor<int32_t> weights;       // (R) by distinct served row
  };
  DoubleBuffer<Owned> serve_;
  UniqueIds requests_, owned_;
  int64_t request_rows_ = 0, owned_rows_ = 0;
  std::vector<int64_t> to_, from_;  // (N) rows that this rank asks of others, and others of it

  enum class Way { kToOwners, kBack };
  /// A row of row_bytes for each distinct id asked.
  Exchange segments(Way way, View<uint8_t> send, View<uint8_t> receive, int64_t row_bytes);
  std::vector<int64_t> bytes_to_, bytes_from_;  // of the last segments
};

/// rank_rows (N) = the number of distinct ids that each rank has; waits for `on`, by whose ops they
/// were sorted.
void count_rank_rows(Backend& on, Communicator& ranks, const UniqueIds& unique,
                     std::vector<int64_t>& rank_rows);

/// The gradients of a batch by distinct id, of all ranks.
class RowGather {
 public:
  RowGather(Backend& backend, int64_t dim, bool bfloat16_gradients)
      : backend_(backend), dim_(dim), bfloat16_gradients_(bfloat16_gradients) {}

  struct Gathered {
    UniqueIds unique;            // of the distinct ids that each rank gave
    View<const float> gradient;  // (R, d) of them
  };
  /// gradient (B, d) by look-up of a table of id_limit rows.
  /// rank_rows (N): distinct ids of each rank; asked for where it is empty.
  Gathered gather(const UniqueIds& unique, View<const float> gradient, int64_t id_limit,
                  std::span<const int64_t> rank_rows);

 private:
  void reserve(int64_t lookups);

  Backend& backend_;
  int64_t dim_;
  bool bfloat16_gradients_;
  int64_t capacity_ = 0;                       // look-ups of one rank
  Tensor<int32_t> positions_;                  // (B) 0, 1, 2, ...
  Tensor<float> sums_;                         // (B, d) by distinct id
  Tensor<int32_t> all_ids_;                    // (N B)
  Tensor<float> all_sums_;                     // (N B, d)
  Tensor<Bfloat16> narrow_sums_, narrow_all_;  // the same, on their way
  std::unique_ptr<UniqueBuffer> unique_;       // of all_ids_
};

/// Rows [begin, end) of the whole table on every rank, from each rank's share of them in order;
/// row_bytes each.
std::vector<uint8_t> collect_rows(Communicator& ranks, const RowSharding& sharding, int64_t begin,
                                  int64_t end, std::vector<uint8_t> share, int64_t row_bytes);
/// The same of a table of floats (n, d), given this rank's rows.
std::vector<float> collect_table(Communicator& ranks, const RowSharding& sharding,
                                 std::vector<float> share);
/// values = the ranks' sum, in rank order.
void sum_over_ranks(Communicator& ranks, std::vector<double>& values);

}  // namespace mgqe
