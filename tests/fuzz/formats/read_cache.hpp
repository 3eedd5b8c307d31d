// All that a cache of CTR rows answers, with what must hold of it.
#pragma once

#include <algorithm>

#include "host/data/ctr/cache_vocabulary.hpp"
#include "host/data/ctr/ctr_cache.hpp"
#include "tests/fuzz/fuzz_target.hpp"

namespace mgqe::fuzzing {

inline void expect_ids(const std::vector<int32_t>& ids, size_t begin, size_t end,
                       const CtrField& field) {
  for (size_t i = begin; i < end; ++i)
    FUZZ_EXPECT(ids[i] >= 0 && ids[i] < field.rows, "id ", ids[i], " of ", field.rows);
}

inline void read_rows(const CtrCache& cache, CtrSplit split) {
  CtrBatch batch;
  cache.will_need(split, 0, cache.rows(split));
  cache.range(split, 0, cache.rows(split), batch);
  const CtrShape& shape = cache.shape();
  const auto rows = static_cast<size_t>(batch.rows);
  FUZZ_EXPECT(std::all_of(batch.labels.begin(), batch.labels.end(),
                          [](float label) { return label == 0.0f || label == 1.0f; }));
  for (size_t c = 0; c < shape.fields.size(); ++c)
    expect_ids(batch.ids, c * rows, (c + 1) * rows, shape.fields[c]);
  for (size_t b = 0; b < shape.bags.size(); ++b) {
    const CtrBatch::Bag& bag = batch.bags[b];
    FUZZ_EXPECT(bag.offsets.size() == rows + 1 && bag.offsets.front() == 0 &&
                bag.offsets.back() == static_cast<int32_t>(bag.ids.size()) &&
                std::is_sorted(bag.offsets.begin(), bag.offsets.end()));
    expect_ids(bag.ids, 0, bag.ids.size(), shape.bags[b]);
  }
}

inline void read_vocabulary(const CtrCache& cache, const CachedField& field) {
  const CachedVocabulary known(cache, field);
  const FieldVocabulary vocabulary = known.vocabulary();
  const ByteTable texts = known.texts();
  FUZZ_EXPECT(!field.spec.has_texts() || texts.size() <= field.rows, field.spec.name);
  for (const int32_t id : vocabulary.ids)
    FUZZ_EXPECT(id >= 0 && id < field.rows, "id ", id, " of ", field.rows);
  FUZZ_EXPECT(vocabulary.oov >= -1 && vocabulary.oov < field.rows, vocabulary.oov);
  known.bounds();
}

inline void read_cache(const CtrCache& cache) {
  for (const CtrSplit split : {CtrSplit::kTrain, CtrSplit::kValid, CtrSplit::kTest})
    read_rows(cache, split);
  for (const CachedField& field : cache.index().fields)
    if (field.spec.has_ids()) read_vocabulary(cache, field);
  cache.verify();
}

}  // namespace mgqe::fuzzing
