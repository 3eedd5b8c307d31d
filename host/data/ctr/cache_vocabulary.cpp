#include "host/data/ctr/cache_vocabulary.hpp"

#include <algorithm>

#include "host/base/check.hpp"

namespace mgqe {

namespace {

template <class T>
std::span<const T> array(const CtrCache& cache, const CacheSection& section) {
  const std::span<const uint8_t> bytes = cache.section(section);
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

}  // namespace

CachedVocabulary::CachedVocabulary(const CtrCache& cache, const CachedField& field)
    : field_(field),
      texts_(array<char>(cache, field.texts)),
      ends_(array<uint64_t>(cache, field.ends)),
      counts_(array<int64_t>(cache, field.counts)),
      ids_(array<int32_t>(cache, field.ids)),
      bounds_(array<double>(cache, field.bounds)) {
  uint64_t end = 0;
  bool whole = static_cast<int64_t>(counts_.size()) == field.rows &&
               (field.spec.has_texts() ? kept() + 1 == field.rows && field.oov >= 0 : has_cells());
  for (const uint64_t next : ends_) {
    whole = whole && next >= end && next <= texts_.size();
    end = next;
  }
  if (!whole)
    input_error(cache.path(), ": the vocabulary of field ", field.spec.name,
                " is damaged: prepare it anew by `mgqe prepare --overwrite`");
}

std::vector<int64_t> CtrCache::counts(size_t field) const {
  const CachedVocabulary vocabulary(*this, *find(shape_.with_ids(field).name));
  return {vocabulary.counts().begin(), vocabulary.counts().end()};
}

bool CachedVocabulary::has_cells() const {
  const int64_t cells = field_.spec.kind == FieldKind::kQuantileBuckets
                            ? static_cast<int64_t>(bounds_.size()) + 2  // one of missing values
                            : field_.spec.hash_rows;
  return cells == field_.rows && static_cast<int64_t>(ids_.size()) == cells &&
         std::all_of(ids_.begin(), ids_.end(),
                     [&](int32_t id) { return id >= 0 && id < field_.rows; });
}

std::string_view CachedVocabulary::text(int64_t id) const {
  MGQE_CHECK(field_.spec.has_texts() && id >= 0 && id < field_.rows, "id ", id, " of ",
             field_.rows);
  if (id == field_.oov) return "";
  const auto number = static_cast<size_t>(id > field_.oov ? id - 1 : id);
  const uint64_t begin = number == 0 ? 0 : ends_[number - 1];
  return {texts_.data() + begin, static_cast<size_t>(ends_[number] - begin)};
}

ByteTable CachedVocabulary::texts() const {
  ByteTable table;
  if (!field_.spec.has_texts()) return table;
  for (int64_t id = 0; id < field_.rows; ++id)
    if (id != field_.oov) table.number(text(id));
  return table;
}

FieldVocabulary CachedVocabulary::vocabulary() const {
  FieldVocabulary vocabulary{field_.rows, field_.oov, {counts_.begin(), counts_.end()}, {}};
  if (!field_.spec.has_texts()) {
    vocabulary.ids.assign(ids_.begin(), ids_.end());
    return vocabulary;
  }
  for (int64_t id = 0; id < field_.rows; ++id)
    if (id != field_.oov) vocabulary.ids.push_back(static_cast<int32_t>(id));
  return vocabulary;
}

}  // namespace mgqe
