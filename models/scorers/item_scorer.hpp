// ItemScorer: a backbone that answers who is asked what comes next. Where the items' order is that
// of a dot product it gives the vector, and whoever holds the catalogue ranks by it, from its codes
// if it likes; where it is not, it scores items itself. Rows are read where a file holds them.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "host/base/host_array.hpp"
#include "host/engine/backend.hpp"

namespace mgqe {

/// Rows of an open table. Calls may come from several threads.
class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual int64_t rows() const = 0;
  virtual int64_t dim() const = 0;
  /// out (m, d): rows by ids, which are in range.
  virtual void fetch(std::span<const int32_t> ids, View<float> out) const = 0;
  /// out (m, d): rows [first, first + m).
  virtual void range(int64_t first, View<float> out) const = 0;
};

/// An open model. InputError where it lacks what is asked for.
class RowSources {
 public:
  virtual ~RowSources() = default;
  virtual const RowSource& table(const std::string& name) const = 0;
  /// The backbone's dense weights.
  virtual const ArrayMap& dense() const = 0;
};

/// Who is asked about: a user that the model knows, or what somebody did, in time order.
struct Question {
  int32_t user = -1;                   // row of the users' tables
  std::span<const int32_t> history{};  // rows of items
};

/// Not for several threads at a time: it has scratch memory.
class ItemScorer {
 public:
  enum class Reads { kUser, kHistory };

  virtual ~ItemScorer() = default;
  /// What of a question it reads; the other part is ignored.
  virtual Reads reads() const = 0;
  /// The most actions of a history that it reads, the latest; 0 where it reads none.
  virtual int64_t max_length() const { return 0; }
  /// The table whose rows vectors() go with, in a dot product (ranking_score).
  virtual std::string table() const = 0;
  /// Vectors (M, d of that table).
  virtual void vectors(std::span<const Question> questions, View<float> out) = 0;
  /// Whether scores are those dot products. Else vectors() rank a shortlist, and scores are asked
  /// for here.
  virtual bool dot_product() const { return true; }
  /// All items' scores (n), where dot_product() is false.
  virtual void score_all(const Question& question, View<float> scores);
  /// Scores (m) of some items, the same to the bit.
  virtual void score(const Question& question, std::span<const int32_t> items, View<float> scores);
};

}  // namespace mgqe
