#include "host/data/ctr/read_sources.hpp"

#include <algorithm>
#include <numeric>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "host/data/ctr/cache_vocabulary.hpp"
#include "host/data/ctr/source_hash.hpp"

namespace mgqe {

namespace {

int64_t size_of(const std::string& path) {
  std::error_code missing_is_said_later;
  const auto size = std::filesystem::file_size(path, missing_is_said_later);
  return missing_is_said_later ? 0 : static_cast<int64_t>(size);
}

std::vector<FieldSpec> in_order(const std::vector<FieldSpec>& columns,
                                const std::vector<size_t>& order) {
  std::vector<FieldSpec> fields;
  fields.reserve(order.size());
  for (const size_t c : order) fields.push_back(columns[c]);
  return fields;
}

ColumnReader open_source(const PrepareOptions& options, const Bytes& file) {
  return ColumnReader(file, parse_ctr_format(options.format, file.name()), options.columns);
}

}  // namespace

std::vector<FieldSpec> prepared_fields(const PrepareOptions& options, const CtrCache* known,
                                       const ColumnReader& first) {
  if (known == nullptr)
    return resolve_fields(first.columns(), options.fields, options.defaults, first.text().where());
  std::vector<FieldSpec> given;
  for (const CachedField& field : known->index().fields)
    if (field.spec.kind != FieldKind::kIgnored) given.push_back(field.spec);
  const FieldDefaults defaults{.ignore_unnamed = true};
  std::vector<FieldSpec> fields =
      resolve_fields(first.columns(), given, defaults, first.text().where());
  return fields;
}

std::vector<size_t> order_of_fields(const std::vector<FieldSpec>& columns, const CtrCache* known) {
  std::vector<size_t> order(columns.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (known == nullptr) return order;
  const std::vector<CachedField>& fields = known->index().fields;
  const auto place = [&](size_t column) {
    const auto same = [&](const CachedField& field) {
      return field.spec.name == columns[column].name;
    };
    const auto found = std::find_if(fields.begin(), fields.end(), same);
    return columns[column].kind == FieldKind::kIgnored ? fields.end() : found;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return place(a) < place(b); });
  return order;
}

std::string prepared_options(const PrepareOptions& options, const std::vector<FieldSpec>& fields,
                             const CtrCache* known) {
  nlohmann::ordered_json json = {{"format", options.format},
                                 {"columns", options.columns},
                                 {"fields", nlohmann::ordered_json::array()},
                                 {"split", options.split.name()},
                                 {"missing", options.missing},
                                 {"drop_unlabeled", options.drop_unlabeled},
                                 {"block_rows", options.block_rows}};
  for (const FieldSpec& field : fields) json["fields"].push_back(to_json(field));
  if (known != nullptr) json["vocabulary"] = fmt::format("{:016x}", known->ids_fingerprint());
  return json.dump();
}

SourceReader::SourceReader(const PrepareOptions& options, const CtrCache* known,
                           const PrepareProgress& progress)
    : options_(options), known_(known), progress_(progress) {
  for (const CtrSource& source : options.sources) all_bytes_ += size_of(source.path);
}

void SourceReader::begin(const ColumnReader& first, const CtrCache* known) {
  columns_ = first.columns();
  const std::vector<FieldSpec> columns = prepared_fields(options_, known, first);
  const std::vector<size_t> order = order_of_fields(columns, known);
  fields_ = in_order(columns, order);
  for (const size_t c : order) {
    const FieldSpec& spec = columns[c];
    if (spec.kind == FieldKind::kLabel) {
      label_ = c;
      label_name_ = spec.name;
      label_reader_.emplace(spec);
    } else if (spec.kind != FieldKind::kIgnored) {
      kept_.push_back(c);
      encoders_.emplace_back(spec);
      if (known != nullptr && spec.has_texts())
        encoders_.back().know(CachedVocabulary(*known, *known->find(spec.name)).texts(),
                              options_.refuse_unseen);
    }
  }
  chunk_.columns.resize(kept_.size());
}

void SourceReader::read(RawRows& rows) {
  for (const CtrSource& source : options_.sources) {
    const Bytes file = Bytes::map(source.path);
    ColumnReader reader = open_source(options_, file);
    if (fields_.empty()) begin(reader, known_);
    const auto same = [](const NamedColumn& a, const NamedColumn& b) { return a.name == b.name; };
    if (!std::equal(columns_.begin(), columns_.end(), reader.columns().begin(),
                    reader.columns().end(), same))
      input_error(reader.text().where(), ": the columns are not those of ",
                  options_.sources.front().path,
                  ": files that are read together have the same, in "
                  "the same order");
    read_source(source, file, reader, rows);
  }
  if (chunk_.rows() > 0) rows.append(chunk_);
}

void SourceReader::read_source(const CtrSource& source, const Bytes& file, ColumnReader& reader,
                               RawRows& rows) {
  SourceHash hash(file);
  const int64_t before = read_rows_;
  for (auto row = reader.next(); !row.empty(); row = reader.next()) {
    if (!add_row(reader, row)) continue;
    ++read_rows_;
    if (chunk_.rows() < RawChunk::kRows) continue;
    rows.append(chunk_);
    chunk_.clear();
    hash.advance(reader.text().consumed());
    progress_("read", bytes_before_ + reader.text().consumed(), all_bytes_);
  }
  if (read_rows_ == before)
    input_error(source.path, ": has no rows ",
                unlabeled_ > 0 ? "with a label" : "behind its header", ": the ",
                name_of(source.split), " split would be empty");
  bytes_before_ += file.size();
  sources_.push_back({source.path, source.split, file.size(), hash.finish()});
  file_rows_.push_back({source.split, read_rows_});
}

bool SourceReader::add_row(const ColumnReader& reader, std::span<const std::string_view> row) {
  const std::string_view label = present(row[label_]);
  if (label.empty()) {
    if (!options_.drop_unlabeled)
      reader.text().fail("the label, ", label_name_,
                         ", is missing: expected one in every row; --drop-unlabeled leaves such "
                         "rows out");
    ++unlabeled_;
    return false;
  }
  chunk_.labels.push_back(label_reader_->read(reader.text(), label));
  for (size_t k = 0; k < kept_.size(); ++k) encoders_[k].prefetch(row[kept_[k]]);
  for (size_t k = 0; k < kept_.size(); ++k)
    encoders_[k].add(reader.text(), present(row[kept_[k]]), chunk_.columns[k]);
  return true;
}

uint64_t prepared_fingerprint(const PrepareOptions& options, const PrepareProgress& progress) {
  std::optional<CtrCache> known;
  if (!options.vocabulary.empty()) known.emplace(options.vocabulary);
  const CtrCache* const cache = known ? &*known : nullptr;
  MGQE_CHECK(!options.sources.empty());
  const ColumnReader first = open_source(options, Bytes::map(options.sources.front().path));
  const std::vector<FieldSpec> columns = prepared_fields(options, cache, first);
  const std::vector<FieldSpec> fields = in_order(columns, order_of_fields(columns, cache));
  std::vector<CachedSource> sources;
  for (const CtrSource& source : options.sources) {
    progress("compare", static_cast<int64_t>(sources.size()),
             static_cast<int64_t>(options.sources.size()));
    const Bytes bytes = Bytes::map(source.path);
    sources.push_back({source.path, source.split, bytes.size(), SourceHash(bytes).finish()});
  }
  return cache_fingerprint(sources, prepared_options(options, fields, cache));
}

}  // namespace mgqe
