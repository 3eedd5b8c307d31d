// CtrRows: labelled rows over many fields, as models see them, wherever they come from.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace mgqe {

enum class CtrSplit { kTrain, kValid, kTest };
inline constexpr int kCtrSplits = 3;
/// "train", "valid", "test"
const char* name_of(CtrSplit split);

/// A field whose values have ids: 0 is the most frequent one in training, so that tiers of
/// popularity are ranges.
struct CtrField {
  std::string name;
  int64_t rows = 0;     // ids are 0 .. rows - 1
  int64_t oov = -1;     // the row of rare and unseen values; -1: the field has none
  int64_t longest = 0;  // bags: values of a row at most, where it is known
};

struct CtrShape {
  std::vector<CtrField> fields;    // C of them, one id a row each
  std::vector<CtrField> bags;      // any number of ids a row
  std::vector<std::string> dense;  // F of them
  int64_t rows[kCtrSplits] = {};

  /// Field number `field` of those with ids: fields, then bags.
  const CtrField& with_ids(size_t field) const {
    return field < fields.size() ? fields[field] : bags[field - fields.size()];
  }
  /// Of all tables together.
  int64_t table_rows() const;
};

/// Some rows. Its arrays are reused from call to call.
struct CtrBatch {
  struct Bag {
    std::vector<int32_t>
        offsets;               // (rows + 1): row i has ids[offsets[i]] .. ids[offsets[i + 1] - 1]
    std::vector<int32_t> ids;  // (offsets[rows])
  };

  int64_t rows = 0;
  std::vector<float> labels;  // (rows), 0 or 1
  std::vector<int32_t> ids;   // (C, rows): those of a field side by side
  std::vector<float> dense;   // (rows, F)
  std::vector<Bag> bags;

  /// Makes room; bags are left empty.
  void resize(const CtrShape& shape, int64_t count);
};

class CtrRows {
 public:
  virtual ~CtrRows() = default;

  const CtrShape& shape() const { return shape_; }
  int64_t rows(CtrSplit split) const { return shape_.rows[static_cast<int>(split)]; }

  /// Rows by number, in the order given; from any thread. Numbers are 0 .. rows(split) - 1.
  virtual void gather(CtrSplit split, std::span<const int64_t> rows, CtrBatch& batch) const = 0;
  /// Rows [first, first + count).
  void range(CtrSplit split, int64_t first, int64_t count, CtrBatch& batch) const;
  /// Rows near [first, first + count) will be asked for soon.
  virtual void will_need(CtrSplit, int64_t /*first*/, int64_t /*count*/) const {}

  /// Rows of one split that lie together, [b n, (b + 1) n): what a shuffled epoch reads at once.
  virtual int64_t block_rows() const { return int64_t{1} << 14; }

  /// How often training has each id of field with_ids(field) of the shape, by id: never rising.
  virtual std::vector<int64_t> counts(size_t field) const = 0;

  /// Of all that decides the rows: equal for equal data.
  virtual uint64_t fingerprint() const = 0;
  /// Of the rows whose vocabularies gave these their ids: themselves, or others.
  virtual uint64_t ids_fingerprint() const { return fingerprint(); }

 protected:
  CtrShape shape_;
};

}  // namespace mgqe
