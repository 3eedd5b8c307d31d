// How rows and their gradients travel between ranks. Two placements of a table:
//   dealt  each row lives on one rank (host/core/dealing.hpp) with its optimizer state. A batch
//          asks owners for its distinct ids, once each and with the number of look-ups that stand
//          behind it (the codebook loss is a mean over look-ups); rows or codes come back, and
//          summed gradients of distinct rows return: RowExchange.
//   whole  every rank has every row and moves it alike, by every rank's gradients: RowGather.
#pragma once

#include <span>
#include <vector>

#include "host/core/look_ahead.hpp"
#include "models/parameter.hpp"

namespace mgqe {

class RowExchange {
 public:
  /// rows: n of the whole table; max_lookups: of this rank's batches.
  /// bfloat16_gradients: gradients travel rounded to nearest.
  RowExchange(Backend& backend, int64_t rows, int64_t max_lookups, bool bfloat16_gradients = false);

  const Dealing& dealing() const { return dealing_; }
  /// Look-ups that can come to this rank at once.
  int64_t max_served() const { return max_served_; }

  /// Finds this rank's distinct ids and their owners, by ops of `on`, and tells each owner how many
  /// rows it will be asked for; waits for `on` alone. rank_rows (N) = distinct ids of each rank.
  void prepare(Backend& on, View<const int32_t> ids, std::vector<int64_t>& rank_rows);
  /// Asks owners for the ids last prepared, and learns which it is asked for.
  void ask();

  /// This rank's look-ups by distinct id, in the order in which rows come back; ids are those of
  /// the whole table and not sorted.
  const UniqueIds& asked() const { return asked_; }
  int64_t asked_rows() const { return asked_rows_; }  // U
  /// The look-ups (R) that all ranks want served: local rows, and how many look-ups each stands
  /// for.
  const UniqueIds& served() const { return served_; }
  View<const int32_t> served_ids() const { return served_ids_.view().slice(0, served_rows_); }

  /// wire (R, W), a row for each served look-up -> wire (U, W), a row for each distinct id asked.
  void answer(View<uint8_t> served, View<uint8_t> asked);
  /// sums (U, d) by distinct id -> gradient (R, d) by served look-up.
  void give_back(View<float> sums, View<float> gradient);

 private:
  Backend& backend_;
  Communicator& ranks_;
  Dealing dealing_;
  int64_t max_served_, max_lookups_;
  struct Asked {
    Asked(Backend& backend, int64_t max_lookups, int ranks);
    UniqueBuffer unique;
    Tensor<int32_t> dealt, ends;             // (B), (N)
    Tensor<int32_t> local, global, lookups;  // (B) by distinct id
  };
  Slots<Asked> ask_;
  UniqueBuffer served_unique_;
  Tensor<int32_t> served_ids_, served_lookups_;  // (R)
  Tensor<int32_t> weights_;                      // (R) by distinct served row
  UniqueIds asked_, served_;
  int64_t asked_rows_ = 0, served_rows_ = 0;
  std::vector<int64_t> to_, from_;  // (N) rows that this rank asks of others, and others of it

  bool bfloat16_gradients_;
  Tensor<Bfloat16> narrow_sums_, narrow_gradient_;  // (B, d), (R, d), made when first needed
  std::vector<int64_t> bytes_to_, bytes_from_;      // of one transfer
  void send(Traffic what, View<uint8_t> to, View<uint8_t> from, int64_t row_bytes, bool back);
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
std::vector<uint8_t> collect_rows(Communicator& ranks, const Dealing& dealing, int64_t begin,
                                  int64_t end, std::vector<uint8_t> share, int64_t row_bytes);
/// The same of a table of floats (n, d), given this rank's rows.
std::vector<float> collect_table(Communicator& ranks, const Dealing& dealing,
                                 std::vector<float> share);
/// values = the ranks' sum, in rank order.
void sum_over_ranks(Communicator& ranks, std::vector<double>& values);

}  // namespace mgqe
