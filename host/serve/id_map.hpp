// IdMap: the way between rows of a table and the ids that the data had, as the artifact stores it:
// nothing is read before it is asked for.
//
// Row to id is one look into the file. Id to row is a binary search over the file's order array,
// 24 steps in ten million rows, each of two reads far apart, or three where ids are texts; in files
// before version 3, which have none, the order is built by the first search. What searches meet in
// their first steps is kept, eight bytes an id (at most 1 MB, filled as they come by), so that only
// the last seven steps or so go to the file. Where an id is its row's number (kRows), both are
// free.
//
// Copies share everything. Const members may be called from many threads at once. The bytes it was
// made of must live as long: hold the ArtifactView.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "host/io/id_column.hpp"

namespace mgqe {

class IdMap {
 public:
  /// `where` is what messages begin with: "model.safetensors: ids of item".
  IdMap(const IdColumn& column, std::string where);

  IdKind kind() const { return column_.kind; }
  /// Rows, an id each.
  int64_t size() const { return column_.rows; }

  /// The row of an id, -1 where it is unknown. A text is looked up among integers when all of it is
  /// a number, and an integer among texts as its digits. InputError where what is met on the way
  /// cannot be: an order or an offset that is none.
  int64_t row_of(int64_t id) const;
  int64_t row_of(std::string_view id) const;

  /// The id of a row as it is stored: integers and rows, or texts; MGQE_CHECK on the wrong one.
  /// InputError where there is no such row.
  int64_t integer_of(int64_t row) const;
  std::string_view view_of(int64_t row) const;
  /// Of any kind, as text.
  std::string text_of(int64_t row) const;

  /// What is wrong with ids and order, in words; empty when nothing is. Reads all of them.
  std::string defect() const { return id_defect(column_); }

 private:
  struct Order;

  void check_row(int64_t row) const;
  std::span<const int32_t> order() const;
  template <class Id, class At, class KeyOf>
  int64_t search(const Id& id, const At& at, const KeyOf& key_of) const;
  int64_t search_texts(std::string_view id) const;

  IdColumn column_;
  std::string where_;
  std::shared_ptr<Order> order_;  // what is made on demand
};

}  // namespace mgqe
