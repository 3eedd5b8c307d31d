// The C ABI: arguments checked, exceptions turned into codes and lines; all else is Recommender's.
#include "host/serve/c/mgqe.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "host/base/parallel.hpp"
#include "host/base/version.hpp"
#include "host/io/artifact.hpp"
#include "host/serve/decoded_top_k.hpp"
#include "host/serve/recommender.hpp"

using mgqe::ArrayView;
using mgqe::IdMap;
using mgqe::input_error;
using mgqe::Likeness;
using mgqe::PackedTable;
using mgqe::Question;
using mgqe::Recommender;
using mgqe::RowFilter;
using mgqe::TableView;
using mgqe::TopKOptions;
using mgqe::TopKResult;
using mgqe::View;

struct mgqe_model {
  explicit mgqe_model(mgqe::ArtifactView artifact) : serving(std::move(artifact)) {
    const mgqe::ArtifactView& file = serving.artifact();
    metadata = {{"backbone", file.backbone()},
                {"task", file.task()},
                {"config", file.config().dump()},
                {"commit", file.commit()},
                {"device", file.device()},
                {"seed", std::to_string(file.seed())},
                {"best_epoch", std::to_string(file.best_epoch())},
                {"data_fingerprint", fmt::format("{:016x}", file.data_fingerprint())},
                {"version", std::to_string(file.version())},
                {"item_table", serving.item_table()}};
    for (const std::string& name : file.table_names())
      entities.emplace(name, mgqe::entity_of(name));
  }

  Recommender serving;
  std::map<std::string, std::string> metadata, entities;
};

namespace {

thread_local std::string last_error;

/// Something that the model does not have.
struct NotFound {
  std::string what;
};

/// Names that a file gives to its arrays are part of the line: of control characters in them, which
/// would part it or steer a terminal, nothing is left.
mgqe_status fail(mgqe_status status, const std::string& line) {
  last_error = line;
  for (char& c : last_error)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  return status;
}

/// Runs a call; `refused` is what an InputError means in it.
template <class Call>
mgqe_status guarded(mgqe_status refused, const Call& call) noexcept {
  try {
    try {
      call();
      return MGQE_OK;
    } catch (const NotFound& missing) {
      return fail(MGQE_NOT_FOUND, missing.what);
    } catch (const mgqe::InputError& error) {
      return fail(refused, error.what());
    } catch (const std::bad_alloc&) {
      return fail(MGQE_OUT_OF_MEMORY, "not enough memory");
    } catch (const std::exception& error) {
      return fail(MGQE_INTERNAL, error.what());
    }
  } catch (...) {  // no memory for the line itself
    return MGQE_OUT_OF_MEMORY;
  }
}

template <class Call>
mgqe_status answered(const Call& call) noexcept {
  return guarded(MGQE_INVALID_ARGUMENT, call);
}

void need(const void* pointer, const char* name) {
  if (pointer == nullptr) input_error(name, " is NULL");
}

void need_count(int64_t count, const char* name) {
  if (count < 0) input_error(name, " is ", count, ": 0 or more belong");
}

/// A struct of the caller's, with defaults where its version is older and ends before.
template <class Struct>
Struct known_part(const Struct* given, const Struct& defaults) {
  if (given == nullptr) return defaults;
  Struct own = defaults;
  if (given->size < sizeof(size_t) || given->size > 4096)
    input_error("a struct says its size is ", given->size, ": begin with its _INIT macro");
  std::memcpy(static_cast<void*>(&own), given, std::min(given->size, sizeof own));
  return own;
}

/// Fills as much of the caller's struct as it has.
template <class Struct>
void give(const Struct& from, Struct* to) {
  const size_t size = to->size;
  if (size < sizeof(size_t) || size > 4096)
    input_error("a struct says its size is ", size, ": begin with its _INIT macro");
  std::memcpy(static_cast<void*>(to), &from, std::min(size, sizeof from));
  to->size = size;
}

const TableView& table_of(const mgqe_model* model, const char* name) {
  need(model, "model");
  need(name, "the table's name");
  if (!model->serving.artifact().has_table(name)) {
    std::string known;
    for (const std::string& other : model->serving.artifact().table_names())
      known += (known.empty() ? "" : ", ") + other;
    throw NotFound{fmt::format("no table {}: the model has {}", name, known)};
  }
  return model->serving.artifact().table(name);
}

const IdMap& ids_of(const mgqe_model* model, const char* entity) {
  need(model, "model");
  need(entity, "the entity's name");
  std::string known;
  for (const std::string& other : model->serving.artifact().entities()) {
    if (other == entity) return model->serving.artifact().ids(entity);
    known += (known.empty() ? "" : ", ") + other;
  }
  throw NotFound{fmt::format("no entity {}: the model has {}", entity, known)};
}

RowFilter filter_of(const mgqe_row_filter& filter) {
  if (filter.count < 0 || filter.bitmap_bytes < 0) input_error("a row filter of less than no rows");
  RowFilter own;
  static const int32_t none[1] = {};
  if (filter.sorted != nullptr || filter.count > 0) {
    if (filter.sorted == nullptr) input_error("a row filter of ", filter.count, " rows is NULL");
    own.sorted = {filter.sorted, static_cast<size_t>(filter.count)};
    if (own.sorted.empty()) own.sorted = {none, 0};  // lets nothing in, or blocks nothing
  }
  if (filter.bitmap != nullptr)
    own.bitmap = {filter.bitmap, static_cast<size_t>(filter.bitmap_bytes)};
  return own;
}

/// The caller's options and result, as ours.
class Asked {
 public:
  Asked(const mgqe_top_k_options* given, int64_t queries, const mgqe_result* result) {
    need_count(queries, "count");
    need(result, "result");
    need(result->rows, "result->rows");
    const mgqe_top_k_options options =
        known_part(given, mgqe_top_k_options MGQE_TOP_K_OPTIONS_INIT);
    own.top.k = options.k;
    own.top.threads = options.threads;
    own.top.allow = filter_of(options.allow);
    own.top.block = filter_of(options.block);
    if (options.block_each != nullptr) {
      for (int64_t m = 0; m < queries; ++m) each_.push_back(filter_of(options.block_each[m]));
      own.top.block_each = each_;
    }
    own.shortlist = options.shortlist;
    if (options.threads < 1) input_error("threads is ", options.threads, ": 1 or more belong");
    if (options.shortlist < 0) input_error("shortlist is ", options.shortlist);
    if (options.k < 1 || options.k > mgqe::kMaxTopK)
      input_error("k is ", options.k, ": 1 to ", mgqe::kMaxTopK, " belong");
    room_ = std::make_unique<mgqe::TopKBuffers>(queries, options.k);
    to_ = *result;
  }

  TopKResult result() { return room_->result(); }
  /// Nothing is written before all is computed.
  void write() const {
    std::copy(room_->rows.begin(), room_->rows.end(), to_.rows);
    if (to_.scores != nullptr) std::copy(room_->scores.begin(), room_->scores.end(), to_.scores);
    if (to_.counts != nullptr) std::copy(room_->counts.begin(), room_->counts.end(), to_.counts);
  }

  mgqe::RecommendOptions own;

 private:
  std::vector<RowFilter> each_;
  std::unique_ptr<mgqe::TopKBuffers> room_;
  mgqe_result to_{};
};

std::vector<Question> questions_of(const mgqe_questions* given) {
  need(given, "questions");
  const mgqe_questions asked = known_part(given, mgqe_questions MGQE_QUESTIONS_INIT);
  need_count(asked.count, "questions->count");
  if (asked.count > 0 && asked.users == nullptr && asked.offsets == nullptr)
    input_error("questions have neither users nor histories");
  std::vector<Question> questions(static_cast<size_t>(asked.count));
  for (int64_t m = 0; m < asked.count; ++m) {
    Question& question = questions[static_cast<size_t>(m)];
    if (asked.users != nullptr) question.user = asked.users[m];
    if (asked.offsets == nullptr) continue;
    const int64_t begin = asked.offsets[m], end = asked.offsets[m + 1];
    if (begin < 0 || end < begin) input_error("offsets of histories do not ascend at question ", m);
    if (end > begin) need(asked.history, "questions->history");
    question.history = {asked.history + begin, static_cast<size_t>(end - begin)};
  }
  return questions;
}

/// A caller in C may pass any number, which to C++ is no value of the enumeration: it is looked at
/// as a number first.
template <class Enum>
int32_t number_of(const Enum& value) {
  static_assert(sizeof value == sizeof(int32_t));
  int32_t number;
  std::memcpy(&number, &value, sizeof number);
  return number;
}

Likeness likeness_of(const mgqe_likeness& by) {
  switch (number_of(by)) {
    case MGQE_BY_MODEL:
      return Likeness::kModel;
    case MGQE_BY_COSINE:
      return Likeness::kCosine;
    case MGQE_BY_DOT:
      return Likeness::kDot;
  }
  input_error("likeness ", number_of(by), " is unknown: MGQE_BY_MODEL, _COSINE or _DOT");
}

int32_t dtype_of(mgqe::DType dtype) {
  switch (dtype) {
    case mgqe::DType::kF32:
      return MGQE_F32;
    case mgqe::DType::kF16:
      return MGQE_F16;
    case mgqe::DType::kBf16:
      return MGQE_BF16;
    case mgqe::DType::kU8:
      return MGQE_U8;
    case mgqe::DType::kI8:
      return MGQE_I8;
    case mgqe::DType::kI32:
      return MGQE_I32;
    case mgqe::DType::kI64:
      return MGQE_I64;
    default:
      input_error("arrays of that type have no name here");
  }
}

const ArrayView& array_of(const mgqe_model* model, const std::string& name) {
  const mgqe::ArtifactView& file = model->serving.artifact();
  if (const auto dense = file.dense().find(name); dense != file.dense().end()) return dense->second;
  for (const std::string& table : file.table_names()) {
    if (!name.starts_with(table + ".")) continue;
    const auto& arrays = file.table(table).arrays();
    if (const auto found = arrays.find(name.substr(table.size() + 1)); found != arrays.end())
      return found->second;
  }
  throw NotFound{fmt::format("no array {}", name)};
}

}  // namespace

// ---- models -------------------------------------------------------------------------------------

int32_t mgqe_abi_version(void) { return MGQE_ABI_VERSION; }

const char* mgqe_version(void) {
  static const std::string version = std::string("0.1 (") + mgqe::build_commit() + ")";
  return version.c_str();
}

const char* mgqe_last_error(void) { return last_error.c_str(); }

mgqe_status mgqe_open(const char* path, const mgqe_open_options* given, mgqe_model** model) {
  return guarded(MGQE_BAD_FILE, [&] {
    need(path, "path");
    need(model, "model");
    const mgqe_open_options options = known_part(given, mgqe_open_options MGQE_OPEN_OPTIONS_INIT);
    mgqe::set_thread_count(1);  // of the engine below: calls say how many they want
    auto opened =
        std::make_unique<mgqe_model>(mgqe::ArtifactView::open(path, {.map = options.read == 0}));
    if (options.verify != 0) opened->serving.artifact().verify();
    if (options.prepare != 0) opened->serving.prepare(std::max(options.threads, 1));
    *model = opened.release();
  });
}

void mgqe_close(mgqe_model* model) { delete model; }

mgqe_status mgqe_verify(const mgqe_model* model) {
  return guarded(MGQE_BAD_FILE, [&] {
    need(model, "model");
    model->serving.artifact().verify();
  });
}

mgqe_status mgqe_prepare(mgqe_model* model, int32_t threads) {
  return answered([&] {
    need(model, "model");
    if (threads < 1) input_error("threads is ", threads, ": 1 or more belong");
    model->serving.prepare(threads);
  });
}

const char* mgqe_metadata(const mgqe_model* model, const char* key) {
  if (model == nullptr || key == nullptr) return nullptr;
  const auto found = model->metadata.find(key);
  return found == model->metadata.end() ? nullptr : found->second.c_str();
}

int64_t mgqe_max_length(const mgqe_model* model) {
  return model != nullptr && model->serving.recommends() ? model->serving.max_length() : 0;
}

// ---- tables and arrays --------------------------------------------------------------------------

int64_t mgqe_table_count(const mgqe_model* model) {
  return model == nullptr ? 0 : static_cast<int64_t>(model->entities.size());
}

mgqe_status mgqe_table_at(const mgqe_model* model, int64_t number, mgqe_table_info* info) {
  return answered([&] {
    need(model, "model");
    if (number < 0 || number >= mgqe_table_count(model))
      throw NotFound{fmt::format("no table number {} of {}", number, mgqe_table_count(model))};
    const auto& name = std::next(model->entities.begin(), number)->first;
    if (mgqe_table(model, name.c_str(), info) != MGQE_OK) input_error(last_error);
  });
}

mgqe_status mgqe_table(const mgqe_model* model, const char* name, mgqe_table_info* info) {
  return answered([&] {
    need(info, "info");
    const TableView& table = table_of(model, name);
    const PackedTable& form = table.form();
    int64_t bytes = 0;
    for (const auto& [array, view] : table.arrays())
      bytes += static_cast<int64_t>(view.bytes.size());
    const auto own = model->entities.find(name);
    give({sizeof(mgqe_table_info), own->first.c_str(), own->second.c_str(), form.scheme.c_str(),
          form.rows, form.dim, bytes, static_cast<int32_t>(form.tiers.size()),
          static_cast<int32_t>(form.stages), form.rotated ? 1 : 0},
         info);
  });
}

mgqe_status mgqe_tiers(const mgqe_model* model, const char* table, int64_t* ends,
                       int32_t* centroids, int32_t* subspaces) {
  return answered([&] {
    const PackedTable& form = table_of(model, table).form();
    for (size_t t = 0; t < form.tiers.size(); ++t) {
      if (ends != nullptr) ends[t] = form.tiers[t].end;
      if (centroids != nullptr) centroids[t] = form.tiers[t].centroids;
      if (subspaces != nullptr) subspaces[t] = form.tiers[t].subspaces;
    }
  });
}

mgqe_status mgqe_array(const mgqe_model* model, const char* name, mgqe_array_info* info) {
  return answered([&] {
    need(model, "model");
    need(name, "the array's name");
    need(info, "info");
    const ArrayView& view = array_of(model, name);
    mgqe_array_info own = MGQE_ARRAY_INFO_INIT;
    own.data = view.bytes.data();
    own.dtype = dtype_of(view.dtype);
    own.rank = static_cast<int32_t>(view.shape.size());
    if (own.rank < 1 || own.rank > 2) input_error("array ", name, " has ", own.rank, " extents");
    std::copy(view.shape.begin(), view.shape.end(), own.shape);
    give(own, info);
  });
}

// ---- ids ----------------------------------------------------------------------------------------

int32_t mgqe_integer_ids(const mgqe_model* model, const char* entity) {
  int32_t kind = -1;
  answered([&] { kind = ids_of(model, entity).kind() != mgqe::IdKind::kText ? 1 : 0; });
  return kind;
}

mgqe_status mgqe_rows_of(const mgqe_model* model, const char* entity, const int64_t* ids,
                         int64_t count, int32_t* rows) {
  return answered([&] {
    const IdMap& map = ids_of(model, entity);
    need_count(count, "count");
    if (count > 0) need(ids, "ids"), need(rows, "rows");
    for (int64_t i = 0; i < count; ++i) rows[i] = static_cast<int32_t>(map.row_of(ids[i]));
  });
}

mgqe_status mgqe_row_of_text(const mgqe_model* model, const char* entity, const char* id,
                             size_t length, int32_t* row) {
  return answered([&] {
    need(id, "id");
    need(row, "row");
    *row = static_cast<int32_t>(ids_of(model, entity).row_of(std::string_view(id, length)));
  });
}

mgqe_status mgqe_ids_of(const mgqe_model* model, const char* entity, const int32_t* rows,
                        int64_t count, int64_t* ids) {
  return answered([&] {
    const IdMap& map = ids_of(model, entity);
    need_count(count, "count");
    if (count > 0) need(rows, "rows"), need(ids, "ids");
    if (map.kind() == mgqe::IdKind::kText)
      input_error("ids of ", entity, " are texts: ask mgqe_text_of");
    for (int64_t i = 0; i < count; ++i) ids[i] = map.integer_of(rows[i]);
  });
}

mgqe_status mgqe_text_of(const mgqe_model* model, const char* entity, int64_t row, char* out,
                         size_t capacity, size_t* length) {
  return answered([&] {
    need(length, "length");
    if (capacity > 0) need(out, "out");
    const std::string text = ids_of(model, entity).text_of(row);
    std::copy_n(text.data(), std::min(capacity, text.size()), out);
    *length = text.size();
  });
}

// ---- look-ups, scores, top-k --------------------------------------------------------------------

mgqe_status mgqe_look_up(const mgqe_model* model, const char* table, const int64_t* rows,
                         int64_t count, mgqe_dtype dtype, void* out, int64_t stride,
                         int32_t threads) {
  return answered([&] {
    const mgqe::RowReader& reader = model->serving.reader(table_of(model, table).name());
    need_count(count, "count");
    if (count > 0) need(rows, "rows"), need(out, "out");
    if (stride < reader.dim())
      input_error("stride is ", stride, ", below the table's dimension ", reader.dim());
    if (threads < 1) input_error("threads is ", threads, ": 1 or more belong");
    const std::span<const int64_t> wanted(rows, static_cast<size_t>(count));
    switch (number_of(dtype)) {
      case MGQE_F32:
        return reader.look_up(wanted, static_cast<float*>(out), stride, threads);
      case MGQE_F16:
        return reader.look_up(wanted, static_cast<mgqe::Half*>(out), stride, threads);
      case MGQE_BF16:
        return reader.look_up(wanted, static_cast<mgqe::Bfloat16*>(out), stride, threads);
      default:
        input_error("rows are MGQE_F32, MGQE_F16 or MGQE_BF16, not ", number_of(dtype));
    }
  });
}

mgqe_status mgqe_top_k(const mgqe_model* model, const char* table, const float* queries,
                       int64_t count, const mgqe_top_k_options* options,
                       const mgqe_result* result) {
  return answered([&] {
    const TableView& asked = table_of(model, table);
    Asked call(options, count, result);
    if (count > 0) need(queries, "queries");
    model->serving.top_k(asked.name(), {queries, count, asked.dim()}, call.own.top, call.result());
    call.write();
  });
}

mgqe_status mgqe_scores(const mgqe_model* model, const char* table, const float* query,
                        const int64_t* rows, int64_t count, float* scores) {
  return answered([&] {
    const TableView& asked = table_of(model, table);
    need(query, "query");
    need_count(count, "count");
    if (count > 0) need(scores, "scores");
    const mgqe::RowReader& reader = model->serving.reader(asked.name());
    if (rows == nullptr && count > asked.rows())
      input_error("scores of ", count, " rows of table ", table, ", which has ", asked.rows());
    const View<const float> vector(query, 1, asked.dim());
    if (rows == nullptr) return mgqe::decoded_scores(reader, vector, {scores, count});
    mgqe::decoded_scores(reader, vector, {rows, static_cast<size_t>(count)}, {scores, count});
  });
}

mgqe_status mgqe_recommend(const mgqe_model* model, const mgqe_questions* questions,
                           const mgqe_top_k_options* options, const mgqe_result* result) {
  return answered([&] {
    need(model, "model");
    const std::vector<Question> asked = questions_of(questions);
    Asked call(options, static_cast<int64_t>(asked.size()), result);
    model->serving.recommend(asked, call.own, call.result());
    call.write();
  });
}

mgqe_status mgqe_vectors(const mgqe_model* model, const mgqe_questions* questions, float* out) {
  return answered([&] {
    need(model, "model");
    const std::vector<Question> asked = questions_of(questions);
    if (asked.empty()) return;
    need(out, "out");
    model->serving.vectors(asked, {out, static_cast<int64_t>(asked.size()),
                                   model->serving.reader(model->serving.item_table()).dim()});
  });
}

mgqe_status mgqe_similar(const mgqe_model* model, const int32_t* items, int64_t count,
                         mgqe_likeness by, const mgqe_top_k_options* options,
                         const mgqe_result* result) {
  return answered([&] {
    need(model, "model");
    Asked call(options, count, result);
    if (count > 0) need(items, "items");
    model->serving.similar({items, static_cast<size_t>(count)}, likeness_of(by), call.own.top,
                           call.result());
    call.write();
  });
}
