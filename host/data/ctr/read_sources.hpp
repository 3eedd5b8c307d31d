// The first half of prepare(): text into numbered values.
#pragma once

#include <vector>

#include "host/data/ctr/column_reader.hpp"
#include "host/data/ctr/ctr_cache.hpp"
#include "host/data/ctr/field_encoder.hpp"
#include "host/data/ctr/prepare.hpp"
#include "host/data/ctr/raw_rows.hpp"

namespace mgqe {

/// A spec for each column of the files, in their order. `known`: the cache of options.vocabulary,
/// or null.
std::vector<FieldSpec> prepared_fields(const PrepareOptions& options, const CtrCache* known,
                                       const ColumnReader& first);

/// Columns in the order of a cache's fields: that of the files; by a vocabulary that of its fields,
/// as what was trained knows them by their places, and then those that are ignored.
std::vector<size_t> order_of_fields(const std::vector<FieldSpec>& columns, const CtrCache* known);

/// CacheIndex::options. `fields`: in the order of the cache.
std::string prepared_options(const PrepareOptions& options, const std::vector<FieldSpec>& fields,
                             const CtrCache* known);

class SourceReader {
 public:
  SourceReader(const PrepareOptions& options, const CtrCache* known,
               const PrepareProgress& progress);

  void read(RawRows& rows);

  /// In the order of the cache.
  const std::vector<FieldSpec>& fields() const { return fields_; }
  /// Of the fields that a cache keeps, in their order.
  std::vector<FieldEncoder>& encoders() { return encoders_; }
  const std::vector<CachedSource>& sources() const { return sources_; }
  const std::vector<RowSplits::FileRows>& file_rows() const { return file_rows_; }
  int64_t unlabeled() const { return unlabeled_; }

 private:
  void begin(const ColumnReader& first, const CtrCache* known);
  void read_source(const CtrSource& source, const Bytes& file, ColumnReader& reader, RawRows& rows);
  /// False where the row has no label and is left out.
  bool add_row(const ColumnReader& reader, std::span<const std::string_view> row);
  std::string_view present(std::string_view text) const {
    return !options_.missing.empty() && text == options_.missing ? std::string_view() : text;
  }

  const PrepareOptions& options_;
  const CtrCache* known_;
  const PrepareProgress& progress_;
  std::vector<NamedColumn> columns_;
  std::vector<FieldSpec> fields_;
  std::string label_name_;
  std::vector<FieldEncoder> encoders_;
  std::vector<size_t> kept_;  // the column of each encoder
  size_t label_ = 0;
  std::optional<LabelReader> label_reader_;
  RawChunk chunk_;
  std::vector<CachedSource> sources_;
  std::vector<RowSplits::FileRows> file_rows_;
  int64_t read_rows_ = 0, unlabeled_ = 0;
  int64_t bytes_before_ = 0, all_bytes_ = 0;
};

}  // namespace mgqe
