// Sequences of calls of the C ABI, on a file of a stranger or on a small model of ours. A program
// of calls stands in front, each of a number and its arguments, which may be anything that a caller
// in another language gets wrong without lying about its own memory: buffers are as long as they
// must be.
#include <algorithm>
#include <memory>

#include "host/serve/c/mgqe.h"
#include "tests/fuzz/formats/small_models.hpp"
#include "tests/fuzz/fuzz_target.hpp"

namespace mgqe::fuzzing {
namespace {

constexpr const char* kTables[] = {"item", "user", "t0", "gmf.item", "", nullptr};
constexpr const char* kArrays[] = {"item.codebook", "item.codes.0", "gmf.weights", "t0.table", ""};
constexpr int64_t kMostRows = 1 << 20;  // of a table whose rows are all scored

class Caller {
 public:
  Caller(Input program, const std::string& path) : program_(program) {
    mgqe_open_options options = MGQE_OPEN_OPTIONS_INIT;
    const auto wishes = program_.take<uint8_t>();
    options.read = wishes & 1;
    options.verify = wishes >> 1 & 1;
    options.prepare = wishes >> 2 & 1;
    said(mgqe_open(path.c_str(), &options, &model_));
  }
  ~Caller() { mgqe_close(model_); }

  void run() {
    if (model_ != nullptr)
      for (int64_t i = 0; i < mgqe_table_count(model_); ++i) {
        mgqe_table_info info = MGQE_TABLE_INFO_INIT;
        if (mgqe_table_at(model_, i, &info) == MGQE_OK) rows_ = std::max(rows_, info.rows);
      }
    for (int call = 0; call < 32 && !program_.rest().empty(); ++call) one();
  }

 private:
  /// What no caller may hear: these are defects of ours.
  static mgqe_status said(mgqe_status status) {
    const std::string line = mgqe_last_error();
    FUZZ_EXPECT(status != MGQE_INTERNAL && status != MGQE_OUT_OF_MEMORY, status, ": ", line);
    FUZZ_EXPECT(status == MGQE_OK ||
                    (!line.empty() && std::none_of(line.begin(), line.end(),
                                                   [](char c) { return c >= 0 && c < ' '; })),
                line);
    return status;
  }

  const char* table() { return kTables[program_.take<uint8_t>() % std::size(kTables)]; }
  template <class T>
  std::vector<T> some(size_t count) {
    std::vector<T> values(count);
    for (T& value : values) value = static_cast<T>(program_.take<int8_t>());
    return values;
  }

  mgqe_top_k_options top_k_options() {
    mgqe_top_k_options options = MGQE_TOP_K_OPTIONS_INIT;
    options.k = program_.take<int8_t>();
    const auto wishes = program_.take<uint8_t>();
    sorted_ = some<int32_t>(wishes % 4);
    bitmap_ = some<uint8_t>(wishes / 4 % 4);
    if (wishes & 16)
      options.allow = {sorted_.data(), static_cast<int64_t>(sorted_.size()), nullptr, 0};
    if (wishes & 32)
      options.block = {nullptr, 0, bitmap_.data(), static_cast<int64_t>(bitmap_.size())};
    if (wishes & 64) options.shortlist = program_.take<int8_t>();
    if (wishes & 128) options.threads = program_.take<int8_t>() % 3;
    return options;
  }

  mgqe_result result(int64_t queries, int64_t k) {
    const auto count = static_cast<size_t>(std::max<int64_t>(queries, 0) * std::max<int64_t>(k, 0));
    result_rows_.assign(count, 0);
    result_scores_.assign(count, 0.0f);
    counts_.assign(static_cast<size_t>(std::max<int64_t>(queries, 0)), 0);
    return {result_rows_.data(), result_scores_.data(), counts_.data()};
  }

  int64_t dim_of(const char* name) {
    mgqe_table_info info = MGQE_TABLE_INFO_INIT;
    return said(mgqe_table(model_, name, &info)) == MGQE_OK ? info.dim : 0;
  }

  void one() {
    switch (program_.take<uint8_t>() % 14) {
      case 0:
        return static_cast<void>(said(mgqe_verify(model_)));
      case 1:
        return static_cast<void>(said(mgqe_prepare(model_, program_.take<int8_t>() % 3)));
      case 2:
        return describe();
      case 3:
        return ids();
      case 4:
        return texts();
      case 5:
        return look_up();
      case 6:
        return top_k();
      case 7:
        return scores();
      case 8:
        return recommend();
      case 9:
        return vectors();
      case 10:
        return similar();
      case 11:
        return array();
      case 12:
        return tiers();
      default:
        static_cast<void>(mgqe_metadata(model_, "config"));
    }
  }

  void describe() {
    mgqe_table_info info = MGQE_TABLE_INFO_INIT;
    info.size = program_.take<uint8_t>() % (sizeof info + 1);
    said(mgqe_table_at(model_, program_.take<int8_t>(), &info));
    FUZZ_EXPECT(mgqe_max_length(model_) >= 0);
    mgqe_integer_ids(model_, table());
  }
  void ids() {
    const auto asked = some<int64_t>(program_.take<uint8_t>() % 5);
    std::vector<int32_t> rows(asked.size());
    const char* const entity = table();
    if (said(mgqe_rows_of(model_, entity, asked.data(), int64_t(asked.size()), rows.data())) !=
        MGQE_OK)
      return;
    std::vector<int64_t> back(rows.size());
    said(mgqe_ids_of(model_, entity, rows.data(), int64_t(rows.size()), back.data()));
  }
  void texts() {
    const auto text = some<char>(program_.take<uint8_t>() % 5);
    int32_t row = 0;
    said(mgqe_row_of_text(model_, table(), text.data(), text.size(), &row));
    std::vector<char> out(program_.take<uint8_t>() % 5);
    size_t length = 0;
    said(mgqe_text_of(model_, table(), program_.take<int8_t>(), out.data(), out.size(), &length));
  }
  void look_up() {
    const char* const name = table();
    const auto rows = some<int64_t>(program_.take<uint8_t>() % 5);
    const int64_t stride = dim_of(name) + program_.take<int8_t>() % 3;
    const auto type = static_cast<mgqe_dtype>(program_.take<uint8_t>() % 6);
    std::vector<float> out(rows.size() * static_cast<size_t>(std::max<int64_t>(stride, 0)));
    said(mgqe_look_up(model_, name, rows.data(), int64_t(rows.size()), type, out.data(), stride,
                      program_.take<int8_t>() % 3));
  }
  void top_k() {
    const char* const name = table();
    if (rows_ > kMostRows) return;
    const int64_t count = program_.take<uint8_t>() % 3;
    const auto queries = some<float>(static_cast<size_t>(count * dim_of(name)));
    const mgqe_top_k_options options = top_k_options();
    const mgqe_result into = result(count, options.k);
    said(mgqe_top_k(model_, name, queries.data(), count, &options, &into));
  }
  void scores() {
    const char* const name = table();
    const auto query = some<float>(static_cast<size_t>(dim_of(name)));
    const auto rows = some<int64_t>(program_.take<uint8_t>() % 5);
    std::vector<float> out(rows.size());
    said(mgqe_scores(model_, name, query.data(), rows.data(), int64_t(rows.size()), out.data()));
  }
  mgqe_questions questions() {
    mgqe_questions who = MGQE_QUESTIONS_INIT;
    who.count = program_.take<uint8_t>() % 3;
    users_ = some<int32_t>(static_cast<size_t>(who.count));
    history_ = some<int32_t>(4);
    offsets_.clear();
    for (int64_t m = 0; m <= who.count; ++m) offsets_.push_back(program_.take<uint8_t>() % 5);
    const auto wishes = program_.take<uint8_t>();
    if (wishes & 1) who.users = users_.data();
    if (wishes & 2) who.history = history_.data(), who.offsets = offsets_.data();
    return who;
  }
  void recommend() {
    const mgqe_questions who = questions();
    const mgqe_top_k_options options = top_k_options();
    const mgqe_result into = result(who.count, options.k);
    if (rows_ <= kMostRows) said(mgqe_recommend(model_, &who, &options, &into));
  }
  void vectors() {
    const char* const items = model_ ? mgqe_metadata(model_, "item_table") : nullptr;
    const mgqe_questions who = questions();
    std::vector<float> out(static_cast<size_t>(who.count * dim_of(items)));
    said(mgqe_vectors(model_, &who, out.data()));
  }
  void similar() {
    const auto items = some<int32_t>(program_.take<uint8_t>() % 3);
    const auto by = static_cast<mgqe_likeness>(program_.take<uint8_t>() % 3);
    const mgqe_top_k_options options = top_k_options();
    const mgqe_result into = result(int64_t(items.size()), options.k);
    if (rows_ <= kMostRows)
      said(mgqe_similar(model_, items.data(), int64_t(items.size()), by, &options, &into));
  }
  void array() {
    mgqe_array_info info = MGQE_ARRAY_INFO_INIT;
    const char* const name = kArrays[program_.take<uint8_t>() % std::size(kArrays)];
    if (said(mgqe_array(model_, name, &info)) != MGQE_OK) return;
    FUZZ_EXPECT(info.rank == 1 || info.rank == 2, info.rank);
  }
  void tiers() {
    int64_t ends[8];
    int32_t centroids[8], subspaces[8];
    said(mgqe_tiers(model_, table(), ends, centroids, subspaces));
  }

  InputReader program_;
  mgqe_model* model_ = nullptr;
  int64_t rows_ = 0;
  std::vector<int32_t> sorted_, users_, history_, result_rows_;
  std::vector<uint8_t> bitmap_;
  std::vector<float> result_scores_;
  std::vector<int64_t> counts_, offsets_;
};

/// Bytes of the program, then it, then the file, or one of ours (whole_or_changed).
void read(Input input) {
  InputReader reader(input);
  const size_t length = reader.take<uint8_t>();
  const Input program = reader.rest().subspan(0, std::min(length, reader.rest().size()));
  static const std::vector<std::string> ours = small_model_files();
  const std::string file = whole_or_changed(reader.rest().subspan(program.size()), ours);
  Caller(program, file_of("c_api.safetensors", input_of(file))).run();
}

std::vector<std::string> seeds() {
  std::vector<std::string> seeds;
  std::string program(1, '\0');
  for (char call = 0; call < 14; ++call) program += std::string{call, 0, 1, 2, 3, 1, 0, 2, 5, 1};
  program.insert(program.begin(), static_cast<char>(program.size()));
  for (char model = 0; model < 20; model += 3) seeds.push_back(program + model);
  const std::string lists(
      "\x18\x00\x08\x01\x02\x01\x02\x03\x04\x00\x02\x03\x05\xF1\x02\x05\x01\x0A"
      "\x01\x03\x01\x05\x00\x06\x01",
      25);
  seeds.push_back(lists);
  seeds.push_back(program + small_model_files()[1]);
  return seeds;
}

const RegisteredTarget kTarget({"c_api", read, seeds});

}  // namespace
}  // namespace mgqe::fuzzing
