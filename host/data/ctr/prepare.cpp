#include "host/data/ctr/prepare.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "host/base/check.hpp"
#include "host/base/version.hpp"
#include "host/data/ctr/cache_vocabulary.hpp"
#include "host/data/ctr/cache_writer.hpp"
#include "host/data/ctr/numbers.hpp"
#include "host/data/ctr/read_sources.hpp"

namespace mgqe {

namespace {

/// One field between numbers and ids.
struct Field {
  const FieldSpec* spec;
  ByteTable texts;
  std::vector<double> bounds;
  FieldVocabulary vocabulary;
  std::vector<int64_t> counts;       // of numbers, in training
  double center = 0.0, scale = 1.0;  // of standard dense values

  /// How many numbers values may have.
  int64_t numbers() const {
    if (spec->kind == FieldKind::kQuantileBuckets) return static_cast<int64_t>(bounds.size()) + 2;
    return spec->hashed() ? spec->hash_rows : texts.size();
  }
};

/// Buckets' numbers: the last one is of missing values.
void number_buckets(const std::vector<double>& bounds, RawColumn& column) {
  column.numbers.resize(column.reals.size());
  for (size_t i = 0; i < column.reals.size(); ++i)
    column.numbers[i] = static_cast<uint32_t>(std::isnan(column.reals[i])
                                                  ? static_cast<int64_t>(bounds.size()) + 1
                                                  : quantile_bucket(bounds, column.reals[i]));
  column.reals.clear();
}

/// Dense values as they are written: what is missing is 0.
void center_and_scale(const Field& field, RawColumn& column) {
  column.floats.resize(column.reals.size());
  for (size_t i = 0; i < column.reals.size(); ++i) {
    constexpr double kMost = std::numeric_limits<float>::max();
    const double x = (column.reals[i] - field.center) / field.scale;
    column.floats[i] = std::isnan(x) ? 0.0f : static_cast<float>(std::clamp(x, -kMost, kMost));
  }
  column.reals.clear();
}

std::vector<uint32_t> starts_of(const std::vector<uint32_t>& lengths) {
  std::vector<uint32_t> starts(lengths.size());
  std::exclusive_scan(lengths.begin(), lengths.end(), starts.begin(), 0u);
  return starts;
}

class Preparation {
 public:
  Preparation(const PrepareOptions& options, const PrepareProgress& progress)
      : options_(options), progress_(progress), rows_(folder_of(options.out)) {
    if (!options.vocabulary.empty()) known_.emplace(options.vocabulary);
  }

  CacheIndex run() {
    SourceReader reader(options_, known(), progress_);
    reader.read(rows_);
    index_.options = prepared_options(options_, reader.fields(), known());
    index_.sources = reader.sources();
    index_.fingerprint = cache_fingerprint(index_.sources, index_.options);
    if (known_) index_.vocabulary = known_->ids_fingerprint();
    index_.commit = build_commit();
    index_.block_rows = options_.block_rows;
    index_.unlabeled = reader.unlabeled();
    for (const FieldSpec& spec : reader.fields()) index_.fields.emplace_back().spec = spec;
    for (FieldEncoder& encoder : reader.encoders())
      fields_.push_back({&encoder.spec(), encoder.take_texts(), {}, {}, {}});
    splits_.emplace(options_.split, reader.file_rows());
    if (known_) {
      take_vocabularies();
    } else {
      bound_buckets();
      count_values();
    }
    write();
    return std::move(index_);
  }

 private:
  static std::filesystem::path folder_of(const std::string& out) {
    std::filesystem::path folder = std::filesystem::path(out).parent_path();
    if (folder.empty()) return ".";
    ensure_writable_directory(folder);
    return folder;
  }

  const CtrCache* known() const { return known_ ? &*known_ : nullptr; }

  /// Calls visit(chunk, first row) on every chunk.
  template <class Visit>
  void each_chunk(const char* task, const Visit& visit) {
    for (int64_t c = 0; c < rows_.chunks(); ++c) {
      progress_(task, c, rows_.chunks());
      rows_.read(c, chunk_);
      visit(chunk_, rows_.first_row(c));
    }
  }

  void take_vocabularies() {
    for (Field& field : fields_) {
      const CachedField& known = *known_->find(field.spec->name);
      field.center = known.center;
      field.scale = known.scale;
      if (!field.spec->has_ids()) continue;
      const CachedVocabulary cached(*known_, known);
      field.bounds = cached.bounds();
      field.vocabulary = cached.vocabulary();
    }
  }

  void bound_buckets() {
    std::vector<NumberSample> samples(fields_.size());
    const auto is_quantile = [](const Field& field) {
      return field.spec->kind == FieldKind::kQuantileBuckets;
    };
    if (std::none_of(fields_.begin(), fields_.end(), is_quantile)) return;
    each_chunk("bounds of buckets", [&](const RawChunk& chunk, int64_t first) {
      for (size_t f = 0; f < fields_.size(); ++f) {
        if (!is_quantile(fields_[f])) continue;
        const std::vector<double>& reals = chunk.columns[f].reals;
        for (size_t i = 0; i < reals.size(); ++i) {
          const int64_t row = first + static_cast<int64_t>(i);
          if (!std::isnan(reals[i]) && splits_->of(row) == CtrSplit::kTrain)
            samples[f].add(row, reals[i]);
        }
      }
    });
    for (size_t f = 0; f < fields_.size(); ++f)
      if (is_quantile(fields_[f]))
        fields_[f].bounds = quantile_bounds(samples[f].sorted(), fields_[f].spec->buckets);
  }

  void count_values() {
    for (Field& field : fields_)
      if (field.spec->has_ids()) field.counts.resize(static_cast<size_t>(field.numbers()));
    std::vector<NumberMoments> moments(fields_.size());
    each_chunk("count", [&](RawChunk& chunk, int64_t first) {
      trains_.resize(chunk.labels.size());
      for (size_t i = 0; i < trains_.size(); ++i)
        trains_[i] = splits_->of(first + static_cast<int64_t>(i)) == CtrSplit::kTrain;
      for (size_t f = 0; f < fields_.size(); ++f)
        if (fields_[f].spec->has_ids())
          count(fields_[f], chunk.columns[f]);
        else
          measure(chunk.columns[f].reals, moments[f]);
    });
    for (size_t f = 0; f < fields_.size(); ++f) {
      if (fields_[f].spec->has_ids() || !fields_[f].spec->standard) continue;
      fields_[f].center = moments[f].mean();
      fields_[f].scale = moments[f].deviation();
    }
    for (Field& field : fields_) {
      if (!field.spec->has_ids()) continue;
      field.vocabulary = field.spec->has_texts()
                             ? rank_texts(field.texts, field.counts, field.spec->min_count)
                             : rank_cells(field.counts);
    }
  }

  void count(Field& field, RawColumn& column) {
    if (field.spec->kind == FieldKind::kQuantileBuckets) number_buckets(field.bounds, column);
    size_t next = 0;
    for (size_t i = 0; i < trains_.size(); ++i) {
      const size_t end = next + (field.spec->single() ? 1 : column.lengths[i]);
      for (; next < end; ++next) field.counts[column.numbers[next]] += trains_[i];
    }
  }

  /// Of training rows, those that are not missing.
  void measure(const std::vector<double>& reals, NumberMoments& moments) const {
    for (size_t i = 0; i < trains_.size(); ++i)
      if (trains_[i] != 0 && !std::isnan(reals[i])) moments.add(reals[i]);
  }

  void write() {
    size_t f = 0;
    for (CachedField& cached : index_.fields) {
      if (!cached.kept()) continue;
      Field& field = fields_[f++];
      cached.center = field.center;
      cached.scale = field.scale;
      if (!cached.spec.has_ids()) continue;
      cached.rows = field.vocabulary.rows;
      cached.oov = field.vocabulary.oov;
      cached.width = id_width(cached.rows);
      cached.top_values = field.vocabulary.counts.front();
      for (const int64_t count : field.vocabulary.counts) cached.trained_values += count;
    }
    CacheWriter writer(options_.out, index_);
    each_chunk("write", [&](RawChunk& chunk, int64_t first) { write_chunk(writer, chunk, first); });
    f = 0;
    for (CachedField& cached : index_.fields)
      if (cached.kept()) write_vocabulary(writer, fields_[f++], cached);
    writer.flush();
    require_rows();
    writer.finish();
  }

  void write_chunk(CacheWriter& writer, RawChunk& chunk, int64_t first) {
    std::vector<std::vector<uint32_t>> starts(fields_.size());
    for (size_t f = 0; f < fields_.size(); ++f) {
      RawColumn& column = chunk.columns[f];
      const Field& field = fields_[f];
      if (field.spec->kind == FieldKind::kQuantileBuckets) number_buckets(field.bounds, column);
      if (field.spec->kind == FieldKind::kDense) center_and_scale(field, column);
      for (uint32_t& number : column.numbers)
        number = static_cast<uint32_t>(field.vocabulary.id(number));
      if (field.spec->kind == FieldKind::kBag) starts[f] = starts_of(column.lengths);
    }
    std::vector<uint32_t> rows[kCtrSplits];
    for (uint32_t i = 0; i < chunk.labels.size(); ++i)
      rows[static_cast<int>(splits_->of(first + i))].push_back(i);
    for (int split = 0; split < kCtrSplits; ++split) {
      if (rows[split].empty()) continue;
      note_oov(split, chunk, rows[split], starts);
      writer.add(static_cast<CtrSplit>(split), chunk, rows[split], starts);
    }
  }

  void note_oov(int split, const RawChunk& chunk, const std::vector<uint32_t>& rows,
                const std::vector<std::vector<uint32_t>>& starts) {
    size_t f = 0;
    for (CachedField& cached : index_.fields) {
      if (!cached.kept()) continue;
      const RawColumn& column = chunk.columns[f];
      const std::vector<uint32_t>& begins = starts[f++];
      if (!cached.spec.has_ids()) continue;
      for (const uint32_t row : rows) {
        const size_t begin = begins.empty() ? row : begins[row];
        const size_t count = begins.empty() ? 1 : column.lengths[row];
        cached.values[split] += static_cast<int64_t>(count);
        if (!begins.empty()) cached.longest = std::max(cached.longest, static_cast<int64_t>(count));
        for (size_t v = begin; v < begin + count; ++v)
          cached.oov_values[split] += static_cast<int64_t>(column.numbers[v]) == cached.oov;
      }
    }
  }

  void write_vocabulary(CacheWriter& writer, const Field& field, CachedField& cached) const {
    if (!cached.spec.has_ids()) return;
    const FieldVocabulary& vocabulary = field.vocabulary;
    cached.counts = writer.section(std::span<const int64_t>(vocabulary.counts));
    if (cached.spec.kind == FieldKind::kQuantileBuckets)
      cached.bounds = writer.section(std::span<const double>(field.bounds));
    if (!cached.spec.has_texts()) {
      cached.ids = writer.section(std::span<const int32_t>(vocabulary.ids));
      return;
    }
    std::vector<uint32_t> number_of(static_cast<size_t>(vocabulary.rows));
    for (uint32_t number = 0; number < vocabulary.ids.size(); ++number)
      number_of[static_cast<size_t>(vocabulary.ids[number])] = number;
    std::vector<char> texts;
    std::vector<uint64_t> ends;
    for (int64_t id = 0; id < vocabulary.rows; ++id) {
      if (id == vocabulary.oov) continue;
      const std::string_view text = field.texts.key(number_of[static_cast<size_t>(id)]);
      texts.insert(texts.end(), text.begin(), text.end());
      ends.push_back(texts.size());
    }
    cached.texts = writer.section(std::span<const char>(texts));
    cached.ends = writer.section(std::span<const uint64_t>(ends));
  }

  void require_rows() const {
    const SplitRule& rule = options_.split;
    const bool by_file = rule.kind == SplitRule::Kind::kFiles;  // each had rows
    const bool wanted[kCtrSplits] = {!by_file || !known_, !by_file && rule.valid > 0.0,
                                     !by_file && rule.test > 0.0};
    for (int split = 0; split < kCtrSplits; ++split)
      if (wanted[split] && index_.rows[split] == 0)
        input_error(options_.out, ": the ", name_of(static_cast<CtrSplit>(split)),
                    " split would be empty: of ", rows_.rows(), " rows, ", rule.name(),
                    " leaves it none; give more rows or another --split, or files by --train, "
                    "--valid and --test");
  }

  const PrepareOptions& options_;
  const PrepareProgress& progress_;
  std::optional<CtrCache> known_;
  RawRows rows_;
  RawChunk chunk_;
  std::vector<Field> fields_;  // those that are kept
  std::optional<RowSplits> splits_;
  std::vector<uint8_t> trains_;  // of the chunk's rows
  CacheIndex index_;
};

}  // namespace

CacheIndex prepare(const PrepareOptions& options, const PrepareProgress& progress) {
  MGQE_CHECK(!options.sources.empty() && options.block_rows > 0);
  return Preparation(options, progress).run();
}

}  // namespace mgqe
