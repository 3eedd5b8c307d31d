// Small caches for the tests of host/data/ctr, and rows as words.
#pragma once

#include <string>
#include <vector>

#include "host/data/ctr/cache_vocabulary.hpp"
#include "host/data/ctr/ctr_cache.hpp"
#include "host/data/ctr/prepare.hpp"
#include "tests/support/data_testing.hpp"

namespace mgqe {

inline void no_progress(const std::string&, int64_t, int64_t) {}

/// Of one file, all of it training rows, with these fields by "kind text".
inline PrepareOptions options_for(const std::string& file, const std::string& out,
                                  const std::vector<FieldSpec>& fields) {
  PrepareOptions options;
  options.sources = {{file, CtrSplit::kTrain}};
  options.split.kind = SplitRule::Kind::kFiles;
  options.fields = fields;
  options.out = out;
  return options;
}

inline FieldSpec label(const std::string& text) {
  return parse_field(FieldKind::kLabel, text, "--label");
}
inline FieldSpec categorical(const std::string& text) {
  return parse_field(FieldKind::kCategorical, text, "--categorical");
}
inline FieldSpec log_buckets(const std::string& text) {
  return parse_field(FieldKind::kLogBuckets, text, "--log");
}
inline FieldSpec quantile(const std::string& text) {
  return parse_field(FieldKind::kQuantileBuckets, text, "--quantile");
}
inline FieldSpec dense(const std::string& text) {
  return parse_field(FieldKind::kDense, text, "--dense");
}
inline FieldSpec bag(const std::string& text) {
  return parse_field(FieldKind::kBag, text, "--bag");
}
inline FieldSpec ignored(const std::string& text) {
  return parse_field(FieldKind::kIgnored, text, "--ignore");
}

inline CtrCache prepared(const PrepareOptions& options) {
  prepare(options, no_progress);
  return CtrCache(options.out);
}

/// The values of a field's ids, in their order, with "<oov>" for its OOV row.
inline std::vector<std::string> values_of(const CtrCache& cache, const std::string& field) {
  const CachedField& cached = *cache.find(field);
  const CachedVocabulary vocabulary(cache, cached);
  std::vector<std::string> values;
  for (int64_t id = 0; id < cached.rows; ++id)
    values.emplace_back(id == cached.oov ? "<oov>" : vocabulary.text(id));
  return values;
}

inline std::vector<int64_t> counts_of(const CtrCache& cache, const std::string& field) {
  const CachedVocabulary vocabulary(cache, *cache.find(field));
  return {vocabulary.counts().begin(), vocabulary.counts().end()};
}

/// All rows of a split.
inline CtrBatch all_rows(const CtrRows& rows, CtrSplit split) {
  CtrBatch batch;
  rows.range(split, 0, rows.rows(split), batch);
  return batch;
}

/// The ids of the c-th field with one id a row.
inline std::vector<int32_t> ids_of(const CtrBatch& batch, int64_t c) {
  return {batch.ids.begin() + c * batch.rows, batch.ids.begin() + (c + 1) * batch.rows};
}

}  // namespace mgqe
