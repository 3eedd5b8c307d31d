#include "experiments/bench/data_cases.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>

#include <fmt/format.h>

#include "host/base/check.hpp"
#include "host/data/ctr/ctr_batches.hpp"
#include "host/data/ctr/ctr_cache.hpp"
#include "host/data/ctr/prepare.hpp"
#include "host/data/dataset.hpp"
#include "host/data/interactions/actions.hpp"
#include "host/data/relevance/relevance.hpp"
#include "host/io/atomic_file.hpp"
#include "host/io/bytes.hpp"

namespace mgqe::bench {
namespace {

namespace fs = std::filesystem;
using Buffer = fmt::memory_buffer;

/// Numbers as ids are: few of them often, most of them rarely.
class Draws {
 public:
  explicit Draws(uint64_t seed) : random_(seed) {}

  int64_t below(int64_t bound) {
    return std::uniform_int_distribution<int64_t>(0, bound - 1)(random_);
  }
  /// Density 1 / x, nearly: the logarithm is uniform.
  int64_t popular(int64_t bound) {
    const double u = std::uniform_real_distribution<double>(0.0, 1.0)(random_);
    const double value = std::pow(static_cast<double>(bound), u) - 1.0;
    return std::min(bound - 1, static_cast<int64_t>(value));
  }

 private:
  std::mt19937_64 random_;
};

/// Lines until there are so many bytes; how many lines there are.
template <typename Line>
int64_t fill(Buffer& text, int64_t bytes, const Line& line) {
  int64_t lines = 0;
  for (; static_cast<int64_t>(text.size()) < bytes; ++lines) line(lines);
  return lines;
}

/// 40 an average user, who has lines one behind the other.
int64_t user_of(int64_t line) { return 1 + line / 40; }

/// Writes the text; what a case needs to know of it.
DataCase text_case(const char* what, std::string how, const fs::path& path, const Buffer& text,
                   int64_t rows) {
  write_file_atomically(path, std::string_view(text.data(), text.size()));
  return {what, std::move(how), static_cast<double>(text.size()), 0.0, rows, {}, {}};
}

class InteractionTexts {
 public:
  InteractionTexts(fs::path folder, const DataSizes& sizes)
      : folder_(std::move(folder)), sizes_(sizes) {}

  void add(std::vector<DataCase>& cases) const {
    cases.push_back(read("user and item, blanks", "pairs.txt", read_sasrec_text,
                         [](Buffer& text, int64_t line, int64_t item) {
                           fmt::format_to(std::back_inserter(text), "{} {}\n", user_of(line), item);
                         }));
    cases.push_back(read("user::item::rating::timestamp", "ratings.dat", read_ratings_dat,
                         [](Buffer& text, int64_t line, int64_t item) {
                           fmt::format_to(std::back_inserter(text), "{}::{}::{}::{}\n",
                                          user_of(line), item, 1 + line % 5, 978'300'000 + line);
                         }));
    const auto tabs = [](const Bytes& file) { return read_delimited(file, '\t'); };
    cases.push_back(read("user, item, rating and time, tabs", "ratings.tsv", tabs,
                         [](Buffer& text, int64_t line, int64_t item) {
                           if (line == 0)
                             text.append(std::string_view("user\titem\trating\ttime\n"));
                           fmt::format_to(std::back_inserter(text), "{}\t{}\t{}\t{}\n",
                                          user_of(line), item, 1 + line % 5, 978'300'000 + line);
                         }));
    const auto commas = [](const Bytes& file) { return read_delimited(file, ','); };
    cases.push_back(read("ids that are words, commas", "words.csv", commas,
                         [](Buffer& text, int64_t line, int64_t item) {
                           if (line == 0) text.append(std::string_view("user,item,time\n"));
                           fmt::format_to(std::back_inserter(text), "u{:x},product-{:x},{}\n",
                                          user_of(line), item, 978'300'000 + line);
                         }));
    DataCase loaded = cases[cases.size() - 2];
    loaded.what = "interactions, split and ranked";
    loaded.run = [path = folder_ / "ratings.tsv"] {
      DataConfig config;
      config.name = path.string();
      MGQE_CHECK(load_dataset(config, *make_backend("cpu")).actions > 0);
    };
    cases.push_back(std::move(loaded));
  }

 private:
  template <typename Reader, typename Line>
  DataCase read(const char* how, const char* name, const Reader& reader, const Line& line) const {
    constexpr int64_t kItems = 50'000;
    Draws draws(sizes_.seed);
    Buffer text;
    const int64_t rows = fill(text, sizes_.text_bytes, [&](int64_t number) {
      line(text, number, 1 + draws.popular(kItems));
    });
    const fs::path path = folder_ / name;
    DataCase made = text_case("interactions", how, path, text, rows);
    made.run = [reader, path] { MGQE_CHECK(!reader(Bytes::map(path)).users.empty()); };
    return made;
  }

  fs::path folder_;
  DataSizes sizes_;
};

DataCase relevance_case(const fs::path& folder, const DataSizes& sizes) {
  Draws draws(sizes.seed);
  Buffer text;
  constexpr int64_t kItems = 15'000;
  const int64_t rows = fill(text, sizes.text_bytes / 4, [&](int64_t line) {
    const int64_t left = line % kItems, right = (left + 1 + line / kItems) % kItems;
    fmt::format_to(std::back_inserter(text), "{}\t{}\t{}\n", left, right, draws.below(201) - 100);
  });
  const fs::path path = folder / "relevance.tsv";
  DataCase made =
      text_case("relevance, split and ranked", "item, item and score, tabs", path, text, rows);
  made.run = [path] {
    DataConfig config;
    config.name = path.string();
    MGQE_CHECK(load_relevance(config, *make_backend("cpu")).items > 0);
  };
  return made;
}

/// Texts of rows with many fields, and what they are prepared by.
class RowTexts {
 public:
  RowTexts(fs::path folder, const DataSizes& sizes) : folder_(std::move(folder)), sizes_(sizes) {}

  void add(std::vector<DataCase>& cases) const {
    PrepareOptions criteo;
    criteo.format = "criteo";
    criteo.defaults.min_count = 10;
    cases.push_back(prepared("Criteo's 40 columns, tabs", "criteo.tsv", criteo, criteo_line));
    PrepareOptions commas;
    commas.fields = {parse_field(FieldKind::kLabel, "clicked", "--label"),
                     parse_field(FieldKind::kDense, "price", "--dense")};
    cases.push_back(prepared("12 columns with a header, commas", "clicks.csv", commas, csv_line));
    cases.push_back(prepared("10 fields, libfm", "rows.libfm", {}, libfm_line));
  }

 private:
  template <typename Line>
  DataCase prepared(const char* how, const char* name, PrepareOptions options,
                    const Line& line) const {
    Draws draws(sizes_.seed);
    Buffer text;
    const int64_t rows =
        fill(text, sizes_.text_bytes, [&](int64_t number) { line(text, number, draws); });
    const fs::path path = folder_ / name;
    DataCase made = text_case("prepare", how, path, text, rows);
    options.sources = {{path.string(), CtrSplit::kTrain}};
    options.split = parse_split_rule("random:0.1,0.1", sizes_.seed);
    options.out = path.string() + ".ctr";
    made.run = [options] { prepare(options, [](const std::string&, int64_t, int64_t) {}); };
    return made;
  }

  static void criteo_line(Buffer& text, int64_t, Draws& draws) {
    const auto out = std::back_inserter(text);
    fmt::format_to(out, "{}", draws.below(4) == 0 ? 1 : 0);
    for (int field = 0; field < 13; ++field)
      if (draws.below(4) == 0)
        text.push_back('\t');
      else
        fmt::format_to(out, "\t{}", draws.popular(1000));
    for (int64_t field = 0; field < 26; ++field) {
      const auto value = static_cast<uint32_t>(draws.popular(int64_t{10} << (field % 14)));
      fmt::format_to(out, "\t{:08x}",
                     (value + 1 + static_cast<uint32_t>(field)) * uint32_t{2'654'435'761});
    }
    text.push_back('\n');
  }
  static void csv_line(Buffer& text, int64_t line, Draws& draws) {
    const auto out = std::back_inserter(text);
    if (line == 0) {
      text.append(std::string_view("clicked,price"));
      for (int field = 0; field < 10; ++field) fmt::format_to(out, ",field{}", field);
      text.push_back('\n');
    }
    fmt::format_to(out, "{},{}.{:02}", draws.below(2), draws.popular(500), draws.below(100));
    for (int field = 0; field < 10; ++field)
      fmt::format_to(out, ",value-{}", draws.popular(int64_t{4} << field));
    text.push_back('\n');
  }
  static void libfm_line(Buffer& text, int64_t, Draws& draws) {
    const auto out = std::back_inserter(text);
    fmt::format_to(out, "{}", draws.below(2));
    int64_t first = 0;
    for (int field = 0; field < 10; ++field) {
      const int64_t values = int64_t{4} << field;
      fmt::format_to(out, " {}:1", first + draws.popular(values));
      first += values;
    }
    text.push_back('\n');
  }

  fs::path folder_;
  DataSizes sizes_;
};

/// Of the training rows: the bytes of the cache that hold them, and those of the batches made of
/// them.
void set_bytes(DataCase& made, const CtrCache& cache) {
  const CtrShape& shape = cache.shape();
  made.rows = cache.rows(CtrSplit::kTrain);
  const auto fields = static_cast<double>(shape.fields.size() + shape.dense.size());
  const auto rows = static_cast<double>(made.rows);
  double row_bytes = 1.0;  // the label
  for (const CachedField& field : cache.index().fields)
    if (field.kept()) row_bytes += field.spec.kind == FieldKind::kDense ? 4.0 : field.width;
  made.source_bytes = rows * row_bytes;
  made.moved_bytes = made.source_bytes + rows * 4.0 * (1.0 + fields);
}

void read_in_order(const CtrCache& cache) {
  CtrBatch batch;
  const int64_t all = cache.rows(CtrSplit::kTrain);
  for (int64_t first = 0; first < all; first += batch.rows)
    cache.range(CtrSplit::kTrain, first, std::min(cache.block_rows(), all - first), batch);
}

void read_shuffled(const CtrCache& cache, uint64_t seed) {
  CtrBatches batches(cache, {.seed = seed});
  batches.begin_epoch(1);
  CtrBatch batch;
  int64_t rows = 0;
  while (batches.next(batch)) rows += batch.rows;
  MGQE_CHECK(rows == cache.rows(CtrSplit::kTrain));
}

/// The cache that `prepared` writes.
void add_cache(std::vector<DataCase>& cases, const DataCase& prepared, const fs::path& path,
               uint64_t seed) {
  prepared.run();
  const auto opened = std::make_shared<std::unique_ptr<CtrCache>>();
  const auto open = [opened, path] { *opened = std::make_unique<CtrCache>(path); };
  const auto add = [&](const char* how, std::function<void()> before, std::function<void()> run) {
    DataCase made{"cache", how, 0.0, 0.0, 0, std::move(before), std::move(run)};
    set_bytes(made, **opened);
    cases.push_back(std::move(made));
  };
  open();
  add("in order, checksums compared", open, [opened] { read_in_order(**opened); });
  add(
      "in order, seen before", [opened] { read_in_order(**opened); },
      [opened] { read_in_order(**opened); });
  add("shuffled, checksums compared", open, [opened, seed] { read_shuffled(**opened, seed); });
  add(
      "shuffled, seen before", [opened] { read_in_order(**opened); },
      [opened, seed] { read_shuffled(**opened, seed); });
}

}  // namespace

std::vector<DataCase> data_cases(const fs::path& folder, const DataSizes& sizes) {
  std::vector<DataCase> cases;
  InteractionTexts(folder, sizes).add(cases);
  cases.push_back(relevance_case(folder, sizes));
  const size_t first_prepared = cases.size();
  RowTexts(folder, sizes).add(cases);
  add_cache(cases, DataCase(cases[first_prepared]), folder / "criteo.tsv.ctr", sizes.seed);
  return cases;
}

}  // namespace mgqe::bench
