// RowReader: rows of an open table, of any scheme, decoded as they are asked for; the same bits as
// training decodes. It reads the file where it lies and keeps codebooks alone.
//
// Scores are taken where codes are (host/packed/code_space.hpp): of queries_of(queries) and of rows
// as scored_range() and scored_look_up() decode them. But for the scheme prq these are the query
// and the rows themselves.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "host/base/bfloat16.hpp"
#include "host/base/half.hpp"
#include "host/serve/artifact_view.hpp"
#include "models/scorers/item_scorer.hpp"

namespace mgqe {

/// Const members may be called from many threads at once.
class RowReader final : public RowSource {
 public:
  explicit RowReader(TableView table);
  RowReader(RowReader&&) noexcept;
  ~RowReader() override;

  const TableView& table() const { return table_; }
  int64_t rows() const override { return table_.rows(); }
  int64_t dim() const override { return table_.dim(); }

  void fetch(std::span<const int32_t> ids, View<float> out) const override;
  void range(int64_t first, View<float> out) const override;

  /// out[i * stride .. + dim) = row ids[i], rounded to T (float, Half or Bfloat16), by `threads`
  /// threads. InputError naming the first id that is no row; then nothing is written.
  template <class T>
  void look_up(std::span<const int64_t> ids, T* out, int64_t stride, int threads = 1) const;

  /// Whether rows and queries are scored as they are.
  bool scored_plainly() const;
  /// Columns of rows as they are scored.
  int64_t scored_dim() const { return table_.form().code_dim(); }
  /// queries (M, d) as they score: (M, scored_dim()).
  std::vector<float> queries_of(View<const float> queries) const;
  /// As range() and look_up(), of rows as they are scored: out (n, scored_dim()).
  void scored_range(int64_t first, View<float> out) const;
  void scored_look_up(std::span<const int64_t> ids, View<float> out) const;

  /// Where the scheme has codes: they and codebooks of 2^bits rows, so that no code, whatever a
  /// damaged file holds, is read beyond them. Those past K are zeros. Of scored_dim() columns.
  const PackedTiers& tiers() const;

 private:
  struct Codebooks;

  void check(std::span<const int64_t> ids) const;
  template <class T, class Id>
  void decode(const Id* ids, int64_t first, int64_t count, T* out, int64_t stride) const;
  template <class T, class Id>
  void decode_codes(const Id* ids, int64_t first, int64_t count, T* out, int64_t stride) const;
  template <class T, class Id>
  void decode_stages(const Id* ids, int64_t first, int64_t count, T* out, int64_t stride) const;

  TableView table_;
  std::unique_ptr<Codebooks> codebooks_;  // where the scheme has codes
};

}  // namespace mgqe
